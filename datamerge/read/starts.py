"""Where the records of a table in text begin, so that a large one can be shared out.

A quoted field may hold newlines, so a line feed tells nothing by itself: all that stands before it
counts. One pass over the bytes, with the rules of the reader of records, finds and numbers them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .arrays import EVERY
from .delimited import Delimiter
from .values import BOM

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
