"""MinHash on whole arrays: one source for NumPy and, where a worker has a GPU, for CuPy.

The compiled loop over sets is the faster one on a CPU; both give the same bits.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

ELEMENTS_AT_ONCE = 1 << 24
_EMPTY = 0xFFFFFFFF


@cache
def on_gpu() -> Any:
    """CuPy where a GPU can be used from here, else None; to import it is not enough."""
    try:
        import cupy

        return cupy if cupy.cuda.runtime.getDeviceCount() > 0 else None
    except Exception:  # no CuPy, no driver, no device: each fails in a way of its own
        return None


def minima(
    xp: Any, hashes: np.ndarray, starts: np.ndarray, factor: np.ndarray, add: np.ndarray
) -> np.ndarray:
    """For each set and permutation the least ``factor * hash + add`` in 32 bits.

    ``xp`` is the array namespace that does it; sets are taken by size, some at once.
    """
    sizes = np.diff(starts)
    signatures = np.full((len(sizes), len(factor)), _EMPTY, np.uint32)
    order = np.argsort(sizes, kind="stable")
    order = order[np.searchsorted(sizes[order], 1) :]
    values = (hashes >> np.uint64(32)).astype(np.uint32)
    drawn = xp.asarray(factor), xp.asarray(add)
    some = max(ELEMENTS_AT_ONCE // (16 * len(factor)), 1)
    for first in range(0, len(order), some):
        rows = order[first : first + some]
        signatures[rows] = _back(_least(xp, values, starts[rows], sizes[rows], drawn))
    return signatures


def _least(
    xp: Any, values: np.ndarray, starts: np.ndarray, sizes: np.ndarray, drawn: tuple[Any, Any]
) -> Any:
    """The minima of sets of about one size; shorter ones repeat their last hash."""
    factor, add = drawn
    longest, step = int(sizes[-1]), max(ELEMENTS_AT_ONCE // (len(sizes) * factor.shape[0]), 1)
    least = xp.full((len(sizes), factor.shape[0]), _EMPTY, dtype=xp.uint32)
    for first in range(0, longest, step):
        places = np.arange(first, min(first + step, longest))
        taken = values[starts[:, None] + np.minimum(places, sizes[:, None] - 1)]
        moved = xp.asarray(taken)[:, :, None] * factor[None, None, :] + add[None, None, :]
        least = xp.minimum(least, xp.min(moved, axis=1))
    return least


def _back(array: Any) -> np.ndarray:
    return array.get() if hasattr(array, "get") else np.asarray(array)
