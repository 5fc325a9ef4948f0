"""All pairs of sets whose Jaccard similarity reaches a floor: an exact join of the PPJoin family.

Sets are ordered by size, and the shingles of each by how rare they are. Two sets that share
enough must share one of their rarest (*prefix filter*), can't differ much in size (*length
filter*), and where they first meet, enough must be left of both (*positional filter*). What
passes is counted exactly. (Xiao, Wang, Lin, Yu: "Efficient similarity joins for near duplicate
detection", 2008.) MinHash takes the same way, with the hashes of a signature's bands in place
of the rarest shingles.

Where that makes more pairs than anybody wants to keep, near-equal sets are gathered into groups
first, and the pairs inside a group are not listed (see :mod:`.groups`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...compute import each
from ...compute.memory import runs
from ...compute.room import room
from ..evidence.pairs import PAIR, Dense, gathered
from . import groups, stored
from .postings import POSTINGS, Lists, in_stripe, labels

HASHES = "all.hashes"
# More pairs than the budget make groups of near-equal sets; where even then there are more than
# can be kept, the search ends.
LEAST_BUDGET, PAIRS_A_SET = 2_000_000, 64
MOST_PAIRS = 100_000_000
SAMPLED, FAR_BEYOND = 256, 3
PAIRS_A_FILE = 1_000_000
# Rows whose hashes are read before they are let go, and lookups, each of which may lead to others.
ROWS_AT_ONCE, LOOKUPS_AT_ONCE = 20_000, 5_000
HASHES_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class Join:
    """Sets to join, sorted by size: set ``i`` is ``sizes[i]`` hashes from ``starts[i]`` on.

    What tasks read is kept in the folder, the hashes as ``all.hashes.npy``, and mapped from
    there. Of the ``old`` sets no two are compared.
    """

    folder: Path
    starts: np.ndarray
    sizes: np.ndarray
    old: np.ndarray

    def __post_init__(self) -> None:
        stored.save(self.folder, starts=self.starts, sizes=self.sizes)

    @property
    def budget(self) -> int:
        """How many pairs are listed before groups are made."""
        return max(LEAST_BUDGET, PAIRS_A_SET * len(self.sizes))


def search(
    join: Join, lists: Lists, signatures: np.ndarray, floor: float
) -> tuple[np.ndarray, Dense | None]:
    """All pairs at or above the floor that share a slot: those listed, and groups of others."""
    stored.save(join.folder, signatures=signatures)
    found = _compared(join, lists, labels(join.old), floor, join.budget)
    if found is not None:
        return found, None
    group = groups.find(join, lists, floor)
    most = max(MOST_PAIRS, 2 * join.budget)
    found = _compared(join, lists, labels(join.old, group), floor, most, estimate=True)
    if found is None:
        raise ValueError(_TOO_MANY.format(most=most, floor=floor, sets=len(join.sizes)))
    return found, groups.dense(join, group)


_TOO_MANY = (
    "more than {most:,} pairs of the {sets:,} different texts reach the floor of {floor:g}, "
    "besides those within groups of near-equal texts: too many to keep. A higher threshold= or "
    "floor=, or longer shingles (ngram=), make fewer"
)


def _compared(
    join: Join, lists: Lists, label: np.ndarray, floor: float, most: int, estimate: bool = False
) -> np.ndarray | None:
    """The pairs, mapped from disk, in one order; None where they are more than ``most``."""
    for path in join.folder.glob("pairs-*.npy"):
        path.unlink()
    stripes = lists.post(label)
    work = Probe(str(join.folder), floor, lists.positional, most, room())
    if estimate and each(Estimate(work), [len(label)], stage="estimate")[0] > FAR_BEYOND * most:
        return None
    each(work, stripes, stage="compare", rows=in_stripe)
    if listed(join.folder) > most:
        return None
    paths = sorted(join.folder.glob("pairs-*.npy"))
    return gathered(paths, join.folder / "found.npy") if paths else np.zeros(0, PAIR)


def listed(folder: Path) -> int:
    """How many pairs wait on disk."""
    return sum(path.stat().st_size // PAIR.itemsize for path in folder.glob("pairs-*.npy"))


@dataclass(frozen=True)
class Probe:
    """A stripe's share of the join: its rows against all rows that are not larger."""

    folder: str
    floor: float
    positional: bool
    most: int
    room: int = 1 << 27  # bytes of hashes that may be mapped

    def __call__(self, stripe: tuple[int, int]) -> None:
        """Write the stripe's pairs to files, until all stripes' are too many."""
        row, last = stripe
        while row < last and listed(Path(self.folder)) <= self.most:
            first = row
            row, found = self._some(row, last)
            if len(found):
                stored.save(self.folder, **{f"pairs-{first:010d}": found})

    def _some(self, row: int, last: int) -> tuple[int, np.ndarray]:
        """Pairs of rows from this one on, as many as are worth a file; and the row that is next."""
        parts, count = [np.zeros(0, PAIR)], 0
        while row < last and count < PAIRS_A_FILE:
            # Mapped anew: what was read of hashes counts as memory until it is let go.
            arrays = self.arrays()
            row, left, right, score = self.found(row, self._end(row, last, arrays), arrays)
            found = np.empty(len(left), PAIR)
            found["left"], found["right"], found["score"] = left, right, score
            parts.append(found)
            count += len(found)
        return row, np.concatenate(parts)

    def _end(self, row: int, last: int, arrays: list[np.ndarray]) -> int:
        """The row up to which to look before what was read is let go."""
        look_starts = arrays[4 + POSTINGS.index("look_starts")]
        end = np.searchsorted(look_starts, look_starts[row] + LOOKUPS_AT_ONCE, "right") - 1
        return int(min(max(end, row + 1), row + ROWS_AT_ONCE, last))

    def arrays(self) -> list[np.ndarray]:
        """What a probe reads."""
        names = ("signatures", HASHES, "starts", "sizes", *POSTINGS)
        return [stored.load(self.folder, name) for name in names]

    def found(self, row: int, last: int, arrays: list[np.ndarray]) -> Any:
        """The row that is next, and the pairs of those before it."""
        how = row, last, PAIRS_A_FILE, self.floor, self.positional
        signatures, hashes, starts, sizes, *lists = arrays
        if signatures.shape[1] or hashes.nbytes <= self.room:
            return _kernels().probe(*how, *arrays)
        row, left, right, _ = _kernels().probe(*how, signatures, hashes[:0], starts, sizes, *lists)
        score = jaccards(left, right, self.floor, hashes, starts, sizes)
        good = score >= self.floor
        return row, left[good], right[good], score[good]


@dataclass(frozen=True)
class Estimate:
    """About how many pairs there are, from those of some rows."""

    probe: Probe

    def __call__(self, rows: int) -> int:
        """Look the sampled rows' pairs up."""
        arrays = self.probe.arrays()
        sample = np.unique(np.linspace(0, rows - 1, SAMPLED, dtype=np.int64)).tolist()
        pairs = sum(len(self.probe.found(row, row + 1, arrays)[1]) for row in sample)
        return pairs * rows // len(sample)


def jaccards(
    left: np.ndarray,
    right: np.ndarray,
    floor: float,
    hashes: np.ndarray,
    starts: np.ndarray,
    sizes: np.ndarray,
) -> np.ndarray:
    """The similarities of pairs of sets, whose hashes are read some at a time and not mapped."""
    score, ends = np.empty(len(left)), np.cumsum(sizes[left] + sizes[right])
    at = 0
    while at < len(left):
        before = ends[at - 1] if at else 0
        end = max(int(np.searchsorted(ends, before + HASHES_AT_ONCE, "right")), at + 1)
        both = np.concatenate([left[at:end], right[at:end]])
        sets, of = np.unique(both, return_inverse=True)
        held = runs(hashes, starts[sets], sizes[sets])
        _kernels().jaccards(*np.split(of, 2), floor, *held, score[at:end])
        at = end
    return score


@cache
def _kernels() -> Any:
    from . import _join_kernels as compiled

    return compiled
