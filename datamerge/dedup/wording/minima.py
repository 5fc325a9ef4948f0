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

    ``xp`` is the array namespace that does it; sets are taken by size, some at once. The hashes
    are sent to its device once, and the signatures come back once.
    """
    sizes = np.diff(starts)
    signatures = np.full((len(sizes), len(factor)), _EMPTY, np.uint32)
    order = np.argsort(sizes, kind="stable")
    order = order[np.searchsorted(sizes[order], 1) :]
    if len(order):
        held = hashes[starts[0] : starts[-1]]
        values = xp.asarray((held >> np.uint64(32)).astype(np.uint32))
        first = xp.asarray((starts[order] - starts[0]).astype(np.int64))
        drawn = xp.asarray(factor), xp.asarray(add)
        signatures[order] = _back(_by_size(xp, values, first, sizes[order], drawn))
    return signatures


def _by_size(xp: Any, values: Any, starts: Any, sizes: np.ndarray, drawn: tuple[Any, Any]) -> Any:
    """The minima of sets that are in the order of their sizes, some sets at once."""
    many = drawn[0].shape[0]
    some = max(ELEMENTS_AT_ONCE // (16 * many), 1)
    found = xp.full((len(sizes), many), _EMPTY, dtype=xp.uint32)
    for first in range(0, len(sizes), some):
        here = slice(first, min(first + some, len(sizes)))
        found[here, :] = _least(xp, values, starts[here], sizes[here], drawn)
    return found


def _least(xp: Any, values: Any, starts: Any, sizes: np.ndarray, drawn: tuple[Any, Any]) -> Any:
    """The minima of sets of about one size; shorter ones repeat their last hash."""
    factor, add = drawn
    longest, step = int(sizes[-1]), max(ELEMENTS_AT_ONCE // (len(sizes) * factor.shape[0]), 1)
    last = xp.asarray(sizes.astype(np.int64) - 1)[:, None]
    least = xp.full((len(sizes), factor.shape[0]), _EMPTY, dtype=xp.uint32)
    for first in range(0, longest, step):
        places = xp.arange(first, min(first + step, longest), dtype=xp.int64)
        where = starts[:, None] + xp.minimum(places[None, :], last)
        taken = xp.reshape(xp.take(values, xp.reshape(where, (-1,))), where.shape)
        moved = taken[:, :, None] * factor[None, None, :] + add[None, None, :]
        least = xp.minimum(least, xp.min(moved, axis=1))
    return least


def _back(array: Any) -> np.ndarray:
    return array.get() if hasattr(array, "get") else np.asarray(array)
