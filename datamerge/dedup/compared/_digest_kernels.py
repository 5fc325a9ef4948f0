"""Compiled loops over the bytes of texts: normalise, and hash. Imported when first needed.

The hash is MurmurHash3_x64_128 (A. Appleby, public domain) with seed 0.
"""

from __future__ import annotations

import numpy as np
from numba import njit

SPACE = 32
_C1, _C2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
_M1, _M2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_A1, _A2 = np.uint64(0x52DCE729), np.uint64(0x38495AB5)
_FIVE, _SHIFT = np.uint64(5), np.uint64(33)


@njit(cache=True, nogil=True, inline="always")
def _turned(value, by):
    return (value << np.uint64(by)) | (value >> np.uint64(64 - by))


@njit(cache=True, nogil=True, inline="always")
def _mixed(value):
    value = (value ^ (value >> _SHIFT)) * _M1
    value = (value ^ (value >> _SHIFT)) * _M2
    return value ^ (value >> _SHIFT)


@njit(cache=True, nogil=True)
def _hash(words, length):
    """The hash of the first ``length`` bytes; those after them, up to 16, are zero."""
    first = second = np.uint64(0)
    whole = length // 16
    for block in range(whole):
        first ^= _turned(words[2 * block] * _C1, 31) * _C2
        first = (_turned(first, 27) + second) * _FIVE + _A1
        second ^= _turned(words[2 * block + 1] * _C2, 33) * _C1
        second = (_turned(second, 31) + first) * _FIVE + _A2
    if length % 16:
        second ^= _turned(words[2 * whole + 1] * _C2, 33) * _C1
        first ^= _turned(words[2 * whole] * _C1, 31) * _C2
    first ^= np.uint64(length)
    second ^= np.uint64(length)
    first += second
    second += first
    first, second = _mixed(first), _mixed(second)
    first += second
    return first, second + first


@njit(cache=True, nogil=True)
def _copied(text, start, stop, kept):
    for k in range(stop - start):
        kept[k] = text[start + k]
    return stop - start


@njit(cache=True, nogil=True)
def _normalised(text, start, stop, ascii_to, wide_to, kept):
    """Put the normalised text into ``kept``; its length, or -1 where others must do it."""
    size, after_space, i = 0, True, start
    while i < stop:
        byte = text[i]
        if byte < 128:
            to = ascii_to[byte]
            if to == 0:
                return -1
            is_space = to == SPACE
            kept[size] = to
            size += not (is_space and after_space)
            after_space = is_space
            i += 1
            continue
        if byte < 0xE0:
            code, more = np.int32(byte & 0x1F), 1
        elif byte < 0xF0:
            code, more = np.int32(byte & 0x0F), 2
        else:
            code, more = np.int32(byte & 0x07), 3
        for k in range(1, more + 1):
            code = (code << 6) | np.int32(text[i + k] & 0x3F)
        i += more + 1
        wide = wide_to[code]
        if wide == 0:
            return -1
        if wide == SPACE:
            kept[size] = SPACE
            size += not after_space
            after_space = True
            continue
        after_space = False
        if wide < 0x80:
            kept[size] = wide
            size += 1
        elif wide < 0x800:
            kept[size] = 0xC0 | (wide >> 6)
            kept[size + 1] = 0x80 | (wide & 0x3F)
            size += 2
        elif wide < 0x10000:
            kept[size] = 0xE0 | (wide >> 12)
            kept[size + 1] = 0x80 | ((wide >> 6) & 0x3F)
            kept[size + 2] = 0x80 | (wide & 0x3F)
            size += 3
        else:
            kept[size] = 0xF0 | (wide >> 18)
            kept[size + 1] = 0x80 | ((wide >> 12) & 0x3F)
            kept[size + 2] = 0x80 | ((wide >> 6) & 0x3F)
            kept[size + 3] = 0x80 | (wide & 0x3F)
            size += 4
    return size - (size > 0 and after_space)


@njit(cache=True, nogil=True)
def digests(text, offsets, loosely, ascii_to, wide_to, words, kept, digest):
    """Hash each text into ``digest``; returns which were left out, to be normalised by others.

    ``kept`` is the memory of ``words`` as bytes, with room for the longest text, and more.
    """
    left = np.zeros(len(digest), np.bool_)
    for row in range(len(digest)):
        start, stop = offsets[row], offsets[row + 1]
        if loosely:
            size = _normalised(text, start, stop, ascii_to, wide_to, kept)
        else:
            size = _copied(text, start, stop, kept)
        left[row] = size < 0
        if size >= 0:
            kept[size : size + 16] = 0
            digest[row, 0], digest[row, 1] = _hash(words, size)
    return left
