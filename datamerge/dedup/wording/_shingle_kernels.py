"""Compiled loops from text to shingle sets. Imported when first needed.

Every constant is a typed one: numba takes an unsigned and a signed number together for a float.
"""

from __future__ import annotations

import numpy as np
from numba import njit

U = np.uint64
_SEED, _FNV, _BASE = U(0xCBF29CE484222325), U(0x100000001B3), U(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = U(0xFF51AFD7ED558CCD), U(0xC4CEB9FE1A85EC53)
_S8, _S32, _S33 = U(8), U(32), U(33)
_ZERO, _ONE = U(0), U(1)
_FEW = 24  # hashes that are sorted by insertion

_FOLD = np.arange(256, dtype=np.uint8)
_FOLD[65:91] += 32  # A to Z
_FOLD[9:14] = 32  # white space is a blank
_EDGE = np.zeros(256, np.bool_)
_EDGE[[*range(9, 14), *range(28, 33)]] = True  # what normalised text has trimmed at its ends


@njit(cache=True, nogil=True)
def mix(h):
    """A bijection that spreads every bit over all 64 (MurmurHash3's last step)."""
    h = (h ^ (h >> _S33)) * _MIX_1
    h = (h ^ (h >> _S33)) * _MIX_2
    return h ^ (h >> _S33)


@njit(cache=True, nogil=True)
def is_plain(data, offsets, table):
    """For each text: do all its characters stay as they are, but for ASCII case and blanks?

    ``table`` says so of every code point.
    """
    plain = np.ones(len(offsets) - 1, np.bool_)
    for row in range(len(plain)):
        i, stop = offsets[row], offsets[row + 1]
        while i < stop:
            lead = data[i]
            if lead < 128:
                i += 1
                continue
            more = 1 + (lead >= 0xE0) + (lead >= 0xF0)
            code = np.int64(lead) & (63 >> more)
            for k in range(1, more + 1):
                code = code << 6 | np.int64(data[i + k]) & 63
            if not table[code]:
                plain[row] = False
                break
            i += more + 1
    return plain


@njit(cache=True, nogil=True)
def _words(data, start, stop, units):
    """The hash of each word; how many."""
    count, i = 0, start
    while i < stop:
        c = _FOLD[data[i]]
        if c == 32:
            i += 1
            continue
        h = _SEED
        while c != 32:
            h = (h ^ U(c)) * _FNV
            i += 1
            if i == stop:
                break
            c = _FOLD[data[i]]
        units[count] = mix(h)
        count += 1
    return count


@njit(cache=True, nogil=True)
def _characters(data, start, stop, units):
    """The hash of each code point, a run of white space being one blank; how many."""
    count, i = 0, start
    while i < stop:
        value = U(_FOLD[data[i]])
        i += 1
        if value == _S32:
            while i < stop and _FOLD[data[i]] == 32:
                i += 1
        else:
            while i < stop and (data[i] & 0xC0) == 0x80:
                value = value << _S8 | U(data[i])
                i += 1
        units[count] = mix(value + _ONE)
        count += 1
    return count


@njit(cache=True, nogil=True)
def _grams(units, count, n, out):
    """The hash of each run of n units, rolling; of all units where they are fewer. How many."""
    if count == 0:
        return 0
    size = min(n, count)
    power, h = _ONE, _ZERO
    for i in range(size):
        h = h * _BASE + units[i]
        if i:
            power *= _BASE
    length = mix(U(size))
    out[0] = mix(h ^ length)
    for i in range(size, count):
        h = (h - units[i - size] * power) * _BASE + units[i]
        out[i - size + 1] = mix(h ^ length)
    return count - size + 1


@njit(cache=True, nogil=True)
def _sort_unique_few(values, count):
    kept = 0
    for i in range(count):
        value, j = values[i], kept
        while j and values[j - 1] > value:
            j -= 1
        if j and values[j - 1] == value:
            continue
        for k in range(kept, j, -1):
            values[k] = values[k - 1]
        values[j] = value
        kept += 1
    return kept


@njit(cache=True, nogil=True)
def _sort_unique(values, count, other, counts):
    """Sort hashes in linear time, by their leading bits and then in place; how many differ."""
    if count <= _FEW:
        return _sort_unique_few(values, count)
    bits = 1
    while (1 << bits) < count:
        bits += 1
    shift = U(64 - bits)
    counts[: (1 << bits) + 1] = 0
    for i in range(count):
        counts[(values[i] >> shift) + _ONE] += 1
    for i in range(1 << bits):
        counts[i + 1] += counts[i]
    for i in range(count):
        bucket = values[i] >> shift
        other[counts[bucket]] = values[i]
        counts[bucket] += 1
    for i in range(1, count):
        value, j = other[i], i
        while j and other[j - 1] > value:
            other[j] = other[j - 1]
            j -= 1
        other[j] = value
    values[0], kept = other[0], 1
    for i in range(1, count):
        if other[i] != other[i - 1]:
            values[kept] = other[i]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def shingle_sets(data, offsets, n, by_words, longest, hashes, starts, digest):
    """The shingle set of each text: sorted hashes, where each set starts, and its fingerprint.

    The fingerprint is the sum, over the set, of each hash and of another hash of it.
    """
    size = longest + 2
    units, grams = np.empty(size, np.uint64), np.empty(size, np.uint64)
    other, counts = np.empty(size, np.uint64), np.empty(4 * size + 8, np.int64)
    filled = 0
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        while start < stop and _EDGE[data[start]]:
            start += 1
        while start < stop and _EDGE[data[stop - 1]]:
            stop -= 1
        if by_words:
            count = _words(data, start, stop, units)
        else:
            count = _characters(data, start, stop, units)
        count = _sort_unique(grams, _grams(units, count, n, grams), other, counts)
        first, second = _ZERO, _ZERO
        for i in range(count):
            h = grams[i]
            hashes[filled + i] = h
            first += h
            second += mix(h + _BASE)
        filled += count
        starts[row + 1] = filled
        digest[row, 0], digest[row, 1] = first, second
    return filled
