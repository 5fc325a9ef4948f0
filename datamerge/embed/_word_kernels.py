"""Compiled loops over the words of texts. Imported when first needed: numba takes a while."""

from __future__ import annotations

import numpy as np
from numba import njit

# The most letters of a word; a longer run of letters is several.
LONGEST = 64


@njit(cache=True, nogil=True)
def find_words(
    data, offsets, first, whole, arena, starts, slots, counts, known, numbers, stamps, stamp
):
    """Numbers of the different words of texts, from text ``first`` on.

    A text in ASCII is cut into words here; where ``whole`` says so each text is one word as it
    stands. Words are kept in ``arena`` (their bytes) and ``starts``; ``slots`` is a table of
    their numbers by hash, -1 where it is empty. ``counts`` gets each text's, -1 for a text that
    is not ASCII; ``stamps`` holds, for each word, the last text it was seen in.

    Returns the text to go on with when there is more room for words and numbers, how many words
    are known, and how many numbers were written.
    """
    word = np.empty(LONGEST, np.uint8)
    filled = 0
    for i in range(first, len(offsets) - 1):
        start, stop = offsets[i], offsets[i + 1]
        length = stop - start
        fits = known + length < len(stamps) and filled + length <= len(numbers)
        if not (fits and starts[known] + length <= len(arena)):
            return i, known, filled
        counts[i] = 0
        if whole:
            known, number = _number(data, start, stop, arena, starts, slots, known)
            numbers[filled] = number
            filled += 1
            counts[i] = 1
            continue
        before = filled
        j = start
        while j < stop:
            byte = data[j]
            if byte >= 128:
                break
            if _is_space(byte):
                j += 1
                continue
            size = 0
            while size < LONGEST and j < stop and _is_letter(data[j]):
                word[size] = _lower(data[j])
                size += 1
                j += 1
            if size == 0:  # any other character stands alone
                word[0] = byte
                size = 1
                j += 1
            known, number = _number(word, 0, size, arena, starts, slots, known)
            if stamps[number] != stamp + i:
                stamps[number] = stamp + i
                numbers[filled] = number
                filled += 1
        if j < stop:
            counts[i] = -1
            filled = before
        else:
            counts[i] = filled - before
    return len(offsets) - 1, known, filled


@njit(cache=True, nogil=True)
def _number(data, start, stop, arena, starts, slots, known):
    """The number of a word; a new one where it is not known yet."""
    mask = np.uint64(len(slots) - 1)
    slot = _hash(data, start, stop) & mask
    length = stop - start
    while slots[slot] >= 0:
        number = slots[slot]
        held = starts[number]
        same = starts[number + 1] - held == length
        k = 0
        while same and k < length:
            same = arena[held + k] == data[start + k]
            k += 1
        if same:
            return known, np.int64(number)
        slot = (slot + np.uint64(1)) & mask
    slots[slot] = known
    for k in range(length):
        arena[starts[known] + k] = data[start + k]
    starts[known + 1] = starts[known] + length
    return known + 1, np.int64(known)


@njit(cache=True, nogil=True)
def place_all(arena, starts, slots, known):
    """Put all words into an empty table."""
    mask = np.uint64(len(slots) - 1)
    for number in range(known):
        slot = _hash(arena, starts[number], starts[number + 1]) & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = number


@njit(cache=True, nogil=True)
def _hash(data, start, stop):
    value = np.uint64(14695981039346656037)
    for k in range(start, stop):
        value = (value ^ np.uint64(data[k])) * np.uint64(1099511628211)
    return value ^ (value >> np.uint64(29))


@njit(cache=True, nogil=True)
def _is_space(byte):
    """What Python calls white space, in ASCII."""
    return byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31


@njit(cache=True, nogil=True)
def _is_letter(byte):
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122


@njit(cache=True, nogil=True)
def _lower(byte):
    return byte + 32 if 65 <= byte <= 90 else byte


@njit(cache=True, nogil=True)
def directions(numbers, starts, rows, vectors):
    """Unit vectors of the sums of rows, text by text; zeros for a text without a word."""
    dim = rows.shape[1]
    sums = np.empty(dim, np.int32)
    for i in range(len(starts) - 1):
        sums[:] = 0
        for place in range(starts[i], starts[i + 1]):
            row = numbers[place]
            for k in range(dim):
                sums[k] += rows[row, k]
        square = np.int64(0)
        for k in range(dim):
            square += np.int64(sums[k]) * np.int64(sums[k])
        length = np.sqrt(np.float64(square)) if square else 1.0
        for k in range(dim):
            vectors[i, k] = np.float32(np.float64(sums[k]) / length)
