"""Compiled loops that pick the rarest shingles of sets. Imported when first needed."""

from __future__ import annotations

import numpy as np
from numba import njit

U = np.uint64
BUCKET_BITS = 20
_HIGH, _LOW = U(64 - BUCKET_BITS), U((1 << (64 - BUCKET_BITS)) - 1)


@njit(cache=True, nogil=True)
def count_buckets(hashes, starts, sizes, counts):
    """How many shingles of these sets fall into each bucket of leading bits."""
    for row in range(len(sizes)):
        for k in range(starts[row], starts[row] + sizes[row]):
            counts[hashes[k] >> _HIGH] += 1


@njit(cache=True, nogil=True)
def _least_first(values, count, wanted, waiting):
    """Sort as far as the ``wanted`` least values go: quicksort that leaves the rest alone."""
    low, high, depth = 0, count - 1, 0
    while True:
        while high - low > 12:
            pivot = _median(values[low], values[(low + high) >> 1], values[high])
            i, j = low, high
            while i <= j:
                while values[i] < pivot:
                    i += 1
                while values[j] > pivot:
                    j -= 1
                if i <= j:
                    values[i], values[j] = values[j], values[i]
                    i += 1
                    j -= 1
            if i < wanted:
                waiting[depth], waiting[depth + 1] = i, high
                depth += 2
            high = j
        for i in range(low + 1, high + 1):
            value, j = values[i], i
            while j > low and values[j - 1] > value:
                values[j] = values[j - 1]
                j -= 1
            values[j] = value
        if depth == 0:
            return
        depth -= 2
        low, high = waiting[depth], waiting[depth + 1]


@njit(cache=True, nogil=True)
def _median(a, b, c):
    return max(min(a, b), min(max(a, b), c))


@njit(cache=True, nogil=True)
def prefixes(first, last, hashes, starts, sizes, rank, slot_starts):
    """The rarest shingles of the sets in ``[first, last)``, the rarest of each first.

    The order is that of the buckets by how full they are, then of the hash: a bijection of
    the hashes, so that it is the same in every set.
    """
    slots = np.empty(slot_starts[last] - slot_starts[first], np.uint64)
    longest = sizes[last - 1] if first < last else 0
    values, waiting = np.empty(longest, np.uint64), np.empty(2 * longest, np.int64)
    filled = 0
    for row in range(first, last):
        start, size = starts[row], sizes[row]
        for k in range(size):
            h = hashes[start + k]
            values[k] = U(rank[h >> _HIGH]) << _HIGH | h & _LOW
        wanted = slot_starts[row + 1] - slot_starts[row]
        _least_first(values, size, wanted, waiting)
        for k in range(wanted):
            slots[filled + k] = values[k]
        filled += wanted
    return slots
