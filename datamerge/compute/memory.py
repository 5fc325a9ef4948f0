"""What counts as this process's memory, and giving it back.

Dask pauses a worker whose process holds much of its limit, and ends it near the limit: be it memory
that allocators keep for later, or pages of files that are mapped, which the system could take back
any time. A byte that is read of a mapped file brings what is around it: 64 KiB, or 2 MiB.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

# Rows that lie this close together, in bytes, may be mapped.
CLOSE = 64 << 20
# The part of a worker's limit above which what is unused is given back after every task.
FULL = 0.5


def let_go(array: np.ndarray) -> None:
    """Give back the memory of what was read of a mapped array; it is read again when needed."""
    whole: Any = array
    while isinstance(whole, np.ndarray) and not isinstance(whole, np.memmap):
        whole = whole.base  # of a view, what it is one of
    held = getattr(whole, "_mmap", None)
    if held is not None and hasattr(mmap, "MADV_DONTNEED"):
        held.madvise(mmap.MADV_DONTNEED)


def is_far(array: np.ndarray, rows: np.ndarray) -> bool:
    """Whether rows of a mapped array lie so far apart that to touch them would map much of it."""
    if len(rows) < 2 or not isinstance(array, np.memmap) or not hasattr(os, "preadv"):
        return False
    return (int(rows.max()) - int(rows.min())) * array[:1].nbytes > CLOSE


def picked(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """These rows of a mapped array, in memory; read and not mapped where they lie far apart.

    >>> picked(np.arange(6).reshape(3, 2), np.array([2, 0])).tolist()
    [[4, 5], [0, 1]]
    """
    if not is_far(array, rows):
        return np.asarray(array[rows])
    found = runs(array, rows, np.ones(len(rows), np.int64))[0]
    return found.reshape(len(rows), *array.shape[1:])


def runs(array: Any, starts: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Runs of rows of a mapped array, read one behind another; and where each starts and ends."""
    width = array[:1].nbytes
    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    found: Any = np.empty(int(ends[-1]) * (width // array.itemsize), array.dtype)
    view = memoryview(found).cast("B") if len(found) else memoryview(b"")
    where = zip((starts * width + array.offset).tolist(), (ends * width).tolist(),
                (ends[1:] * width).tolist(), strict=False)  # fmt: skip
    with Path(array.filename).open("rb", buffering=0) as file:
        for place, first, last in where:
            if os.preadv(file.fileno(), [view[first:last]], place) != last - first:
                raise OSError(f"{array.filename} ends too early")
    return found, ends


def relieve() -> None:
    """Give back what allocators keep for later, in a worker that holds much of its limit."""
    worker = this_worker()
    limit = worker.memory_manager.memory_limit if worker is not None else None
    if limit and worker.monitor.get_process_memory() > FULL * limit:
        give_back()


def this_worker() -> Any:
    """The worker that this is a task of, or None."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker()
    except ValueError:
        return None


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
