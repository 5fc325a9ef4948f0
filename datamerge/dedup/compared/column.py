"""A column of text or numbers, written to disk some rows at a time, and mapped as one array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

AT_ONCE = 1 << 16  # rows that are taken from one column for another
WAITING = 1 << 20  # bytes that are written at a time


class Column:
    """Values of one kind, strings or int64, in files that begin with a path.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     column = Column(Path(folder, "ids"), pa.large_string())
    ...     column.add(pa.array(["a", "b"], pa.large_string()))
    ...     column.add(pa.array(["c"], pa.large_string()))
    ...     column.mapped().take(pa.array([2, 0])).to_pylist()
    ['c', 'a']
    """

    def __init__(self, path: Path, kind: pa.DataType):
        self.kind, self.rows = kind, 0
        self._paths = [path.with_name(f"{path.name}.{name}") for name in ("values", "ends")]
        self._waiting: list[pa.Array] = []
        self._bytes = 0
        self._size = 0
        self._valid: list[pa.Array] = []  # a bit a row
        self._has_nulls = False

    def add(self, values: pa.Array) -> None:
        """More rows; few are not worth a file."""
        self._waiting.append(values)
        self._bytes += values.nbytes
        if self._bytes > WAITING:
            self._put()

    def _put(self) -> None:
        """Write what waits."""
        if not self.rows:
            for each in self._paths:
                each.write_bytes(b"")
            self._write(1, np.zeros(1, np.int64))
        some = self._waiting
        values = some[0] if len(some) == 1 else pa.concat_arrays(some)
        self._waiting, self._bytes = [], 0
        self.rows += len(values)
        self._valid.append(pc.is_valid(values))
        self._has_nulls |= values.null_count > 0
        _, *ends, data = values.buffers()
        if self.kind == pa.int64():
            numbers = np.frombuffer(data or b"", np.int64)  # of what is null, too
            self._write(0, numbers[values.offset : values.offset + len(values)])
        elif data is None:
            self._write(1, np.full(len(values), self._size))
        else:
            where = np.frombuffer(ends[0], np.int64)[values.offset :][: len(values) + 1]
            self._write(0, np.frombuffer(data, np.uint8)[where[0] : where[-1]])
            self._write(1, where[1:] + (self._size - where[0]))
            self._size += int(where[-1] - where[0])

    def _write(self, which: int, array: np.ndarray) -> None:
        with self._paths[which].open("ab") as file:
            array.tofile(file)

    def mapped(self) -> pa.Array:
        """All rows; what was read of them counts as memory until it is let go."""
        if not self.rows:
            return pa.concat_arrays(self._waiting or [pa.array([], self.kind)])
        if self._waiting:
            self._put()
        valid = pa.concat_arrays(self._valid).buffers()[1] if self._has_nulls else None
        values = self._buffer(0)
        if self.kind == pa.int64():
            return pa.Array.from_buffers(self.kind, self.rows, [valid, values])
        return pa.Array.from_buffers(self.kind, self.rows, [valid, self._buffer(1), values])

    def _buffer(self, which: int) -> pa.Buffer:
        path: Any = self._paths[which]
        return pa.py_buffer(np.memmap(path, np.uint8, "r") if path.stat().st_size else b"")

    def taken(self, rows: np.ndarray, path: Path) -> pa.Array:
        """These rows, mapped from files of their own."""
        every, some = self.mapped(), Column(path, self.kind)
        for first in range(0, len(rows), AT_ONCE):
            some.add(every.take(pa.array(rows[first : first + AT_ONCE])))
        return some.mapped()
