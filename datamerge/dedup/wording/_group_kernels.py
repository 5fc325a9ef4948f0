"""Compiled search for groups of near-equal sets. Imported when first needed."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._join_kernels import at_least, overlap

FAILURES_A_LIST = 8  # sets that are tried as the seed of a group before a list is left
WIDTH = 16  # sets whose lists are searched for members
VOTERS = 256  # sets that make a centre
_SLACK = 1e-9


@njit(cache=True, nogil=True)
def lists_of(entries, list_starts, sets):
    """The lists each set is in: where each set's start, and their numbers."""
    starts = np.zeros(sets + 1, np.int64)
    for row in entries:
        starts[row + 1] += 1
    for row in range(sets):
        starts[row + 1] += starts[row]
    fill, found = starts[:-1].copy(), np.empty(len(entries), np.int32)
    for one in range(len(list_starts) - 1):
        for k in range(list_starts[one], list_starts[one + 1]):
            found[fill[entries[k]]] = one
            fill[entries[k]] += 1
    return starts, found


@njit(cache=True, nogil=True)
def _reach(chosen, entries, list_starts, of_starts, of_list, group, list_seen, seen, mark, out):
    """The sets in no group that share a list with one of those chosen; how many."""
    count = 0
    for row in chosen:
        for k in range(of_starts[row], of_starts[row + 1]):
            one = of_list[k]
            if list_seen[one] == mark:
                continue
            list_seen[one] = mark
            for e in range(list_starts[one], list_starts[one + 1]):
                other = entries[e]
                if group[other] < 0 and seen[other] != mark:
                    seen[other] = mark
                    out[count] = other
                    count += 1
    return count


@njit(cache=True, nogil=True)
def near(row, others, hashes, starts, sizes, floor):
    """Those of the others whose similarity to a set reaches the floor."""
    kept, count = np.empty(len(others), np.int32), 0
    share = floor / (1 + floor)
    for other in others:
        both = sizes[row] + sizes[other]
        if min(sizes[row], sizes[other]) < at_least(floor, max(sizes[row], sizes[other])):
            continue
        need = at_least(share, both)
        shared = overlap(hashes, starts[row], sizes[row], starts[other], sizes[other], need)
        if shared / (both - shared) >= floor:
            kept[count] = other
            count += 1
    return kept[:count]


@njit(cache=True, nogil=True)
def spread(rows, most):
    """At most so many of the rows, evenly spaced."""
    count = min(len(rows), most)
    chosen = np.empty(count, rows.dtype)
    for k in range(count):
        chosen[k] = rows[k * len(rows) // count]
    return chosen


@njit(cache=True, nogil=True)
def centre(rows, hashes, starts, sizes):
    """The hashes that more than half of the sets have, sorted."""
    total = 0
    for row in rows:
        total += sizes[row]
    every, filled = np.empty(total, np.uint64), 0
    for row in rows:
        every[filled : filled + sizes[row]] = hashes[starts[row] : starts[row] + sizes[row]]
        filled += sizes[row]
    every.sort()
    count, a = 0, 0
    while a < total:
        b = a + 1
        while b < total and every[b] == every[a]:
            b += 1
        if 2 * (b - a) > len(rows):
            every[count] = every[a]
            count += 1
        a = b
    return every[:count].copy()


@njit(cache=True, nogil=True)
def _shared(middle, hashes, start, size):
    i, j, shared = 0, 0, 0
    while i < len(middle) and j < size:
        u, v = middle[i], hashes[start + j]
        shared += u == v
        i += u <= v
        j += v <= u
    return shared


@njit(cache=True, nogil=True)
def members(middle, others, hashes, starts, sizes, floor):
    """The sets so close to a centre that any two of them reach the floor."""
    kept, count = np.empty(len(others), np.int32), 0
    radius = (1 - floor) / 2 * len(middle) - _SLACK
    for other in others:
        more = sizes[other] - len(middle)
        if max(-more, floor * more) > radius:
            continue
        shared = _shared(middle, hashes, starts[other], sizes[other])
        if len(middle) - shared + floor * (sizes[other] - shared) <= radius:
            kept[count] = other
            count += 1
    return kept[:count]


@njit(cache=True, nogil=True)
def gather(entries, list_starts, order, hashes, starts, sizes, floor, least, most):
    """The group of each set, -1 for none; groups have ``least`` members and more.

    Seeds come from the longest lists on. What is like a seed makes a centre; what is close to
    the centre is a group. Ends after about ``most`` comparisons.
    """
    sets = len(sizes)
    of_starts, of_list = lists_of(entries, list_starts, sets)
    group, tried = np.full(sets, -1, np.int32), np.zeros(sets, np.bool_)
    list_seen = np.zeros(len(list_starts) - 1, np.int64)
    seen, out = np.zeros(sets, np.int64), np.empty(sets, np.int32)
    groups, mark, done = 0, 0, 0
    for one in order:
        failures = 0
        for e in range(list_starts[one], list_starts[one + 1]):
            seed = entries[e]
            if group[seed] >= 0 or tried[seed]:
                continue
            if failures == FAILURES_A_LIST or done > most:
                break
            tried[seed] = True
            mark += 1
            count = _reach(
                entries[e : e + 1], entries, list_starts, of_starts, of_list, group,
                list_seen, seen, mark, out,
            )  # fmt: skip
            done += count
            alike = near(seed, out[:count], hashes, starts, sizes, floor)
            if len(alike) < least:
                failures += 1
                continue
            alike.sort()
            middle = centre(spread(alike, VOTERS), hashes, starts, sizes)
            mark += 1
            count = _reach(
                spread(alike, WIDTH), entries, list_starts, of_starts, of_list, group,
                list_seen, seen, mark, out,
            )  # fmt: skip
            done += count
            found = members(middle, out[:count], hashes, starts, sizes, floor)
            if len(found) < least:
                middle = hashes[starts[seed] : starts[seed] + sizes[seed]].copy()
                found = members(middle, out[:count], hashes, starts, sizes, floor)
            if len(found) < least:
                failures += 1
                continue
            for row in found:
                group[row] = groups
            groups += 1
    return group
