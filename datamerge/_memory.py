"""What counts as this process's memory, and giving it back.

Dask pauses a worker whose process holds much of its limit, and ends it near the limit: be it memory
that allocators keep for later, or pages of files that are mapped, which the system could take back
any time. A page that is read of a mapped file brings those around it, up to 64 KiB.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

# Rows in any places that are read before they are let go: 64 MiB at the very most.
ROWS = 1024
# The part of a worker's limit above which what is unused is given back after every task.
FULL = 0.5


def let_go(array: np.ndarray) -> None:
    """Give back the memory of what was read of a mapped array; it is read again when needed."""
    held = getattr(array, "_mmap", None)
    if held is not None and hasattr(mmap, "MADV_DONTNEED"):
        held.madvise(mmap.MADV_DONTNEED)


def picked(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """These rows of a mapped array, in memory.

    >>> picked(np.arange(6).reshape(3, 2), np.array([2, 0])).tolist()
    [[4, 5], [0, 1]]
    """
    found = np.empty((len(rows), *array.shape[1:]), array.dtype)
    for start in range(0, len(rows), ROWS):
        found[start : start + ROWS] = array[rows[start : start + ROWS]]
        let_go(array)
    return found


def relieve() -> None:
    """Give back what allocators keep for later, in a worker that holds much of its limit."""
    if "distributed" not in sys.modules:
        return
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:  # this is no worker
        return
    limit = worker.memory_manager.memory_limit
    if limit and worker.monitor.get_process_memory() > FULL * limit:
        give_back()


def give_back() -> None:
    """Give back what allocators keep for later."""
    pa.default_memory_pool().release_unused()
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], Any] | None:
    """The C library's ``malloc_trim``, where there is one."""
    try:
        return ctypes.CDLL(None).malloc_trim  # type: ignore[no-any-return]
    except (AttributeError, OSError, TypeError):
        return None
