"""Compiled loops of the set-similarity join. Imported when first needed."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._list_kernels import are_apart

# Bounds are computed in floating point, and may err to the safe side only.
_SLACK = 1e-9


@njit(cache=True, nogil=True)
def at_least(share, size):
    """The least whole number that is not below ``share * size``, give or take rounding."""
    return max(np.int64(np.ceil(share * size - _SLACK)), 1)


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
    first, last, most, floor, positional, signatures, hashes, starts, sizes,
    label, look_starts, look_list, look_place, list_first, sub_ends, sub_label, posted, place,
):  # fmt: skip
    """Pairs (x, y < x) at or above the floor, x from ``first`` on; sets are sorted by size.

    Stops before the row ``last``, or after the one that makes it ``most`` pairs; the first row
    that is still to do is returned, too. Where ``signatures`` has columns, their agreement is
    the score, else the true Jaccard similarity; without hashes that is for others to find out.
    """
    state = np.zeros(len(sizes), np.int32)  # slots shared so far; -1: too few can be shared
    touched = np.empty(len(sizes), np.int32)
    left, right = np.empty(1024, np.int32), np.empty(1024, np.int32)
    score = np.empty(1024, np.float64)
    found, x = 0, first
    share = floor / (1 + floor)
    while x < last and found < most:
        size, count, mine = sizes[x], 0, label[x]
        least = at_least(floor, size)
        for look in range(look_starts[x], look_starts[x + 1]):
            one = look_list[look]
            rest = size - look_place[look] - 1
            for sub in range(list_first[one], list_first[one + 1]):
                if are_apart(mine, sub_label[sub]):
                    continue
                a, b = sub_ends[sub], sub_ends[sub + 1]
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
                        most_shared = shared + 1 + min(rest, sizes[y] - place[k] - 1)
                        if most_shared < at_least(share, size + sizes[y]):
                            state[y] = -1
                            continue
                    state[y] = shared + 1
        if found + count > len(left):
            more = np.empty(found + count, np.int32)  # its pages are taken as they are filled
            left, right = np.concatenate((left, more)), np.concatenate((right, more))
            score = np.concatenate((score, np.empty(found + count, np.float64)))
        for k in range(count):
            y = touched[k]
            hit = state[y] > 0
            state[y] = 0
            if not hit:
                continue
            if signatures.shape[1]:
                value = _agreeing(signatures, x, y)
            elif not len(hashes):
                value = 1.0
            else:
                need = at_least(share, size + sizes[y])
                both = overlap(hashes, starts[x], size, starts[y], sizes[y], need)
                value = both / (size + sizes[y] - both)
            if value >= floor:
                left[found], right[found], score[found] = y, x, value
                found += 1
        x += 1
    return x, left[:found], right[:found], score[:found]


@njit(cache=True, nogil=True)
def jaccards(left, right, floor, hashes, starts, score):
    """The Jaccard similarity of each pair of sets; something less where it is below the floor."""
    share = floor / (1 + floor)
    for pair in range(len(left)):
        x, y = left[pair], right[pair]
        m, n = starts[x + 1] - starts[x], starts[y + 1] - starts[y]
        both = overlap(hashes, starts[x], m, starts[y], n, at_least(share, m + n))
        score[pair] = both / (m + n - both)
