"""Evidence on disk: the rows that have a duplicate, their pairs, and how they were found.

A folder holds ``rows.arrow``, the graph of pairs (see :mod:`.graph`), the groups whose pairs
were not listed (see :mod:`.within`), and, written last, ``about.json``. All of it is mapped, so
that pairs may be more than memory holds.
"""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.feather as feather
import xxhash

from ... import workdir
from ..._arrays import one_chunk
from ...workdir import running, sealed
from ..compared.adapt import Ids
from ..compared.rows import Compared
from . import graph, within
from .pairs import Pairs

LAYOUT = 3


@dataclass(frozen=True)
class Evidence:
    """Rows in natural order, ``same`` (each row's first of the same text), and scored pairs.

    The first ``olds`` rows come from what was compared against. The graph and the groups are of
    rows that are the first of their class, and stand for all of it.
    """

    id: Ids
    source: pa.LargeStringArray
    chars: np.ndarray
    same: np.ndarray
    olds: int
    graph: graph.Graph
    groups: within.Groups | None
    about: dict[str, Any]

    def __len__(self) -> int:
        return len(self.same)

    @property
    def how(self) -> str:
        """The finder's name."""
        return str(self.about["how"])

    @property
    def how_same(self) -> str:
        """How rows of one class were found to be the same."""
        return str(self.about.get("same", "exact"))

    @property
    def left(self) -> np.ndarray:
        """The first rows of the listed pairs."""
        return self._listed(0, np.int64)

    @property
    def right(self) -> np.ndarray:
        """The second rows of the listed pairs."""
        return self._listed(1, np.int64)

    @property
    def score(self) -> np.ndarray:
        """The scores of the listed pairs."""
        return self._listed(2, np.float64)

    def _listed(self, which: int, kind: Any) -> np.ndarray:
        blocks = [block[which] for block in self.graph.listed()]
        return np.concatenate(blocks) if blocks else np.zeros(0, kind)

    @property
    def copies(self) -> np.ndarray:
        """The rows that say the same as one before them."""
        return np.flatnonzero(self.same != np.arange(len(self)))


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """A folder that takes its place, whole, when the block ends well."""
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    temporary.mkdir(parents=True)
    try:
        with sealed.room_for(folder):
            yield temporary
        _publish(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _publish(made: Path, folder: Path) -> None:
    """Give a folder its name. What another run has put there meanwhile stays: it is the same."""
    for last in (False, False, True):
        try:
            made.rename(folder)
            return
        except OSError:
            if exists(folder):
                return
            if last:
                raise
            gone = folder.with_name(f".{uuid.uuid4().hex}.gone")
            with suppress(FileNotFoundError):
                folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)


# Scratch folders that this process works in.
_open: set[Path] = set()


@contextmanager
def scratch(folder: Path, *keep: str) -> Iterator[Path]:
    """A folder of this run's own, gone when the block ends well.

    Files that match one of ``keep`` are results that stay when it does not; the next run for the
    same goes on with them.
    """
    base = workdir.root()
    own = folder.with_name(f".{folder.name}.{running.ours(base)}.{uuid.uuid4().hex}.begun")
    for left in folder.parent.glob(f".{folder.name}.*.begun"):
        if left not in _open and not running.is_alive(base, left.name.split(".")[-3]):
            with suppress(OSError):  # another run was quicker
                left.rename(own) if keep and not own.exists() else shutil.rmtree(left)
    _clear(own, keep)
    own.mkdir(parents=True, exist_ok=True)
    _open.add(own)
    try:
        with sealed.room_for(own):
            yield own
        shutil.rmtree(own, ignore_errors=True)
    except ValueError:  # what was asked for can't be done: the next run would come to the same
        keep = ()
        raise
    finally:
        _open.discard(own)
        _clear(own, keep)


def _clear(folder: Path, keep: tuple[str, ...]) -> None:
    for path in [*sorted(folder.rglob("*"), reverse=True), folder]:  # what is inside comes first
        if path.is_dir():
            with suppress(OSError):  # it holds something that stays
                path.rmdir()
        elif not any(map(path.match, keep)):
            path.unlink(missing_ok=True)


def save(
    folder: Path,
    rows: Compared,
    same: np.ndarray,
    pairs: Pairs,
    about: Mapping[str, Any],
) -> None:
    """Keep the rows that have a pair or a copy, renumbered, and what was found of them."""
    chosen = _involved(rows, same, pairs)
    renumber = np.full(len(rows), -1, np.int32)
    renumber[chosen] = np.arange(len(chosen))
    where = renumber[pairs.number]
    held = rows.told(chosen).append_column("same", pa.array(renumber[same[chosen]]))
    del renumber
    told = {
        **about,
        **pairs.about,
        "layout": LAYOUT,
        "compared": len(rows) - rows.olds,
        "old": rows.olds,
        "olds": int(np.searchsorted(chosen, rows.olds)),
        "alive": rows.alive,
        "measure": pairs.dense.measure if pairs.dense is not None else None,
    }
    with making(folder) as temporary:
        feather.write_feather(
            held,
            temporary / "rows.arrow",
            compression="uncompressed",  # so that it can be mapped
            chunksize=max(len(chosen), 1),
        )
        graph.write(temporary, len(chosen), pairs.found, where)
        if pairs.dense is not None:
            within.write(temporary, pairs.dense, where)
        told["files"] = {path.name: _sums(path) for path in temporary.iterdir()}
        (temporary / "about.json").write_bytes(orjson.dumps(told))


def _involved(rows: Compared, same: np.ndarray, pairs: Pairs) -> np.ndarray:
    """The rows to keep. Of the old ones, those of a class stand for each other: one is enough."""
    involved = same != np.arange(len(rows), dtype=same.dtype)
    involved[: rows.olds] = False
    involved[same[involved]] = True
    involved[pairs.number[graph.degrees(pairs.found, len(pairs.number)) > 0]] = True
    if pairs.dense is not None:
        involved[pairs.number[pairs.dense.item]] = True
    return np.flatnonzero(involved)


def load(folder: str | Path) -> Evidence:
    """Evidence from its folder."""
    return _load(str(folder), (Path(folder) / "about.json").read_bytes())


@lru_cache(maxsize=8)
def _load(folder: str, told: bytes) -> Evidence:
    """What was told has the hash of every file: evidence in another's place is never taken for it.

    Times of files don't tell them apart: two may be written within one tick of the clock.
    """
    path, about = Path(folder), orjson.loads(told)
    rows = feather.read_table(path / "rows.arrow", memory_map=True)
    groups = within.load(path, about["measure"]) if about["measure"] else None
    return Evidence(
        id=one_chunk(rows["id"]),
        source=one_chunk(rows["source"]),
        chars=rows["chars"].to_numpy(),
        same=graph.frozen(rows["same"].to_numpy()),
        olds=about["olds"],
        graph=graph.load(path),
        groups=groups,
        about=about,
    )


def sound(found: Evidence) -> bool:
    """Whether this is such evidence, whoever wrote it: compiled loops trust it with memory."""
    n, same = len(found), found.same
    if same.dtype != np.int32 or not len(found.id) == len(found.source) == len(found.chars) == n:
        return False
    if found.id.type not in (pa.large_string(), pa.int64()) or found.id.null_count:
        return False
    if not 0 <= found.olds <= n or not graph.sound(found.graph, n):
        return False
    if n and not (same.min() >= 0 and (same <= np.arange(n)).all() and (same[same] == same).all()):
        return False
    return found.groups is None or within.sound(found.groups, n)


def exists(folder: Path) -> bool:
    """Whether the evidence is there, whole, to be used."""
    try:
        told, written = (folder / "about.json").read_bytes(), (folder / "about.json").stat()
    except OSError:
        return False
    whole = _is_whole(folder, told, written.st_mtime_ns, written.st_ino)
    if whole:
        workdir.used(folder)
    return whole


@lru_cache(maxsize=64)
def _is_whole(folder: Path, told: bytes, *_written: int) -> bool:
    """Compiled loops trust what they read with memory: all of it is compared with what was kept."""
    try:
        files = orjson.loads(told)["files"]
        whole = all(_sums(folder / name) == sums for name, sums in files.items())
    except (OSError, orjson.JSONDecodeError, KeyError):
        whole = False
    if not whole:
        print(f"damaged evidence in {folder} is made again", file=sys.stderr)
    return whole


def _sums(path: Path) -> list[Any]:
    """A file's length and hash."""
    digest = xxhash.xxh3_64()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return [path.stat().st_size, digest.hexdigest()]
