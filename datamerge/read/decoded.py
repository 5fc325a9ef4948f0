"""A row group that is shared out among partitions, decoded once for all of them if it can be."""

from __future__ import annotations

import threading
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

# How much may wait in memory for another pass, and for how many seconds.
MOST_BYTES, SECONDS = 128 << 20, 20.0


class _Last:
    """The last row group decoded in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # one thread decodes, the others have use of it
        self.key: tuple[Any, ...] = ()
        self.table: pa.Table | None = None
        self.left = 0  # shares that have not asked yet
        self.timer: threading.Timer | None = None

    def wait(self) -> None:
        """Let go after a while in which nobody asked."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = threading.Timer(SECONDS, self.drop, (self.key,))
        self.timer.daemon = True
        self.timer.start()

    def drop(self, key: tuple[Any, ...]) -> None:
        with self.lock:
            if self.key == key:
                self.key, self.table = (), None


_last = _Last()


def decoded(
    parquet: pq.ParquetFile, group: int, shares: int, key: tuple[Any, ...] | None
) -> pa.Table:
    """A row group that as many shares will ask for; without a key it is decoded for each."""
    if shares == 1 or key is None:
        return parquet.read_row_group(group)
    wanted = (*key, group)
    with _last.lock:
        table = _last.table if _last.key == wanted else None
        if table is None:
            table = parquet.read_row_group(group)
            _last.key, _last.table, _last.left = wanted, table, shares
        _last.left -= 1
        if _last.left <= 0 and table.nbytes > MOST_BYTES:
            _last.key, _last.table = (), None
        else:
            _last.wait()
        return table
