"""A row group that is shared out among partitions, decoded once for all of them if it can be."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

# What waits in memory for the next share; a larger row group is decoded for each.
MOST_BYTES = 128 << 20


@dataclass
class _Waiting:
    """The last row group decoded in this process, and how many shares will still ask for it."""

    key: tuple[Any, ...] = ()
    table: pa.Table | None = None
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_waiting = _Waiting()


def decoded(parquet: pq.ParquetFile, group: int, key: tuple[Any, ...], shares: int) -> pa.Table:
    """A row group of the file with this key, which as many shares will ask for."""
    if shares == 1:
        return parquet.read_row_group(group)
    with _waiting.lock:  # one thread decodes, the others have use of it
        if _waiting.key != (*key, group) or _waiting.table is None:
            table = parquet.read_row_group(group)
            if table.nbytes > MOST_BYTES:
                return table
            _waiting.key, _waiting.table, _waiting.asked = (*key, group), table, shares
        table = _waiting.table
        _waiting.asked -= 1
        if _waiting.asked == 0:
            _waiting.key, _waiting.table = (), None
        return table
