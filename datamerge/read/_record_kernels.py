"""A compiled loop over the bytes of CSV. Imported when first needed: numba takes a while.

It goes through the states of Python's reader (``Modules/_csv.c``, strict, quotes doubled), which
the lines come to one after another with a line feed at the end of each.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Where the reader is: before a record, before a field, in a plain or a quoted one, behind a quote
# in a quoted one, behind a carriage return, and in what is left of a line with an error.
RECORD, FIELD, PLAIN, QUOTED, QUOTE, RETURN, ERROR = range(7)
# What is remembered from one chunk to the next.
STATE, FILLED, NUMBER, BEGIN, LAST = range(5)
LINE_FEED, CARRIAGE_RETURN, QUOTATION = 10, 13, 34
LONGEST, NEVER = 2**31 - 1, 2**62
ONES, HIGH = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)


@njit(cache=True, nogil=True)
def starts(data, skipped, base, delimiter, every, memory, found):
    """Where records begin, and their numbers: about one in so many bytes. How many are found.

    ``base`` is where the chunk begins in the file; its first bytes may have to be skipped.

    A record of nothing but white space is none. Behind one that is longer than a field may be,
    nothing is found any more: the reader would not take it whole.
    """
    state, filled = memory[STATE], memory[FILLED] != 0
    words = data[: len(data) // 8 * 8].view(np.uint64)
    count = 0
    i, size = skipped, len(data)
    while i < size:
        byte = data[i]
        if state == QUOTED:
            i = _first(data, words, i, QUOTATION, QUOTATION, QUOTATION)
            if i < size:
                state = QUOTE
        elif byte == LINE_FEED:
            if _ends(base + i + 1, every, filled, memory):
                found[count, 0], found[count, 1] = base + i + 1, memory[NUMBER]
                count += 1
            state, filled = RECORD, False
        elif state == ERROR:
            while i + 1 < size and data[i + 1] != LINE_FEED:
                filled |= not _is_space(data[i])
                i += 1
            filled |= not _is_space(data[i])
        elif byte == CARRIAGE_RETURN:
            state = RETURN
        elif state == RETURN:
            filled |= not _is_space(byte)
            state = ERROR
        elif byte == delimiter:
            filled |= not _is_space(byte)
            state = FIELD
        elif byte == QUOTATION:
            filled = True
            if state != PLAIN:
                state = QUOTED
        elif state == QUOTE:
            state = ERROR
        else:
            state = PLAIN
            filled |= not _is_space(byte)
            if filled:
                i = _first(data, words, i + 1, LINE_FEED, CARRIAGE_RETURN, delimiter) - 1
        i += 1
    memory[STATE], memory[FILLED] = state, filled
    return count


@njit(cache=True, nogil=True)
def _ends(place, every, filled, memory):
    """A line, and with it a record, ends before this place: is that to be told?"""
    if place - memory[BEGIN] > LONGEST:
        memory[LAST] = NEVER
    memory[BEGIN] = place
    if not filled:
        return False
    memory[NUMBER] += 1
    if place - memory[LAST] < every:
        return False
    memory[LAST] = place
    return True


@njit(cache=True, nogil=True)
def _is_space(byte):
    return byte == 32 or 9 <= byte <= 13


@njit(cache=True, nogil=True)
def _first(data, words, i, a, b, c):
    """The place of the first of these bytes from ``i`` on, eight at a time; the size if none."""
    size, word = len(data), (i + 7) // 8
    while i < size and i < word * 8:
        if data[i] == a or data[i] == b or data[i] == c:
            return i
        i += 1
    one, other, third = ONES * np.uint64(a), ONES * np.uint64(b), ONES * np.uint64(c)
    while word < len(words):
        if _has(words[word], one) or _has(words[word], other) or _has(words[word], third):
            break
        word += 1
    i = max(i, word * 8)
    while i < size and data[i] != a and data[i] != b and data[i] != c:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _has(word, wanted):
    """Whether one of the eight bytes of a word is the wanted one, which fills the other word."""
    mixed = word ^ wanted
    return ((mixed - ONES) & ~mixed & HIGH) != np.uint64(0)
