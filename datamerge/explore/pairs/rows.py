"""The texts of a few rows, fetched from the frame they are in when they are looked at."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ... import workdir
from ...compute import each_partition
from ...dedup.compared.adapt import Ids, adapted
from ...dedup.compared.earlier import earlier_frames
from ...dedup.deciding.keep import _keys
from ...dedup.deciding.layers import Layers
from ...dedup.deciding.lookup import hashed
from ...dedup.duplicates import Duplicates
from ...text import VIEWS
from .take import Take
from .words import Said

HELD = 20_000_000  # characters kept in memory
_COLUMNS = ("messages", "text")


class Rows:
    """What rows say, by their numbers; read where they lie, and remembered for a while."""

    def __init__(self, dups: Duplicates, df: Any = None):
        self.layers: Layers = dups._stack
        texts = {search.about["text"] for _, search, _ in dups._layers}
        own = [text for text in texts if text and text not in VIEWS]
        frames = _frames(dups, df)
        self.new = [Frame(frame, self.layers, own) for frame in frames[0]]
        self.old = [Frame(frame, self.layers, own) for frame in frames[1]]
        self._held: OrderedDict[int, Said] = OrderedDict()
        self._size = 0

    def get(self, rows: Sequence[int]) -> dict[int, Said]:
        """What these rows say; those that are nowhere to be found are not in it."""
        missing = [row for row in dict.fromkeys(rows) if row not in self._held]
        olds = [row for row in missing if row < self.layers.olds]
        for frames, some in ((self.old, olds), (self.new, [r for r in missing if r not in olds])):
            for frame in frames if some else ():
                self._remember(frame.get(some))
        found = {row: self._held[row] for row in rows if row in self._held}
        for row in found:
            self._held.move_to_end(row)
        while self._size > HELD and len(self._held) > len(found):
            _, said = self._held.popitem(last=False)
            self._size -= _length(said)
        return found

    def _remember(self, found: Mapping[int, Said]) -> None:
        for row, said in found.items():
            if row not in self._held:
                self._size += _length(said)
            self._held.setdefault(row, said)


def _frames(dups: Duplicates, df: Any) -> tuple[list[Any], list[Any]]:
    """Where new rows are, and where those compared against are."""
    searches = [search for _, search, _ in dups._layers]
    against = [getattr(search, "against", None) for search in searches]
    olds = [adapted(frame) for one in against for frame in earlier_frames(one)]
    if df is None and searches[0].df is None:
        return [], olds  # duplicates that were saved
    return [dups._target(df, "first")], olds


def _length(said: Said) -> int:
    return sum(len(content) for _, content in said)


class Frame:
    """A frame in which rows are looked up; the first time all of it is read, then parts of it."""

    def __init__(self, df: Any, layers: Layers, own: Sequence[str]):
        names = ["id", *(name for name in (*own, *_COLUMNS) if name in df.columns)]
        self.df = df[list(dict.fromkeys(names))]
        self.layers, self.own = layers, tuple(own)
        self._places: np.ndarray | None = None

    def get(self, rows: Sequence[int]) -> dict[int, Said]:
        """What these rows say, as far as they are here."""
        ids = self.layers.id.take(pa.array(rows, pa.int64()))
        number = dict(zip(ids.to_pylist(), rows, strict=True))
        found: dict[Any, Said] = {}
        for part in self._parts(ids):
            found |= part
        return {number[key]: said for key, said in found.items()}

    def _parts(self, ids: Ids) -> Iterator[dict[Any, Said]]:
        if isinstance(self.df, pd.DataFrame):
            yield Take(ids, self.own)(self.df, 0)[0]
            return
        if self._places is None:
            yield from self._first(ids)
            return
        where = self._places[np.searchsorted(self._keys(), hashed(_texts(ids)))]
        wanted = sorted(set(where[where >= 0].tolist()))
        if wanted:
            work = Take(ids, self.own)
            for _, _, found in each_partition(self.df, work, stage="look", partitions=wanted):
                yield found[0]

    def _first(self, ids: Ids) -> Iterator[dict[Any, Said]]:
        """Read all partitions, and note which rows are in which."""
        keys = self._keys()
        places = np.full(len(keys) + 1, -1, np.int32)
        work = Take(ids, self.own, str(self._path))
        for _, number, (found, here) in each_partition(self.df, work, stage="look"):
            places[here] = number
            yield found
        self._places = places

    def _keys(self) -> np.ndarray:
        """Hashes of the ids of all rows with duplicates, sorted; in a file, for the tasks."""
        if not hasattr(self, "_path"):
            ids = self.layers.id
            self._path = workdir.place("pairs", "looked for", ids).with_suffix(".npy")
            if not self._path.exists():
                with workdir.replacing(self._path) as temporary, temporary.open("wb") as file:
                    np.save(file, np.sort(hashed(_texts(ids))), allow_pickle=False)
        return _keys(str(self._path))


def _texts(ids: Ids) -> pa.LargeStringArray:
    return ids.cast(pa.large_string())
