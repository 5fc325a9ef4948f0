"""Which sets share a slot: inverted lists, and who looks up whom in them.

A slot is one of a set's rarest shingles, or a band of its signature. Sets that share the value
of a slot make a list. Every set of it looks the others up; those are posted, cut by their
*label* into sublists, so that a set passes by whom it is not compared with as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ...workdir import arrays
from . import stored

LOOKUPS_A_STRIPE = 200_000
MOST_STRIPES = 512
POSTINGS = (
    "label", "look_starts", "look_list", "look_place",
    "list_first", "sub_ends", "sub_label", "posted", "place",
)  # fmt: skip


# Sets, the number of the slot in each, and where each list ends.
Shared: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
_SHARED = ("rows", "places", "ends")


@dataclass(frozen=True)
class Lists:
    """The sets that share a value, list by list; kept in the folder in these shares.

    Set ``i`` is posted under the first ``indexed[i]`` of its slots only. ``positional``: the
    slots of all sets come in the order of their values.
    """

    folder: Path
    shares: list[str]
    indexed: np.ndarray
    positional: bool

    @staticmethod
    def write(folder: str, share: str, *shared: np.ndarray) -> None:
        """Keep a share."""
        arrays.save(_path(folder, share), dict(zip(_SHARED, shared, strict=True)))

    @staticmethod
    def once(folder: str, share: str, make: Callable[[], Shared]) -> None:
        """Keep a share, unless it is there."""
        arrays.once(_path(folder, share), lambda: dict(zip(_SHARED, make(), strict=True)))

    def share(self, share: str) -> Shared:
        """What was written of a share."""
        path = _path(self.folder, share)
        rows, places, ends = (np.asarray(arrays.load(path, name)) for name in _SHARED)
        return rows, places, ends

    def entries(self) -> Shared:
        """Sets, the number of the slot in each, and where each list starts and the last ends."""
        rows, places, ends = zip(*map(self.share, self.shares), strict=True)
        before = cumulated(np.array([len(part) for part in rows]))
        later = [part + first for part, first in zip(ends, before[:-1], strict=True)]
        starts = np.concatenate([np.zeros(1, np.int64), *later])
        return np.concatenate(rows), np.concatenate(places), starts

    def post(self, label: np.ndarray) -> list[tuple[int, int]]:
        """Keep what stripes of rows read; returns the stripes.

        ``label``: twice the number of a set's group, counted from 1 and 0 for none, and 1 more
        for an old row. Sets of one group are not compared, nor old rows with old ones.
        """
        found = _kernels().posting(*self.entries(), self.indexed, label)
        posted = dict(zip(POSTINGS, (label, *found), strict=True))
        stored.save(self.folder, **posted)
        return list(stripes(posted["look_starts"], LOOKUPS_A_STRIPE))


def _path(folder: Path | str, share: str) -> Path:
    return stored.path_of(folder, f"lists-{share}")


def labels(old: np.ndarray, group: np.ndarray | None = None) -> np.ndarray:
    """The label of each set: whether it is old, and the group it is in (-1: in none)."""
    found = old.astype(np.int32)
    if group is not None:
        found += 2 * (group.astype(np.int32) + 1)
    return found


def stripes(starts: np.ndarray, size: int) -> Iterable[tuple[int, int]]:
    """Rows in runs of about so much work, whoever does it."""
    rows, total = len(starts) - 1, int(starts[-1])
    count = min(max(total // size, 1), MOST_STRIPES)
    cuts = np.searchsorted(starts, np.linspace(0, total, count + 1))
    cuts[0], cuts[-1] = 0, rows
    return ((int(a), int(b)) for a, b in pairwise(cuts) if a < b)


def in_stripe(stripe: tuple[int, int]) -> int:
    """How many rows a stripe has."""
    return stripe[1] - stripe[0]


def cumulated(counts: np.ndarray) -> np.ndarray:
    """Where each starts, and the last ends."""
    found = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=found[1:])
    return found


@cache
def _kernels() -> Any:
    from . import _list_kernels as compiled

    return compiled
