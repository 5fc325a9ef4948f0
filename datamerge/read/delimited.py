"""Records of CSV and TSV files with a header."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from .records import Broken, Item
from .values import BOM

Delimiter = Literal[",", "\t"]
Row = tuple[bytes, list[str] | Broken]


def csv_items(
    lines: Iterable[tuple[int, bytes]],
    delimiter: Delimiter,
    header: list[str] | None = None,
    number: int = 0,
) -> Iterator[Item]:
    """The records, numbered from 0 after the header. Every value is a string.

    Where the lines do not begin with the header, it is given, and the number of the first record.
    """
    rows = _rows(lines, delimiter)
    header = _header(rows) if header is None else header
    try:
        for raw, fields in rows:
            if isinstance(fields, list) and len(fields) != len(header):
                fields = Broken(f"{len(fields)} fields, expected {len(header)}")
            yield number, _record(header, fields), raw
            number += 1
    except Broken as error:
        raise Broken(error.reason, number, error.raw) from None


def csv_header(lines: Iterable[tuple[int, bytes]], delimiter: Delimiter) -> list[str]:
    """The names of the columns; none where the file is empty."""
    return _header(_rows(lines, delimiter))


def _record(header: list[str], fields: list[str] | Broken) -> dict[str, str] | Broken:
    return fields if isinstance(fields, Broken) else dict(zip(header, fields, strict=True))


def _header(rows: Iterator[Row]) -> list[str]:
    _, header = next(rows, (b"", []))
    if isinstance(header, Broken):
        raise Broken(f"the header of the table can't be read: {header.reason}")
    twice = [name for name, n in Counter(header).items() if n > 1]
    if twice:
        raise Broken(f"two of its columns are named {twice[0]!r}")
    return header


def _rows(lines: Iterable[tuple[int, bytes]], delimiter: Delimiter) -> Iterator[Row]:
    """Each record's bytes and its fields; blank lines are no records.

    A quote that is never closed takes the rest of the file into its record.
    """
    csv.field_size_limit((1 << 31) - 1)
    taken: list[bytes] = []
    reader = csv.reader(_taken(lines, taken), delimiter=delimiter, strict=True)
    while True:
        taken.clear()
        fields: list[str] | Broken | None
        try:
            fields = next(reader, None)
        except csv.Error as error:
            fields = Broken(f"invalid CSV: {error}")
        except Broken as error:
            raise Broken(error.reason, None, b"\n".join((*taken, error.raw))) from None
        if fields is None:
            return
        raw = b"\n".join(taken)
        if raw.strip():
            yield raw, _checked(raw, fields)


def _taken(lines: Iterable[tuple[int, bytes]], taken: list[bytes]) -> Iterator[str]:
    """The lines as text, and a note of their bytes."""
    for position, line in lines:
        taken.append(line)
        text = line if position else line.removeprefix(BOM)
        yield text.decode("utf-8", "surrogateescape") + "\n"


def _checked(raw: bytes, fields: list[str] | Broken) -> list[str] | Broken:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return Broken(f"invalid UTF-8 at byte {error.start}: {error.reason}")
    return fields
