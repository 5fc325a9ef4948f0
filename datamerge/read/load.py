"""From a piece of a file to a partition: the function that runs on a worker."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from .. import workdir
from ..schema import Schema, normaliser
from . import arrays, lines, tables
from .records import Broken, Item, Rows
from .sources import File

OnError = Literal["raise", "quarantine"]
RAW_LIMIT = 16 << 20


class ReadError(OSError):
    """A file that cannot be read at all."""


@dataclass(frozen=True)
class Piece:
    """A share of one file: bytes of a line-based one, row groups of Parquet, else the whole.

    A JSON array is shared out by the bytes its elements begin in, like lines.
    """

    file: File
    start: int = 0
    stop: int | None = None

    @property
    def whole(self) -> bool:
        """Whether this is all of the file."""
        return self.stop is None


@dataclass(frozen=True)
class Load:
    """Reads pieces of one source into a partition; every record becomes a row."""

    source: str
    schema: Schema
    columns: tuple[str, ...]
    sample_by: lines.SampleBy = "line"
    on_error: OnError = "raise"

    __name__ = "read"
    reads_rows = True

    @property
    def sources(self) -> tuple[str, ...]:
        """The one source it reads."""
        return (self.source,)

    def __call__(self, pieces: tuple[Piece, ...]) -> pd.DataFrame:
        rows = Rows(normaliser(self.schema), self.source)
        for piece in pieces:
            self._add(rows, piece)
        return rows.frame(self.columns)

    def _add(self, rows: Rows, piece: Piece) -> None:
        name = f"{self.source}/{piece.file.name}"
        try:
            found = readable(items(piece, self.sample_by), piece.file)
            rows.add(found, name)
        except ReadError as error:
            if self.on_error == "raise":
                raise
            rows.set_aside(f"{name}#", 0, f"unreadable file: {error}", _head(piece.file))


def readable(found: Iterator[Item], file: File) -> Iterator[Item]:
    """The items, once it is known that the file can be read at all."""
    try:
        first = list(itertools.islice(found, 1))
    except Broken as error:
        if not error.raw:
            raise ReadError(f"{file.url}: {error.reason}") from None
        return _raising(error)
    except OSError as error:
        raise ReadError(f"{file.url}: {error}") from error
    return itertools.chain(first, found)


def _raising(error: Broken) -> Iterator[Item]:
    raise error
    yield  # a generator: the error comes when it is iterated


def _head(file: File) -> bytes:
    """The bytes of an unreadable file, unless it is large or they can't be had."""
    try:
        with file.open() as opened:
            return opened.read() if file.size <= RAW_LIMIT else b""
    except OSError:
        return b""


def items(piece: Piece, sample_by: lines.SampleBy) -> Iterator[Item]:
    """The records of a piece."""
    file = piece.file
    with file.open() as opened:
        if file.format == "parquet":
            groups = None if piece.whole else range(piece.start, piece.stop or 0)
            yield from tables.parquet_items(opened, groups)
        elif file.format in ("array", "values"):
            yield from _elements(piece, opened)
        else:
            yield from _line_items(piece, opened, sample_by)


def _line_items(piece: Piece, opened, sample_by: lines.SampleBy) -> Iterator[Item]:
    file = piece.file
    if piece.stop is not None:
        found = lines.block_lines(opened, piece.start, piece.stop)
    else:
        found = lines.stream_lines(lines.decompressed(opened, file.compression))
    if piece.start == 0:
        found = _not_utf16(found)
    if file.format == "csv":
        yield from tables.csv_items(found, "\t" if ".tsv" in file.name.lower() else ",")
    elif file.format == "text":
        yield from lines.text_items(found, sample_by)
    else:
        yield from lines.json_items(found)


def _not_utf16(found: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for position, line in found:
        if position == 0 and line[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise Broken("the file is UTF-16; convert it to UTF-8 first")
        yield position, line


def _elements(piece: Piece, opened) -> Iterator[Item]:
    file = piece.file
    if piece.stop is None:
        data = b"".join(lines.decompressed(opened, file.compression))
        if data.strip(arrays.SPACE):
            yield from arrays.all_items(data)
        return
    bounds = workdir.remembered(
        "elements",
        (file.url, file.size, file.stamp),
        lambda: arrays.element_bounds(opened, is_array=file.format == "array"),
    )
    first, last = np.searchsorted(bounds[:, 0], (piece.start, piece.stop))
    yield from arrays.array_items(opened, bounds[first:last], int(first))
    if piece.stop >= file.size:
        yield from arrays.after_last(opened, bounds)
