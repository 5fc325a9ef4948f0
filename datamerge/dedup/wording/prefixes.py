"""The rarest shingles of each set, and the sets that share one: the prefix filter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ...compute import each
from . import stored
from .postings import Lists, Shared, cumulated, in_stripe, stripes
from .setjoin import Join
from .stored import HASHES

SHINGLES_A_STRIPE = 2_000_000
SLOTS_A_SHARE = 2_000_000
_SAMPLE = 10_000
_ROWS = 1 << 18


def lists(join: Join, floor: float) -> Lists:
    """The sets that share one of their rarest shingles: as many as the prefix filter needs."""
    run = _kernels()
    counts = np.zeros(1 << run.BUCKET_BITS, np.int64)
    run.count_buckets(stored.load(join.folder, HASHES), join.starts, join.sizes, counts)
    full = np.minimum(counts, 0xFFFF).astype(np.uint16)  # which is sorted by radix
    rank = np.empty(len(counts), np.uint32)
    rank[np.argsort(full, kind="stable")] = np.arange(len(counts), dtype=np.uint32)
    starts = cumulated(_prefix(join.sizes, floor))
    stored.save(join.folder, rank=rank, slot_starts=starts)
    cuts = list(stripes(cumulated(join.sizes), SHINGLES_A_STRIPE))
    each(Prefixes(str(join.folder)), cuts, stage="prefix", rows=in_stripe)
    paths = [stored.path_of(join.folder, _slots(cut)) for cut in cuts]
    bounds = _bounds(stored.joined(join.folder, paths, "slots"))
    stored.save(join.folder, bounds=bounds)
    work, numbers = PrefixLists(str(join.folder), len(bounds) + 1), range(len(bounds) + 1)
    each(work, numbers, stage="lists")
    shares = [work.name(number) for number in numbers]
    # As the smaller of two sets it must share more of itself, so that fewer need be posted.
    return Lists(join.folder, shares, _prefix(join.sizes, 2 * floor / (1 + floor)), True)


def _prefix(sizes: np.ndarray, share: float) -> np.ndarray:
    found = np.empty(len(sizes), np.int32)
    for first in range(0, len(sizes), _ROWS):
        some = sizes[first : first + _ROWS]
        others = np.maximum(np.ceil(share * some - 1e-9).astype(np.int64), 1)
        found[first : first + _ROWS] = some - others + 1
    return found


def _bounds(values: np.ndarray) -> np.ndarray:
    """Where to cut the values into shares of about equal number."""
    count = -(-len(values) // SLOTS_A_SHARE)
    sample = np.sort(values[:: max(len(values) // _SAMPLE, 1)])
    return np.unique(sample[np.arange(1, count) * len(sample) // max(count, 1)])


@dataclass(frozen=True)
class Prefixes:
    """A stripe's share of the rarest shingles."""

    folder: str

    def __call__(self, stripe: tuple[int, int]) -> None:
        """Write them to a file."""
        stored.once(self.folder, "slots", lambda: self._found(stripe), of=_slots(stripe))

    def _found(self, stripe: tuple[int, int]) -> np.ndarray:
        names = (HASHES, "starts", "sizes", "rank", "slot_starts")
        arrays = [stored.load(self.folder, name) for name in names]
        return np.asarray(_kernels().prefixes(*stripe, *arrays))


def _slots(stripe: tuple[int, int]) -> str:
    return f"slots-{stripe[0]:010d}-{stripe[1]:010d}"


@dataclass(frozen=True)
class PrefixLists:
    """The lists of a share of the values."""

    folder: str
    shares: int

    def name(self, share: int) -> str:
        """What they are called."""
        return f"{share:05d}-{self.shares:05d}"

    def __call__(self, share: int) -> None:
        """Write them to a file."""
        Lists.once(self.folder, self.name(share), lambda: self._found(share))

    def _found(self, share: int) -> Shared:
        values, starts = (stored.load(self.folder, name) for name in ("slots", "slot_starts"))
        bounds = stored.load(self.folder, "bounds")
        low = bounds[share - 1] if share else np.uint64(0)
        high = bounds[share] if share < len(bounds) else None
        run = _list_kernels()
        limit = np.uint64(0) if high is None else high
        picked, row, place = run.pick(values, starts, low, limit, high is None)
        bits = max(len(picked).bit_length(), 1)
        keys = picked >> np.uint64(bits) << np.uint64(bits)
        keys |= np.arange(len(picked), dtype=np.uint64)
        keys.sort()
        rows, places, ends = run.sharing(keys, picked, bits, row, place)
        return rows, places, ends


@cache
def _kernels() -> Any:
    from . import _prefix_kernels as compiled

    return compiled


@cache
def _list_kernels() -> Any:
    from . import _list_kernels as compiled

    return compiled
