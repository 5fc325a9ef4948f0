"""All pairs of sets whose Jaccard similarity reaches a floor: an exact join of the PPJoin family.

Sets are ordered by size, and the shingles of each by how rare they are. Two sets that share
enough must share one of their rarest (*prefix filter*), can't differ much in size (*length
filter*), and where they first meet, enough must be left of both (*positional filter*). What
passes is counted exactly. (Xiao, Wang, Lin, Yu: "Efficient similarity joins for near duplicate
detection", 2008.) MinHash takes the same way, with the hashes of a signature's bands in place
of the rarest shingles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from .. import workdir
from ..compute import each
from .pairs import PAIR

SLOTS_A_STRIPE = 200_000
SHINGLES_A_STRIPE = 2_000_000
MOST_STRIPES = 512
_HASHES = "all.hashes"


@dataclass(frozen=True)
class Slots:
    """What makes candidates: two sets that share a value here are looked at.

    The slots of set ``i`` are ``values[starts[i] : starts[i + 1]]``; those of the first
    ``indexed[i]`` are looked up, all look up. ``positional``: slots come in one order in all sets.
    """

    values: np.ndarray
    starts: np.ndarray
    indexed: np.ndarray
    positional: bool


@dataclass(frozen=True)
class Join:
    """Sets to join, sorted by size: set ``i`` is ``sizes[i]`` hashes from ``starts[i]`` on.

    What tasks read is kept in the folder, the hashes as ``all.hashes.npy``, and mapped from there.
    """

    folder: Path
    starts: np.ndarray
    sizes: np.ndarray

    def __post_init__(self) -> None:
        _save(self.folder, starts=self.starts, sizes=self.sizes)


def prefix_slots(join: Join, floor: float) -> Slots:
    """The rarest shingles of each set: as many as the prefix filter needs."""
    run = _kernels()
    counts = np.zeros(1 << run.BUCKET_BITS, np.int64)
    run.count_buckets(_load(join.folder, _HASHES), join.starts, join.sizes, counts)
    full = np.minimum(counts, 0xFFFF).astype(np.uint16)  # which is sorted by radix
    rank = np.empty(len(counts), np.uint32)
    rank[np.argsort(full, kind="stable")] = np.arange(len(counts), dtype=np.uint32)
    starts = _cumulated(_prefix(join.sizes, floor))
    _save(join.folder, rank=rank, slot_starts=starts)
    stripes = list(_stripes(_cumulated(join.sizes), SHINGLES_A_STRIPE))
    each(Prefixes(str(join.folder)), stripes, stage="prefix")
    found = [np.load(join.folder / f"slots-{first:010d}.npy") for first, _ in stripes]
    values = np.concatenate(found) if found else np.zeros(0, np.uint64)
    # As the smaller of two sets it must share more of itself, so that fewer need be looked up.
    return Slots(values, starts, _prefix(join.sizes, 2 * floor / (1 + floor)), True)


@dataclass(frozen=True)
class Prefixes:
    """A stripe's share of the rarest shingles."""

    folder: str

    def __call__(self, stripe: tuple[int, int]) -> None:
        """Write them to a file."""
        names = (_HASHES, "starts", "sizes", "rank", "slot_starts")
        arrays = [_load(Path(self.folder), name) for name in names]
        found = _kernels().prefixes(*stripe, *arrays)
        _save(Path(self.folder), **{f"slots-{stripe[0]:010d}": found})


def _prefix(sizes: np.ndarray, share: float) -> np.ndarray:
    return sizes - np.maximum(np.ceil(share * sizes - 1e-9).astype(np.int64), 1) + 1


def band_slots(bands: np.ndarray) -> Slots:
    """The hashes of the bands of each signature, ``[n, bands]``."""
    sets, each_has = bands.shape
    starts = np.arange(sets + 1, dtype=np.int64) * each_has
    return Slots(bands.reshape(-1), starts, np.full(sets, each_has, np.int64), False)


def prepare(join: Join, slots: Slots, signatures: np.ndarray) -> list[tuple[int, int]]:
    """Group the sets by their slots, and keep what stripes read; returns the stripes."""
    total = len(slots.values)
    bits = max(total.bit_length(), 1)
    keys = slots.values >> np.uint64(bits) << np.uint64(bits)
    keys |= np.arange(total, dtype=np.uint64)
    keys.sort()
    row_of = np.repeat(np.arange(len(join.sizes), dtype=np.int32), np.diff(slots.starts))
    group_of = np.full(total, -1, np.int32 if total < 2**31 else np.int64)
    posted, place = np.empty(total, np.int32), np.empty(total, np.int32)
    ends = np.zeros(total // 2 + 1, np.int64)
    groups, filled = _kernels().group(
        keys, slots.values, bits, slots.starts, row_of, slots.indexed, group_of, posted, place, ends
    )
    _save(
        join.folder,
        slot_starts=slots.starts,
        group_of=group_of,
        ends=ends[: groups + 1],
        posted=posted[:filled],
        place=place[:filled],
        signatures=signatures,
    )
    return list(_stripes(slots.starts, SLOTS_A_STRIPE))


_ARRAYS = (_HASHES, "starts", "sizes", "slot_starts", "group_of", "ends", "posted", "place")


def _save(folder: Path, **arrays: np.ndarray) -> None:
    for name, array in arrays.items():
        with workdir.replacing(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)


def _load(folder: Path, name: str) -> np.ndarray:
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def _stripes(starts: np.ndarray, size: int) -> Iterable[tuple[int, int]]:
    """Rows in runs of about so many slots, whoever works on them."""
    rows, total = len(starts) - 1, int(starts[-1])
    count = min(max(total // size, 1), MOST_STRIPES)
    cuts = np.searchsorted(starts, np.linspace(0, total, count + 1))
    cuts[0], cuts[-1] = 0, rows
    return ((int(a), int(b)) for a, b in pairwise(cuts) if a < b)


@dataclass(frozen=True)
class Probe:
    """A stripe's share of the join: its rows against all rows that are not larger."""

    folder: str
    floor: float
    positional: bool

    def __call__(self, stripe: tuple[int, int]) -> int:
        """Write the stripe's pairs to a file; returns how many there are."""
        folder = Path(self.folder)
        arrays = [_load(folder, name) for name in _ARRAYS]
        signatures = _load(folder, "signatures")
        left, right, score = _kernels().probe(
            *stripe, self.floor, *arrays, self.positional, signatures
        )
        found = np.empty(len(left), PAIR)
        found["left"], found["right"], found["score"] = left, right, score
        _save(folder, **{f"pairs-{stripe[0]:010d}": found})
        return len(found)


def compare(
    folder: Path, stripes: list[tuple[int, int]], floor: float, *, positional: bool
) -> np.ndarray:
    """All pairs at or above the floor, stripe by stripe; each stripe's pairs wait on disk."""
    each(Probe(str(folder), floor, positional), stripes, stage="compare")
    found = [np.load(folder / f"pairs-{start:010d}.npy") for start, _ in stripes]
    return np.concatenate(found) if found else np.zeros(0, PAIR)


def _cumulated(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


@cache
def _kernels() -> Any:
    from . import _join_kernels as compiled

    return compiled
