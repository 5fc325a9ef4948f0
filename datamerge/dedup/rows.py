"""What a finder compares: for every live row with a text, its id, source, length and text hash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .. import audit, checkpoint
from .._arrays import strings, turns
from ..compute import each_partition
from ..text import TextView, view
from .adapt import Ids, adapted, id_array, readable_part
from .digest import Normal, chat_digests, digests
from .digest import normalised as normalised
from .ids import natural_order, unique

What = Literal["loose", "words", "none", "view"]  # "view": the text alone, whoever says what


@dataclass(frozen=True)
class Compared:
    """Rows to compare, sorted by where they stand in their source.

    ``digest`` is ``[n, 2]`` uint64: the 128-bit hash of what was compared. ``alive`` counts the
    live rows of each source, with a text or without. ``old`` rows come from what the frame is
    compared against: they stand first, and are never removed.
    """

    id: Ids
    source: pa.LargeStringArray
    chars: np.ndarray
    digest: np.ndarray
    place: np.ndarray
    old: np.ndarray
    alive: dict[str, int]

    def __len__(self) -> int:
        return len(self.id)

    def first_of_same(self) -> np.ndarray:
        """For each row the first row with the same digest; itself where there is none before."""
        high, low = self.digest[:, 0], self.digest[:, 1]
        order = np.argsort(high)
        tied = high[order[1:]] == high[order[:-1]]
        if (tied & (low[order[1:]] != low[order[:-1]])).any():
            order = np.lexsort((low, high))
            tied = (self.digest[order[1:]] == self.digest[order[:-1]]).all(axis=1)
        new = np.concatenate([np.ones(min(len(self), 1), bool), ~tied])
        first = np.empty(len(self), np.int64)
        if len(self):
            least = np.minimum.reduceat(order, np.flatnonzero(new))
            first[order] = least[np.cumsum(new) - 1]
        return first


@dataclass(frozen=True)
class Extract:
    """Partition function: the live rows that have something to compare, and their digests."""

    text: TextView
    normal: What

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        alive = chosen(part, part[audit.REASON].isna().to_numpy(dtype=bool))
        plain = view(alive, self.text)
        present = has_text(plain)
        rows = chosen(alive, present)
        plain = plain if present.all() else plain.filter(pa.array(present))
        return {
            "id": id_array(rows["id"]),
            "source": strings(rows["source"]),
            "chars": pc.utf8_length(plain).to_numpy(),
            "digest": self._digests(rows, plain),
            "place": np.column_stack([np.full(len(rows), number), np.arange(len(rows))]),
            "alive": {str(k): int(n) for k, n in alive["source"].value_counts().items()},
        }

    def _digests(self, rows: pd.DataFrame, plain: pa.LargeStringArray) -> np.ndarray:
        """What makes two rows the same: for a chat, its roles and tool calls too."""
        normal: Normal = "none" if self.normal == "view" else self.normal
        if self.text != "chat" or self.normal == "view" or "messages" not in rows.columns:
            return digests(plain, normal)
        chats = turns(rows["messages"])
        found, has_turns = chat_digests(chats, normal), np.diff(chats.offsets) > 0
        if not has_turns.all():
            found[~has_turns] = digests(plain.filter(pa.array(~has_turns)), normal)
        return found


def chosen(part: pd.DataFrame, flags: np.ndarray) -> pd.DataFrame:
    """The rows so flagged; no copy where that is all of them."""
    return part if flags.all() else part[flags]


def has_text(texts: pa.LargeStringArray) -> np.ndarray:
    """Boolean per text: is there anything in it but white space?"""
    filled = pc.not_equal(pc.utf8_trim_whitespace(texts), "")
    return pc.fill_null(filled, False).to_numpy(zero_copy_only=False)


Work = Callable[[pd.DataFrame, int], dict[str, Any]]


def extract(df: Any, work: Work, *, stage: str, against: Any = None) -> tuple[Any, Compared]:
    """Do the work on every partition; returns the frame it was done on, and the rows in order.

    A Dask frame is written down first (see :mod:`datamerge.checkpoint`), since what follows
    would compute it again. Partitions of ``against`` are numbered after those of the frame.
    """
    kept, new = _worked(df, work, stage, 0)
    old = [] if against is None else _worked(against, work, stage, len(new))[1]
    return kept, _joined(new, old)


def _worked(df: Any, work: Work, stage: str, first: int) -> tuple[Any, list[dict[str, Any]]]:
    df = adapted(df)
    if isinstance(df, pd.DataFrame):
        return df, [_Numbered(work, first, "")(df, 0)]
    kept = checkpoint.keep(df)
    found = {
        number: result
        for _, number, result in each_partition(
            kept, _Numbered(work, first), stage=stage, rows=lambda result: len(result["id"])
        )
    }
    return kept, [found[number] for number in sorted(found)]


@dataclass(frozen=True)
class _Numbered:
    work: Work
    first: int
    where: str = " of partition {number}"

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        kind = id_array(part["id"], self.where.format(number=number)).type
        result = self.work(readable_part(part), self.first + number)
        return {**result, "id": result["id"].cast(kind)}


def _joined(new: list[dict[str, Any]], before: list[dict[str, Any]]) -> Compared:
    results = before + new
    ids = pa.concat_arrays([result["id"] for result in results])
    old = np.arange(len(ids)) < sum(len(result["id"]) for result in before)
    order = natural_order(ids)
    order = order[np.argsort(~old[order], kind="stable")]
    alive: dict[str, int] = {}
    for result in new:
        for source, rows in result["alive"].items():
            alive[source] = alive.get(source, 0) + rows

    def column(name: str) -> np.ndarray:
        return np.concatenate([result[name] for result in results])[order]

    taken = ids.take(pa.array(order))
    unique(taken.slice(int(old.sum())))
    sources = pa.concat_arrays([result["source"] for result in results]).take(pa.array(order))
    return Compared(
        taken,
        sources,
        column("chars"),
        column("digest"),
        column("place"),
        old[order],
        dict(sorted(alive.items())),
    )
