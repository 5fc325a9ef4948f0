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
def _apart(mine, other):
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
            some &= subs > first + 1 or not _apart(label[row], sub_label[first])
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
    the score, else the true Jaccard similarity.
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
                if _apart(mine, sub_label[sub]):
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
            else:
                need = at_least(share, size + sizes[y])
                both = overlap(hashes, starts[x], size, starts[y], sizes[y], need)
                value = both / (size + sizes[y] - both)
            if value >= floor:
                left[found], right[found], score[found] = y, x, value
                found += 1
        x += 1
    return x, left[:found], right[:found], score[:found]
