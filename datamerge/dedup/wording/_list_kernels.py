"""Compiled loops that list the sets which share a value. Imported when first needed."""

from __future__ import annotations

import numpy as np
from numba import njit

U = np.uint64
_ONE = U(1)


@njit(cache=True, nogil=True)
def pick(values, starts, low, high, to_the_end):
    """The slots with values in ``[low, high)``: the value, its row, and which slot it is there."""
    count = 0
    for value in values:
        count += value >= low and (to_the_end or value < high)
    picked = np.empty(count, np.uint64)
    rows, places = np.empty(count, np.int32), np.empty(count, np.int32)
    filled = 0
    for row in range(len(starts) - 1):
        for slot in range(starts[row], starts[row + 1]):
            value = values[slot]
            if value >= low and (to_the_end or value < high):
                picked[filled], rows[filled] = value, row
                places[filled] = slot - starts[row]
                filled += 1
    return picked, rows, places


@njit(cache=True, nogil=True)
def sharing(keys, values, bits, row, place):
    """The rows that share a value, list by list, in the order of the values and then of rows.

    ``keys`` are sorted: a slot's leading bits, then its number. Slots whose leading bits alone
    agree are told apart. Returns rows, places and where each list ends.
    """
    mask = (_ONE << U(bits)) - _ONE
    total = len(keys)
    rows, places = np.empty(total, np.int32), np.empty(total, np.int32)
    ends = np.empty(total // 2, np.int64)
    lists, filled, a = 0, 0, 0
    while a < total:
        b = a + 1
        lead = keys[a] >> U(bits)
        while b < total and keys[b] >> U(bits) == lead:
            b += 1
        if b - a > 1:
            members = np.empty(b - a, np.int64)
            for k in range(a, b):
                members[k - a] = np.int64(keys[k] & mask)
            shared = values[members]
            if (shared != shared[0]).any():
                order = np.argsort(shared, kind="mergesort")
                members, shared = members[order], shared[order]
            c = 0
            while c < b - a:
                d = c + 1
                while d < b - a and shared[d] == shared[c]:
                    d += 1
                if d - c > 1:
                    for k in range(c, d):
                        rows[filled], places[filled] = row[members[k]], place[members[k]]
                        filled += 1
                    ends[lists] = filled
                    lists += 1
                c = d
        a = b
    return rows[:filled].copy(), places[:filled].copy(), ends[:lists].copy()


@njit(cache=True, nogil=True)
def are_apart(mine, other):
    """Whether rows of these labels are not compared: both of one group, or both old."""
    return (mine & other & 1) == 1 or (mine > 1 and mine >> 1 == other >> 1)


@njit(cache=True, nogil=True)
def posting(rows, places, starts, indexed, label):
    """Lists cut by label into sublists of what is posted, and the lists each row looks up."""
    lists, total = len(starts) - 1, len(rows)
    posted, place = np.empty(total, np.int32), np.empty(total, np.int32)
    sub_ends, sub_label = np.zeros(total + 1, np.int64), np.empty(total, np.int32)
    list_first = np.zeros(lists + 1, np.int64)
    looks = np.zeros(total, np.bool_)
    look_starts = np.zeros(len(indexed) + 1, np.int64)
    filled, subs = 0, 0
    for one in range(lists):
        first, begin, mixed = subs, filled, False
        for k in range(starts[one], starts[one + 1]):
            if places[k] < indexed[rows[k]]:
                posted[filled], place[filled] = rows[k], places[k]
                mixed |= label[rows[k]] != label[posted[begin]]
                filled += 1
        if mixed:
            order = np.argsort(label[posted[begin:filled]], kind="mergesort")
            posted[begin:filled] = posted[begin:filled][order]
            place[begin:filled] = place[begin:filled][order]
        all_old = True
        for k in range(begin, filled):
            mine = label[posted[k]]
            all_old &= mine & 1
            if k == begin or mine != label[posted[k - 1]]:
                sub_label[subs] = mine
                subs += 1
            sub_ends[subs] = k + 1
        list_first[one + 1] = subs
        for k in range(starts[one], starts[one + 1]):
            row = rows[k]
            some = subs > first and not (all_old and label[row] & 1)
            some &= subs > first + 1 or not are_apart(label[row], sub_label[first])
            some &= filled > begin + 1 or posted[begin] != row
            looks[k] = some
            look_starts[row + 1] += some
    for row in range(len(indexed)):
        look_starts[row + 1] += look_starts[row]
    fill = look_starts[:-1].copy()
    look_list = np.empty(look_starts[-1], np.int32)
    look_place = np.empty(look_starts[-1], np.int32)
    for one in range(lists):
        for k in range(starts[one], starts[one + 1]):
            if looks[k]:
                at = fill[rows[k]]
                look_list[at], look_place[at] = one, places[k]
                fill[rows[k]] = at + 1
    return (
        look_starts, look_list, look_place, list_first,
        sub_ends[: subs + 1].copy(), sub_label[:subs].copy(),
        posted[:filled].copy(), place[:filled].copy(),
    )  # fmt: skip
