"""Groups of near-equal sets, for texts so alike that their pairs are too many to list.

A group has a centre: the shingles that more than half of some near texts have. A set ``x`` that
lacks ``p`` shingles of the centre ``c`` and has ``a`` others is a member where ``p + floor * a``
is at most ``(1 - floor) / 2 * |c|``. Two members share at least ``|c| - p1 - p2`` shingles and
have at most ``|c| + a1 + a2`` together, so that their Jaccard similarity reaches the floor. (The
triangle inequality of the Jaccard distance says the same of fewer sets.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...compute import each
from ...workdir import sealed
from ..evidence.pairs import Dense
from . import stored

if TYPE_CHECKING:
    from .postings import Lists
    from .setjoin import Join

# Smaller groups spare fewer pairs than the budget allows for every set.
LEAST_MEMBERS = 32
COMPARISONS_A_SET, LEAST_COMPARISONS = 500, 100_000_000
_SETS_AT_ONCE = 10_000


def find(join: Join, lists: Lists, floor: float) -> np.ndarray:
    """The number of the group each set is in; -1 for those in none."""
    rows, _, starts = lists.entries()
    stored.save(join.folder, entries=rows, entry_starts=starts)
    each(Gather(str(join.folder), floor, LEAST_MEMBERS), [None], stage="group")
    return np.asarray(stored.load(join.folder, "groups"))


@dataclass(frozen=True)
class Gather:
    """Finds the groups, beginning with the longest lists."""

    folder: str
    floor: float
    least: int

    def __call__(self, _: None) -> None:
        """Write the group of each set to a file."""
        stored.once(self.folder, "groups", self._found)

    def _found(self) -> np.ndarray:
        names = ("entries", "entry_starts", stored.HASHES, "starts", "sizes")
        entries, list_starts, hashes, starts, sizes = (
            stored.load(self.folder, name) for name in names
        )
        lengths = np.diff(list_starts)
        order = np.argsort(-lengths, kind="stable")
        order = order[: np.searchsorted(-lengths[order], -self.least, side="right")]
        most = max(COMPARISONS_A_SET * len(sizes), LEAST_COMPARISONS)
        found = _kernels().gather(
            entries, list_starts, order, hashes, starts, sizes, self.floor, self.least, most
        )
        return np.asarray(found)


def dense(join: Join, group: np.ndarray) -> Dense | None:
    """The groups with their members' sets, which are copied to a file of their own."""
    items = np.flatnonzero(group >= 0)
    if not len(items):
        return None
    items = items[np.argsort(group[items], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(join.sizes[items])]).astype(np.int64)
    hashes = _copied(join, items, starts)
    return Dense(items, group[items], "jaccard", {"hashes": hashes, "starts": starts})


def _copied(join: Join, items: np.ndarray, starts: np.ndarray) -> np.ndarray:
    path = Path(join.folder) / "dense.npy"
    every = stored.load(join.folder, stored.HASHES)
    held = sealed.mapped(path, np.uint64, (int(starts[-1]),))
    for first in range(0, len(items), _SETS_AT_ONCE):
        some = items[first : first + _SETS_AT_ONCE]
        sizes = join.sizes[some]
        begin = starts[first]
        ends = np.cumsum(sizes)
        take = np.arange(ends[-1]) + np.repeat(join.starts[some] - ends + sizes, sizes)
        held[begin : begin + len(take)] = every[take]
    held.flush()
    return np.load(path, mmap_mode="r")


@cache
def _kernels() -> Any:
    from . import _group_kernels as compiled

    return compiled
