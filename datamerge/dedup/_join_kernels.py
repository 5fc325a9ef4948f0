"""Compiled loops of the set-similarity join. Imported when first needed."""

from __future__ import annotations

import numpy as np
from numba import njit

U = np.uint64
BUCKET_BITS = 20
_ONE = U(1)
_HIGH, _LOW = U(64 - BUCKET_BITS), U((1 << (64 - BUCKET_BITS)) - 1)
# Bounds are computed in floating point, and may err to the safe side only.
_SLACK = 1e-9


@njit(cache=True, nogil=True)
def at_least(share, size):
    """The least whole number that is not below ``share * size``, give or take rounding."""
    return max(np.int64(np.ceil(share * size - _SLACK)), 1)


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


@njit(cache=True, nogil=True)
def group(keys, slots, bits, slot_starts, row_of, indexed, group_of, posted, place, ends):
    """Rows that share a slot's value: ``group_of`` each slot, and the rows of each group.

    ``keys`` are sorted: a slot's leading bits, then its number. Slots whose leading bits alone
    agree are told apart. Only the first ``indexed`` slots of a row are posted.
    """
    mask = (_ONE << U(bits)) - _ONE
    total = len(keys)
    groups, filled, a = 0, 0, 0
    while a < total:
        b = a + 1
        lead = keys[a] >> U(bits)
        while b < total and keys[b] >> U(bits) == lead:
            b += 1
        if b - a > 1:
            members = np.empty(b - a, np.int64)
            for k in range(a, b):
                members[k - a] = np.int64(keys[k] & mask)
            values = slots[members]
            if (values != values[0]).any():
                order = np.argsort(values, kind="mergesort")
                members, values = members[order], values[order]
            c = 0
            while c < b - a:
                d = c + 1
                while d < b - a and values[d] == values[c]:
                    d += 1
                before = filled
                for k in range(c, d if d - c > 1 else c):
                    slot = members[k]
                    row = row_of[slot]
                    position = slot - slot_starts[row]
                    if position < indexed[row]:
                        posted[filled], place[filled] = row, position
                        filled += 1
                if filled > before:
                    for k in range(c, d):
                        group_of[members[k]] = groups
                    groups += 1
                    ends[groups] = filled
                c = d
        a = b
    return groups, filled


@njit(cache=True, nogil=True)
def overlap(hashes, a, m, b, n, need):
    """How many hashes two sorted sets share; stops early, at fewer, where it must be below need."""
    i, j, shared = 0, 0, 0
    while i < m and j < n:
        if shared + min(m - i, n - j) < need:
            return shared
        for _ in range(16):
            u, v = hashes[a + i], hashes[b + j]
            shared += u == v
            i += u <= v
            j += v <= u
            if i == m or j == n:
                break
    return shared


@njit(cache=True, nogil=True)
def _first_not_smaller(posted, sizes, low, high, size):
    while low < high:
        middle = (low + high) >> 1
        if sizes[posted[middle]] < size:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _agreeing(signatures, x, y):
    same = 0
    for k in range(signatures.shape[1]):
        same += signatures[x, k] == signatures[y, k]
    return same / signatures.shape[1]


@njit(cache=True, nogil=True)
def probe(
    first, last, floor, hashes, starts, sizes, slot_starts, group_of, ends, posted, place,
    positional, signatures,
):  # fmt: skip
    """Pairs (x, y < x) at or above the floor, x in ``[first, last)``; sets are sorted by size.

    Where ``signatures`` has columns, their agreement is the score, else the true Jaccard.
    """
    state = np.zeros(len(sizes), np.int32)  # slots shared so far; -1: too few can be shared
    touched = np.empty(len(sizes), np.int32)
    left, right = np.empty(1024, np.int32), np.empty(1024, np.int32)
    score = np.empty(1024, np.float64)
    found = 0
    share = floor / (1 + floor)
    for x in range(first, last):
        size, count = sizes[x], 0
        least = at_least(floor, size)
        for slot in range(slot_starts[x], slot_starts[x + 1]):
            if group_of[slot] < 0:
                continue
            rest = size - (slot - slot_starts[x]) - 1
            a, b = ends[group_of[slot]], ends[group_of[slot] + 1]
            for k in range(_first_not_smaller(posted, sizes, a, b, least), b):
                y = posted[k]
                if y >= x:
                    break
                shared = state[y]
                if shared < 0:
                    continue
                if shared == 0:
                    touched[count] = y
                    count += 1
                if positional:
                    most = shared + 1 + min(rest, sizes[y] - place[k] - 1)
                    if most < at_least(share, size + sizes[y]):
                        state[y] = -1
                        continue
                state[y] = shared + 1
        for k in range(count):
            y = touched[k]
            hit = state[y] > 0
            state[y] = 0
            if not hit:
                continue
            if signatures.shape[1]:
                value = _agreeing(signatures, x, y)
            else:
                need = at_least(share, size + sizes[y])
                both = overlap(hashes, starts[x], size, starts[y], sizes[y], need)
                value = both / (size + sizes[y] - both)
            if value < floor:
                continue
            if found == len(left):
                left = np.concatenate((left, np.empty_like(left)))
                right = np.concatenate((right, np.empty_like(right)))
                score = np.concatenate((score, np.empty_like(score)))
            left[found], right[found], score[found] = y, x, value
            found += 1
    return left[:found], right[:found], score[:found]
