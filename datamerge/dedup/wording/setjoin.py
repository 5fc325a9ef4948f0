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
from pathlib import Path

import numpy as np

from ...compute import each
from ...compute.room import room
from ...workdir import arrays
from ..evidence.pairs import Dense, found_in, gathered
from . import groups, stored
from .postings import Lists, in_stripe, labels
from .probe import Estimate, Probe

# More pairs than the budget make groups of near-equal sets; where even then there are more than
# can be kept, the search ends.
LEAST_BUDGET, PAIRS_A_SET = 2_000_000, 64
MOST_PAIRS = 100_000_000
FAR_BEYOND = 3


@dataclass(frozen=True)
class Join:
    """Sets to join, sorted by size: set ``i`` is ``sizes[i]`` hashes from ``starts[i]`` on.

    What tasks read is kept in the folder, the hashes too, and mapped from there. Of the ``old``
    sets no two are compared.
    """

    folder: Path
    starts: np.ndarray
    sizes: np.ndarray
    old: np.ndarray

    def __post_init__(self) -> None:
        stored.save(self.folder, starts=self.starts, sizes=self.sizes)
        for name in ("starts", "sizes"):  # from now on as tasks read them, and not in memory
            object.__setattr__(self, name, stored.load(self.folder, name))

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
    work = Probe(str(join.folder), floor, lists.positional, most, room(), arrays.told(label))
    if work.is_beyond():
        return None
    stripes = lists.post(label)
    if estimate and each(Estimate(work), [len(label)], stage="estimate")[0] > FAR_BEYOND * most:
        return None
    each(work, stripes, stage="compare", rows=in_stripe)
    paths = [work.path(stripe) for stripe in stripes]
    if work.is_beyond() or sum(map(found_in, paths)) > most:
        work.give_up()
        return None
    return gathered(paths, join.folder / "found.npy")
