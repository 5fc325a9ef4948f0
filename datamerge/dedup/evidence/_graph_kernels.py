"""Compiled loops that make and check the graph of pairs, and score inside groups of sets.

Imported when first needed: numba takes a while.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def count_ends(ends, counts):
    """How many pairs each item is in; ``ends`` [m, 4] begin with the two items."""
    for i in range(len(ends)):
        counts[ends[i, 0]] += 1
        counts[ends[i, 1]] += 1


@njit(cache=True, nogil=True)
def fill(ends, score, where, low, high, fill_at, neighbours, scores):
    """Put both directions of each pair into the slices of the rows ``[low, high)``."""
    for i in range(len(ends)):
        a, b = where[ends[i, 0]], where[ends[i, 1]]
        if low <= a < high:
            k = fill_at[a - low]
            neighbours[k], scores[k] = b, score[i, 1]
            fill_at[a - low] = k + 1
        if low <= b < high:
            k = fill_at[b - low]
            neighbours[k], scores[k] = a, score[i, 1]
            fill_at[b - low] = k + 1


@njit(cache=True, nogil=True)
def sort_slices(starts, low, high, neighbours, scores):
    """Sort the slices of the rows ``[low, high)`` in place: score downwards, then neighbour."""
    base = starts[low]
    for row in range(low, high):
        first, last = starts[row] - base, starts[row + 1] - base
        if last - first > 48:
            order = np.argsort(neighbours[first:last])
            some, values = neighbours[first:last][order], scores[first:last][order]
            order = np.argsort(-values, kind="mergesort")
            neighbours[first:last], scores[first:last] = some[order], values[order]
            continue
        for i in range(first + 1, last):
            one, value, j = neighbours[i], scores[i], i
            while j > first and (
                scores[j - 1] < value or (scores[j - 1] == value and neighbours[j - 1] > one)
            ):
                neighbours[j], scores[j] = neighbours[j - 1], scores[j - 1]
                j -= 1
            neighbours[j], scores[j] = one, value


@njit(cache=True, nogil=True)
def sound(starts, neighbours, scores):
    """Whether the arrays are a graph as it is written here: nothing points outside."""
    n = len(starts) - 1
    if n < 0 or starts[0] != 0 or starts[n] != len(neighbours) or starts[n] != len(scores):
        return False
    for row in range(n):
        if starts[row + 1] < starts[row] or starts[row + 1] > len(neighbours):
            return False
        for k in range(starts[row], starts[row + 1]):
            if neighbours[k] < 0 or neighbours[k] >= n or np.isnan(scores[k]):
                return False
            if k > starts[row] and scores[k] > scores[k - 1]:
                return False
    return True


@njit(cache=True, nogil=True)
def reaching(hashes, starts, one, first, last, least, score):
    """Jaccard of a set with the sets ``[first, last)``; -1 where it is below what is asked."""
    begin, end = starts[one], starts[one + 1]
    size = end - begin
    for other in range(first, last):
        other_size = starts[other + 1] - starts[other]
        wanted = least[other - first]
        both_sizes = size + other_size
        # Bounds are computed in floating point, and may err to the safe side only.
        need = wanted / (1 + wanted) * both_sizes - 1e-6
        i, j, both = begin, starts[other], 0
        stop = starts[other + 1]
        score[other - first] = -1.0
        while i < end and j < stop and both + min(end - i, stop - j) >= need:
            if hashes[i] == hashes[j]:
                both += 1
                i += 1
                j += 1
            elif hashes[i] < hashes[j]:
                i += 1
            else:
                j += 1
        if (i == end or j == stop) and both_sizes > 0:
            value = both / (both_sizes - both)
            if value >= wanted:
                score[other - first] = value
