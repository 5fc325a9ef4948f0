"""Records of tables: Parquet row groups and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from .lines import BOM
from .records import Broken, Item

csv.field_size_limit(1 << 31)


def open_parquet(file: BinaryIO) -> pq.ParquetFile:
    """A Parquet file whose pages are checked against their checksums, where it has them."""
    try:
        return pq.ParquetFile(file, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise Broken(f"not a readable Parquet file: {error}") from None


def row_group_starts(parquet: pq.ParquetFile) -> list[int]:
    """The number of the first row of each row group, and at the end the number of rows."""
    starts = [0]
    for group in range(parquet.metadata.num_row_groups):
        starts.append(starts[-1] + parquet.metadata.row_group(group).num_rows)
    return starts


def parquet_items(file: BinaryIO, groups: range | None) -> Iterator[Item]:
    """The rows of these row groups (None: of all); a group that can't be read, row by row."""
    parquet = open_parquet(file)
    starts = row_group_starts(parquet)
    for group in groups if groups is not None else range(parquet.metadata.num_row_groups):
        try:
            table = parquet.read_row_group(group)
            rows = table.to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            yield from _salvaged(file, parquet, group, starts[group])
            continue
        for nth, row in enumerate(rows, starts[group]):
            yield nth, row, None


def _salvaged(file: BinaryIO, parquet: pq.ParquetFile, group: int, first: int) -> Iterator[Item]:
    """Every row of a damaged row group as malformed, with the columns that can still be read.

    The bytes of the damaged column chunks go with the group's first row.
    """
    metadata = parquet.metadata.row_group(group)
    good: dict[str, list[Any]] = {}
    reasons: list[str] = []
    damaged: dict[str, str] = {}
    for name in parquet.schema_arrow.names:
        try:
            good[name] = parquet.read_row_group(group, columns=[name]).column(0).to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reasons.append(f"column {name!r}: {str(error).strip().splitlines()[0]}")
            damaged |= _chunks(file, metadata, name)
    reason = f"corrupt Parquet page in row group {group}, {'; '.join(reasons)}"
    for row in range(metadata.num_rows):
        rest: dict[str, Any] = {name: values[row] for name, values in good.items()}
        if row == 0:
            rest = {"columns": rest, "damaged_chunks_base64": damaged}
        yield first + row, Broken(reason), orjson.dumps(rest, default=str)


def _chunks(file: BinaryIO, metadata: Any, name: str) -> dict[str, str]:
    """The raw bytes, in base64, of the column chunks that make up a top-level column."""
    import base64

    found = {}
    for nth in range(metadata.num_columns):
        chunk = metadata.column(nth)
        if chunk.path_in_schema.split(".")[0] == name:
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            file.seek(start)
            data = file.read(chunk.total_compressed_size)
            found[chunk.path_in_schema] = base64.b64encode(data).decode()
    return found


def csv_items(lines: Iterator[tuple[int, bytes]], delimiter: str) -> Iterator[Item]:
    """The records of a CSV file with a header; numbered from 0 after the header."""
    header: list[str] | None = None
    for number, raw in enumerate(_csv_records(lines), -1):
        fields = _fields(raw, delimiter)
        if header is None:
            if isinstance(fields, Broken):
                raise Broken(f"the header of the table can't be read: {fields.reason}", 0, raw)
            header = fields
        elif isinstance(fields, Broken):
            yield number, fields, raw
        elif len(fields) != len(header):
            yield number, Broken(f"{len(fields)} fields, expected {len(header)}"), raw
        else:
            row = {name: value if value != "" else None for name, value in zip(header, fields)}
            yield number, row, raw


def _csv_records(lines: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
    """Physical lines gathered until their quotes balance; blank ones are no records."""
    gathered: list[bytes] = []
    quotes = 0
    for position, line in lines:
        gathered.append(line.removeprefix(BOM) if position == 0 else line)
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            record = b"\n".join(gathered)
            gathered, quotes = [], 0
            if record.strip():
                yield record
    if gathered and b"\n".join(gathered).strip():
        yield b"\n".join(gathered)


def _fields(raw: bytes, delimiter: str) -> list[str] | Broken:
    try:
        text = raw.rstrip(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        return Broken(f"invalid UTF-8 at byte {error.start}: {error.reason}")
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return Broken(f"invalid CSV: {error}")
    return rows[0] if len(rows) == 1 else Broken("unbalanced quotes")
