"""Large files that can't be cut anywhere: an index of where records begin tells whose is which.

That is what CSV is, whose quoted fields may hold newlines, and JSON other than a record a line. The
index is made in one pass, by the first task that needs it, and kept for the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

import numpy as np

from .. import workdir
from . import arrays, starts
from .compression import CHUNK
from .formats import delimiter
from .records import Item
from .sources import File

FORMATS = ("csv", "array", "values")


class Scanner(Protocol):
    """Makes the index of a file, one chunk after another."""

    @property
    def first(self) -> np.ndarray:
        """What is known before anything was read."""

    def places(self, chunk: bytes) -> np.ndarray:
        """What the next chunk adds."""


def scanner(file: File) -> Scanner:
    """What makes the index of a file."""
    if file.format == "csv":
        return starts.Scanner(delimiter(file.name))
    return arrays.Scanner(file.format == "array")


def index(file: File, opened: BinaryIO) -> np.ndarray:
    """The index of a plain file; made once where it can be told whether the file has changed."""

    def made(alive: workdir.Alive) -> np.ndarray:
        opened.seek(0)
        scan = scanner(file)
        found = [scan.first]
        while chunk := opened.read(CHUNK):
            found.append(scan.places(chunk))
            alive()
        return np.concatenate(found)

    return workdir.remembered("elements", file.key, made) if file.stamp else made(lambda: None)


def items(
    file: File,
    opened: BinaryIO,
    index: np.ndarray,
    start: int,
    stop: int,
    broken: str | None = None,
) -> Iterator[Item]:
    """The records that begin in ``[start, stop)``; with the last one why a stream broke."""
    if file.format == "csv":
        return starts.shared_items(opened, index, start, stop, delimiter(file.name), broken)
    is_array = file.format == "array"
    return arrays.shared_items(opened, index, start, stop, is_array=is_array, broken=broken)
