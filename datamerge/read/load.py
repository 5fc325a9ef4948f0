"""From a piece of a file to a partition: the function that runs on a worker."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, TypeVar

import pandas as pd

from ..schema import Schema, normaliser
from ..workdir import sealed
from . import arrays, delimited, indexed, lines, paragraphs, parquet, unpacked
from .batches import add_batch
from .columnar import is_columnar
from .compression import decompressed
from .formats import delimiter, json_format
from .records import Broken, Item, Rows
from .sources import File

OnError = Literal["raise", "quarantine"]
RAW_LIMIT = 16 << 20
Found = TypeVar("Found")


class ReadError(OSError):
    """A file that cannot be read at all."""


@dataclass(frozen=True)
class Piece:
    """A share of one file: bytes of a line-based one, row groups of Parquet, else the whole.

    JSON arrays and CSV are shared out by the bytes their records begin in, like lines. ``share``
    is ``(k, n)``, the kth of n equal shares, where a row group is too large for a partition, and
    of a compressed file, which has to be unpacked before anyone knows its bytes.
    """

    file: File
    start: int = 0
    stop: int | None = None
    share: tuple[int, int] = (0, 1)

    @property
    def whole(self) -> bool:
        """Whether this is all of the file."""
        return self.stop is None and self.share == (0, 1)

    @property
    def place(self) -> str:
        """Where it is, for people.

        >>> file = File("f.jsonl", "f.jsonl", 9, "", "lines", None, "/data/f.jsonl", None)
        >>> Piece(file, 3, 9).place
        '/data/f.jsonl from byte 3 to 9'
        """
        if self.stop is None:
            number, shares = self.share
            return self.file.path + (f", share {number + 1} of {shares}" if shares > 1 else "")
        unit = "row group" if self.file.format == "parquet" else "byte"
        return f"{self.file.path} from {unit} {self.start:,} to {self.stop:,}"

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return ("Piece", *self.file.key, self.start, self.stop, self.share)


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

    def where(self, pieces: tuple[Piece, ...]) -> str:
        """Where it reads, for people."""
        places = [piece.place for piece in pieces]
        return places[0] if len(places) == 1 else f"{places[0]} … {places[-1]}"

    def is_cheap(self, pieces: tuple[Piece, ...]) -> bool:
        """Whether these are read in little more time than an Arrow file of the same rows."""
        local = all(p.file.format == "parquet" and p.file.is_local for p in pieces)
        return local and is_columnar(self.schema)

    def __call__(self, pieces: tuple[Piece, ...]) -> pd.DataFrame:
        rows = Rows(normaliser(self.schema), self.source)
        for piece in pieces:
            name = f"{self.source}/{piece.file.name}"
            try:
                self._add(rows, piece, name)
            except ReadError as error:
                _require_unchanged(piece.file)
                if self.on_error == "raise":
                    raise
                rows.set_aside(f"{name}#", 0, f"unreadable file: {error}", _head(piece.file))
            _require_unchanged(piece.file)
        return rows.frame(self.columns)

    def _add(self, rows: Rows, piece: Piece, name: str) -> None:
        if piece.file.format != "parquet":
            rows.add(readable(items(piece, self.sample_by), piece.file), name)
            return
        for first, share in readable(_shares(piece), piece.file):
            if isinstance(share, list):
                rows.add(share, name)
            else:
                add_batch(rows, share, first, name, self.schema)


def readable(found: Iterator[Found], file: File) -> Iterator[Found]:
    """What is found in a file; a ReadError that names it where nothing can be."""
    nothing = True
    try:
        for one in found:
            nothing = False
            yield one
    except Broken as error:
        if nothing and not error.raw:
            raise ReadError(f"{file.url}: {error.reason}") from None
        raise
    except (sealed.DamagedError, sealed.NoRoomError):
        raise  # the work directory is at fault, not the file
    except OSError as error:
        raise ReadError(f"{file.url}: {error}") from error


def _require_unchanged(file: File) -> None:
    """Raise where a file is another one than was to be read: its rows would not be its own."""
    if file.is_changed:
        raise ReadError(
            f"{file.url} was changed or removed while the run went on. See that it stays as it is, "
            "and start the same run again: it reads this file anew, and goes on with the others"
        )


def _head(file: File) -> bytes:
    """The bytes of an unreadable file, unless it is large or they can't be had."""
    try:
        with file.open() as opened:
            return opened.read() if file.size <= RAW_LIMIT else b""
    except OSError:
        return b""


def _shares(piece: Piece) -> Iterator[parquet.Share]:
    groups = None if piece.stop is None else range(piece.start, piece.stop)
    with piece.file.open() as opened:
        key = piece.file.key if piece.file.stamp else None
        yield from parquet.shares(opened, groups, piece.share, key)


def items(piece: Piece, sample_by: lines.SampleBy) -> Iterator[Item]:
    """The records of a piece of a file that is not Parquet."""
    file = piece.file
    if file.compression and not piece.whole:
        yield from _unpacked(piece, sample_by)
        return
    with file.open() as opened:
        if piece.stop is None:
            yield from _whole(file, opened, sample_by)
        elif file.format in indexed.FORMATS:
            index = indexed.index(file, opened)
            yield from indexed.items(file, opened, index, piece.start, piece.stop)
        elif file.format == "text" and sample_by == "paragraph":
            found = paragraphs.of_bytes(opened, piece.start, piece.stop)
            yield from lines.text_items(found, sample_by)
        else:
            blocks = lines.read_block(opened, piece.start, piece.stop)
            yield from _line_items(file.format, lines.utf8(blocks), sample_by)


def _unpacked(piece: Piece, sample_by: lines.SampleBy) -> Iterator[Item]:
    try:
        if piece.file.format in indexed.FORMATS:
            yield from unpacked.items(piece.file, piece.share)
        elif piece.file.format == "text" and sample_by == "paragraph":
            yield from lines.text_items(unpacked.paragraphs_of(piece.file, piece.share), sample_by)
        else:
            blocks = lines.utf8(unpacked.blocks(piece.file, piece.share))
            yield from _line_items(piece.file.format, blocks, sample_by)
    except Broken as error:
        if not error.position:  # nothing came before it, in this share or another
            raise
        yield error.position, error, error.raw


def _whole(file: File, opened: BinaryIO, sample_by: lines.SampleBy) -> Iterator[Item]:
    chunks = decompressed(opened, file.compression)
    head = next(chunks, b"")
    format = json_format(head) if file.format == "json" else file.format
    chunks = itertools.chain([head], chunks)
    if format in ("array", "values"):
        lines.require_utf8(head)
        return arrays.stream_items(chunks, is_array=format == "array")
    blocks = lines.utf8(lines.stream_blocks(chunks))
    if format == "csv":
        return delimited.csv_items(lines.lines_of(blocks), delimiter(file.name))
    return _line_items(format, blocks, sample_by)


def csv_columns(file: File) -> list[str]:
    """The names of a table's columns."""
    with file.open() as opened:
        blocks = lines.stream_blocks(decompressed(opened, file.compression))
        return delimited.csv_header(lines.lines_of(blocks), delimiter(file.name))


def _line_items(
    format: str, blocks: Iterator[lines.Block], sample_by: lines.SampleBy
) -> Iterator[Item]:
    if format == "text":
        return lines.text_items(lines.lines_of(blocks), sample_by)
    return lines.json_items(blocks)
