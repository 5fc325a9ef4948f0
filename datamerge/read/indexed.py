"""Large files that can't be cut anywhere: an index of where records begin tells whose is which.

That is what CSV is, whose quoted fields may hold newlines, and JSON other than a record a line. The
index is made in one pass, by the first task that needs it, and kept for the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np

from .. import workdir
from . import arrays, delimited, lines, starts
from .compression import CHUNK
from .formats import delimiter
from .records import Broken, Item
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


@dataclass(frozen=True)
class Share:
    """Bytes of a file, and the number of the first record in them; None: from the beginning."""

    start: int
    stop: int
    number: int | None
    is_last: bool
    broken: str | None = None

    def chunks(self, opened: BinaryIO) -> Iterator[bytes]:
        """What is in them; in the last share also why a stream broke."""
        at = self.start
        opened.seek(at)
        while at < self.stop and (chunk := opened.read(min(CHUNK, self.stop - at))):
            yield chunk
            at += len(chunk)
        if self.broken is not None and self.is_last:
            raise Broken(self.broken)


def items(
    file: File,
    opened: BinaryIO,
    index: np.ndarray,
    start: int,
    stop: int,
    broken: str | None = None,
) -> Iterator[Item]:
    """The records from the first known place in ``[start, stop)`` to the first one behind."""
    size = opened.seek(0, os.SEEK_END)
    known = index[index[:, 0] < size]
    places = [*known[:, 0].tolist(), size]
    first, last = np.searchsorted(known[:, 0], (start, stop)).tolist()
    share = None
    if first < last:
        is_last = last == len(known)
        share = Share(places[first], places[last], int(known[first, 1]), is_last, broken)
    elif not len(known) and not start:  # no record, or none that ends: the first share has it all
        share = Share(0, size, None, True, broken)
    if file.format == "csv":
        yield from _rows(file, opened, share, Share(0, places[0], None, False), is_first=not start)
    elif share is not None:
        yield from arrays.stream_items(
            share.chunks(opened),
            is_array=file.format == "array",
            number=share.number,
            is_last=share.is_last,
        )


def _rows(
    file: File, opened: BinaryIO, share: Share | None, head: Share, *, is_first: bool
) -> Iterator[Item]:
    """The records of a share of a table; that its header can't be read is told with the first."""
    parted, header = delimiter(file.name), None
    if share is None and not is_first:
        return
    if share is None or share.number is not None:
        try:
            header = delimited.csv_header(_lines(head, opened), parted)
        except Broken:
            if is_first:
                raise
            return
    if share is not None:
        yield from delimited.csv_items(_lines(share, opened), parted, header, share.number or 0)


def _lines(share: Share, opened: BinaryIO) -> Iterator[lines.Block]:
    blocks = lines.stream_blocks(share.chunks(opened), share.start)
    return lines.lines_of(lines.utf8(blocks))
