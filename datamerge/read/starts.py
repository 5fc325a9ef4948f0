"""Tables in text shared out: where records begin, and those of a share.

A quoted field may hold newlines, so a line feed tells nothing by itself: all that stands before it
counts. One pass over the bytes, with the rules of the reader of records, finds and numbers them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from . import lines
from .compression import CHUNK
from .delimited import Delimiter, csv_header, csv_items
from .records import Broken, Item
from .values import BOM

EVERY = 1 << 16  # bytes: one place in so many is enough
# As compiled code has it: nothing was read, the header comes first, and its end is told.
_BEGINNING = (0, 0, -1, 0, -(2**62))


@dataclass
class Scanner:
    """Finds where records begin, one chunk after another: rows of a place and a number."""

    delimiter: Delimiter
    every: int = field(default_factory=lambda: EVERY)
    base: int = 0
    memory: np.ndarray = field(default_factory=lambda: np.array(_BEGINNING, np.int64))

    @property
    def first(self) -> np.ndarray:
        """What is known before anything was read."""
        return np.empty((0, 2), np.int64)

    def places(self, chunk: bytes) -> np.ndarray:
        """Of records that begin behind one that ends in the next chunk."""
        from . import _record_kernels as kernels

        skipped = 0
        if self.base == 0 and chunk.startswith(BOM):
            skipped = len(BOM)
            self.memory[kernels.FILLED] = True
        data = np.frombuffer(chunk, np.uint8)
        found = np.empty((len(data) // self.every + 3, 2), np.int64)
        about = skipped, self.base, ord(self.delimiter), self.every
        count = kernels.starts(data, *about, self.memory, found)
        self.base += len(data)
        return found[:count]


def shared_items(
    file: BinaryIO,
    starts: np.ndarray,
    start: int,
    stop: int,
    delimiter: Delimiter,
    broken: str | None = None,
) -> Iterator[Item]:
    """The records from the first place in ``[start, stop)`` to the first one behind.

    A header that can't be read is the error of the first share alone. With the last record comes
    the error of a stream that broke.
    """
    size = file.seek(0, os.SEEK_END)
    places, numbers = starts[starts[:, 0] < size].T.tolist()
    if not places:
        if not start:
            yield from csv_items(_lines(file, 0, size, broken), delimiter)
        return
    first, last = np.searchsorted(places, (start, stop)).tolist()
    if start and first == last:
        return
    try:
        header = csv_header(_lines(file, 0, places[0]), delimiter)
    except Broken:
        if start:
            return
        raise
    if first < last:
        end, why = (places[last], None) if last < len(places) else (size, broken)
        found = _lines(file, places[first], end, why)
        yield from csv_items(found, delimiter, header, numbers[first])


def _lines(
    file: BinaryIO, start: int, stop: int, broken: str | None = None
) -> Iterator[tuple[int, bytes]]:
    blocks = lines.stream_blocks(_chunks(file, start, stop, broken), start)
    return lines.lines_of(lines.utf8(blocks))


def _chunks(file: BinaryIO, start: int, stop: int, broken: str | None) -> Iterator[bytes]:
    file.seek(start)
    while start < stop and (chunk := file.read(min(CHUNK, stop - start))):
        yield chunk
        start += len(chunk)
    if broken is not None:
        raise Broken(broken)
