"""Which signatures agree in a band: the slots of MinHash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...compute import each
from ...workdir import arrays
from . import stored
from .postings import Lists, Shared

SIGNATURES_A_SHARE = 1_000_000


def lists(folder: Path, rows: np.ndarray, bands: int) -> Lists:
    """The sets that agree in a band; ``rows`` says which of the partitions' rows a set is."""
    stored.save(folder, set_rows=rows)
    some = shares(len(rows), bands)
    each(BandLists(str(folder)), some, stage="lists")
    found = Lists(folder, [_name(one) for one in some], np.full(len(rows), bands, np.int32), False)
    _once(found)
    return found


def _name(bands: tuple[int, int]) -> str:
    return f"{bands[0]:05d}-{bands[1]:05d}"


def _once(lists: Lists) -> None:
    """Leave out lists of the same sets as another: who agrees in one band need not in more.

    What is left comes out the same where a run before has left some out already.
    """
    told = [_told(rows, ends) for rows, _, ends in map(lists.share, lists.shares)]
    keep = np.zeros(sum(map(len, told)), bool)
    keep[np.unique(np.concatenate(told), return_index=True)[1]] = True
    for share, some in zip(lists.shares, told, strict=True):
        kept, keep = keep[: len(some)], keep[len(some) :]
        if kept.all():
            continue
        rows, places, ends = lists.share(share)
        lengths = np.diff(ends, prepend=0)
        entries = np.repeat(kept, lengths)
        left = rows[entries], places[entries], np.cumsum(lengths[kept])
        Lists.write(str(lists.folder), share, *left)


def _told(rows: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """A number that tells each list of sets from others: the sum of their hashes."""
    if not len(ends):
        return np.zeros(0, np.uint64)
    x = (rows.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)  # 0 has a hash, too
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.add.reduceat(x ^ (x >> np.uint64(31)), np.concatenate([[0], ends[:-1]]))


def shares(rows: int, bands: int) -> list[tuple[int, int]]:
    """The bands of each task: of many rows one alone, of few about half of them.

    >>> shares(10_000_000, 3), shares(1000, 3)
    ([(0, 1), (1, 2), (2, 3)], [(0, 2), (2, 3)])
    """
    size = min(max(SIGNATURES_A_SHARE // max(rows, 1), 1), -(-bands // 2))
    return [(first, min(first + size, bands)) for first in range(0, bands, size)]


@dataclass(frozen=True)
class BandLists:
    """The lists of some bands: hashes of 32 bits tell places apart well enough for candidates."""

    folder: str

    def __call__(self, bands: tuple[int, int]) -> None:
        """Write them to a file."""
        Lists.once(self.folder, _name(bands), lambda: self._found(bands))

    def _found(self, bands: tuple[int, int]) -> Shared:
        paths = stored.parts(self.folder)
        chosen = stored.load(self.folder, "set_rows")
        rows, places, ends, filled = [], [], [], 0
        for band in range(*bands):
            # Mapped one at a time: what was read counts as memory until it is let go.
            parts = [np.array(arrays.load(path, "bands")[band]) for path in paths]
            hashes = np.concatenate([np.empty(0, np.uint32), *parts])
            found, last = agreeing(hashes[chosen])
            rows.append(found)
            places.append(np.full(len(found), band, np.int32))
            ends.append(last + 1 + filled)
            filled += len(found)
        return np.concatenate(rows), np.concatenate(places), np.concatenate(ends)


def agreeing(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows that share a hash with another, hash by hash, and the last of each hash there."""
    keys = hashes.astype(np.uint64) << np.uint64(32)
    keys |= np.arange(len(keys), dtype=np.uint64)
    keys.sort()
    value = (keys >> np.uint64(32)).astype(np.uint32)
    joins = np.zeros(len(keys) + 1, bool)
    joins[1:-1] = value[1:] == value[:-1]
    shared = joins[:-1] | joins[1:]
    rows = keys[shared].astype(np.uint32).astype(np.int32)
    return rows, np.flatnonzero(~joins[1:][shared])
