"""Compiled loops from shingle sets to MinHash signatures. Imported when first needed.

Every constant is a typed one: numba takes an unsigned and a signed number together for a float.
"""

from __future__ import annotations

import numpy as np
from numba import njit

U = np.uint64
_ZERO, _BASE, _S32 = U(0), U(0x9E3779B97F4A7C15), U(32)


@njit(cache=True, nogil=True)
def signatures(hashes, starts, factor, add, found):
    """MinHash: for each set and permutation the least ``factor * hash + add`` in 32 bits."""
    for row in range(len(starts) - 1):
        _minima(hashes, starts[row], starts[row + 1], factor, add, found[row])


@njit(cache=True, nogil=True)
def _minima(hashes, start, stop, factor, add, least):
    least[:] = np.uint32(0xFFFFFFFF)
    for k in range(start, stop):
        x = np.uint32(hashes[k] >> _S32)
        for i in range(len(factor)):
            value = np.uint32(factor[i] * x + add[i])
            least[i] = min(least[i], value)


@njit(cache=True, nogil=True)
def signature_bands(hashes, starts, factor, add, bands, rows):
    """The hashes of the bands of each set's signature, which is not kept."""
    found = np.empty((bands, len(starts) - 1), np.uint32)
    used = bands * rows
    factor, add, least = factor[:used].copy(), add[:used].copy(), np.empty(used, np.uint32)
    for row in range(len(starts) - 1):
        _minima(hashes, starts[row], starts[row + 1], factor, add, least)
        _hash_bands(least, bands, rows, found[:, row])
    return found


@njit(cache=True, nogil=True)
def _hash_bands(signature, bands, rows, hashes):
    for band in range(bands):
        h = _ZERO
        for i in range(rows):
            h = (h ^ U(signature[band * rows + i])) * _BASE
            h ^= h >> _S32
        hashes[band] = h


@njit(cache=True, nogil=True)
def band_hashes(found, bands, rows):
    """One hash for each band of each signature, ``[bands, n]``."""
    hashes = np.empty((bands, len(found)), np.uint32)
    for row in range(len(found)):
        _hash_bands(found[row], bands, rows, hashes[:, row])
    return hashes
