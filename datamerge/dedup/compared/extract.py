"""From a frame to the rows that are compared: the work is done, and its results put in order."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...text import readable
from ...workdir import arrays, sealed
from . import kept
from .digest import digests
from .earlier import earlier_frames
from .order import Part, in_turn, ordered
from .rows import Compared
from .worked import Work, worked

_ROWS = 1 << 18  # whose hashes are put in order at a time


def extract(
    df: Any, work: Work, *, stage: str, scratch: Path, against: Any = None
) -> tuple[Any, Compared]:
    """Do the work on every partition; returns the frame it was done on, and the rows in order.

    A Dask frame is written down first (see :mod:`datamerge.workdir.checkpoint`), since what
    follows would compute it again; so is what the work gives (see :mod:`.kept`). ``against`` is a
    frame, the folder of an output or a list of those. A large pandas frame is worked on in shares.
    ``scratch`` is a folder of this run's own, which all workers see, for what need not stay.
    """
    warming = _warming()
    scratch = scratch / "rows"  # beside what finders put there
    scratch.mkdir(exist_ok=True)
    found, new = worked(df, work, stage=stage, first=0, scratch=scratch)
    old: list[Path] = []
    for frame in earlier_frames(against):
        if (text := getattr(work, "text", None)) is not None:
            readable(text, frame.columns)
        first = len(new) + len(old)
        old += worked(frame, work, stage=stage, first=first, scratch=scratch)[1]
    warming.join()
    return found, joined(new, old, scratch)


def _warming() -> threading.Thread:
    """Numba takes most of a second to get ready: time enough to read the first partition."""
    one = pa.array(["a"], pa.large_string())
    thread = threading.Thread(target=digests, args=(one, "loose"), daemon=True)
    thread.start()
    return thread


def joined(new: Sequence[Path], old: Sequence[Path], scratch: Path) -> Compared:
    """The rows of these files of partitions, the old ones first."""
    told = [kept.told(path) for path in (*old, *new)]
    rows = [count for count, _ in told]
    many = sum(rows)
    parts = [Part.of(*one, many) for one in zip((*old, *new), rows, strict=True)]
    if len({part.kind for part in parts}) > 1:
        raise ValueError(_two_kinds(parts[len(old)].kind))
    before, after = _sorted(parts[: len(old)]), _sorted(parts[len(old) :])
    olds = sum(part.rows for part in before[0])
    parts = [*before[0], *after[0]]
    paths, starts = [part.path for part in parts], np.cumsum([0, *(part.rows for part in parts)])
    arrays.joined(scratch / "digests", paths, "digest")
    digest, order = arrays.load(scratch / "digests", "digest"), None
    if not (before[1] and after[1]):
        order = _order(parts, len(before[0]), (before[1], after[1]), scratch)
        digest = _in_order(digest, order, scratch / "digests.npy")
    alive: Counter[str] = Counter()
    for _, about in told[len(old) :]:
        alive.update(about["alive"])
    notes = tuple(about["note"] for _, about in told if "note" in about)
    alive_by_source = dict(sorted(alive.items()))
    return Compared(digest, olds, alive_by_source, tuple(paths), starts, scratch, order, notes)


def _sorted(parts: Sequence[Part]) -> tuple[Sequence[Part], bool]:
    """The partitions in the order of their ids, if there is one, and whether there is."""
    turn = in_turn(parts)
    return (parts, False) if turn is None else ([parts[n] for n in turn], True)


def _order(
    parts: Sequence[Part], olds: int, are_sorted: tuple[bool, bool], scratch: Path
) -> np.ndarray:
    """The places of the rows in natural order: of the old partitions, then of the new ones."""
    rows = sum(part.rows for part in parts)
    kind = np.int32 if rows < 1 << 31 else np.int64
    found, at = sealed.mapped(scratch / "order.npy", kind, (rows,)), 0
    for some, is_sorted, unique in (
        (parts[:olds], are_sorted[0], False),
        (parts[olds:], are_sorted[1], True),
    ):
        first, count = at, sum(part.rows for part in some)
        if is_sorted:
            found[at : at + count] = np.arange(at, at + count)
            at += count
            continue
        for places in ordered(some, scratch, unique=unique):
            found[at : at + len(places)] = places + first
            at += len(places)
    return found


def _in_order(digest: np.ndarray, order: np.ndarray, path: Path) -> np.ndarray:
    found = sealed.mapped(path, digest.dtype, digest.shape)
    for first in range(0, len(order), _ROWS):
        found[first : first + _ROWS] = digest[order[first : first + _ROWS]]
    return found


def _two_kinds(kind: pa.DataType) -> str:
    here, there = ("integers", "strings") if kind == pa.int64() else ("strings", "integers")
    return (
        f"ids are {here} in the frame and {there} in what it is compared against (or differ "
        'between its partitions); make them one kind: df.assign(id=df["id"].astype("string"))'
    )
