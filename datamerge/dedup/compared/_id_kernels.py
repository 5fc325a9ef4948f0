"""Compiled loops over ids. Imported when first needed."""

from __future__ import annotations

import numpy as np
from numba import njit

MOST_DIGITS = 18  # any number of so many digits is an int64
HASH, POINT, NEWLINE = 35, 46, 10


@njit(cache=True, nogil=True)
def _number_before(text, start, stop):
    """The number that ends at ``stop`` and where it begins (``stop``: there is none)."""
    i, value, scale = stop, np.int64(0), np.int64(1)
    while i > start and 48 <= text[i - 1] <= 57 and stop - i < MOST_DIGITS:
        i -= 1
        value += (np.int64(text[i]) - 48) * scale
        scale *= 10
    return value, i


@njit(cache=True, nogil=True)
def _is_odd(text, start, stop):
    """Whether a digit this code doesn't know may end before ``stop``."""
    return stop > start and (text[stop - 1] >= 128 or 48 <= text[stop - 1] <= 57)


@njit(cache=True, nogil=True)
def split_ids(text, offsets, name_end, position, part, new, odd):
    """Cut ``name#position.part``: where the name ends, the numbers; is it a new name?

    What has another form is all name, at position -1. What is ``odd`` is left to others.
    """
    for row in range(len(name_end)):
        start, stop = offsets[row], offsets[row + 1]
        name_end[row], position[row], part[row] = stop, -1, 0
        if stop > start and text[stop - 1] == NEWLINE:
            odd[row] = True
        last, i = _number_before(text, start, stop)
        odd[row] |= _is_odd(text, start, i)
        if i == stop:
            pass
        elif i > start and text[i - 1] == HASH:
            name_end[row], position[row] = i - 1, last
        elif i > start and text[i - 1] == POINT:
            first, k = _number_before(text, start, i - 1)
            odd[row] |= _is_odd(text, start, k)
            if k < i - 1 and k > start and text[k - 1] == HASH:
                name_end[row], position[row], part[row] = k - 1, first, last
        if row:
            before = offsets[row - 1]
            length = name_end[row] - start
            new[row] = length != name_end[row - 1] - before
            k = length - 1
            while not new[row] and k >= 0:
                new[row] = text[start + k] != text[before + k]
                k -= 1


@njit(cache=True, nogil=True)
def copy_heads(text, before, offsets, kept):
    """Copy the first bytes of each value to where ``offsets`` say."""
    for row in range(len(offsets) - 1):
        start = before[row]
        for k in range(offsets[row + 1] - offsets[row]):
            kept[offsets[row] + k] = text[start + k]


@njit(cache=True, nogil=True)
def _is_before(text, start, stop, position, part, heads, first, last, at, in_part):
    """Whether an id comes before a cut: by name, then by position and part."""
    for k in range(min(stop - start, last - first)):
        if text[start + k] != heads[first + k]:
            return text[start + k] < heads[first + k]
    if stop - start != last - first:
        return stop - start < last - first
    if position != at:
        return position < at
    return part < in_part


@njit(cache=True, nogil=True)
def buckets(text, offsets, name_end, position, part, heads, ends, positions, parts, found):
    """For each id how many of the cuts, which are in order, are not behind it."""
    for row in range(len(found)):
        start, stop = offsets[row], name_end[row]
        low, high = 0, len(positions)
        while low < high:
            cut = (low + high) // 2
            first, last = ends[cut], ends[cut + 1]
            if _is_before(
                text, start, stop, position[row], part[row],
                heads, first, last, positions[cut], parts[cut],
            ):  # fmt: skip
                high = cut
            else:
                low = cut + 1
        found[row] = low
