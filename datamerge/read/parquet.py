"""Rows of Parquet files: a row group at a time, and of a damaged one what can still be read."""

from __future__ import annotations

import base64
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..compute.room import room
from .batches import ROWS, batch_items
from .decoded import decoded
from .records import Broken, Item, shown

HEAD_GROUPS = 5
STREAMED = 4096  # rows that are decoded at a time where not all of a row group are
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)

# The number of the first row, and rows: as a batch, or one by one where the group is damaged.
Share = tuple[int, pa.RecordBatch | list[Item]]


def open_parquet(file: BinaryIO, *, page_by_page: bool = False) -> pq.ParquetFile:
    """A Parquet file whose pages are checked against their checksums, where it has them."""
    sparing: dict[str, Any] = {"pre_buffer": False, "buffer_size": 1 << 16} if page_by_page else {}
    try:
        parquet = pq.ParquetFile(file, page_checksum_verification=True, **sparing)
    except _DAMAGE as error:
        raise Broken(f"not a readable Parquet file: {error}") from None
    twice = [name for name, n in Counter(parquet.schema_arrow.names).items() if n > 1]
    if twice:
        raise Broken(f"two of its columns are named {twice[0]!r}")
    return parquet


def head_items(file: BinaryIO, rows: int) -> Iterator[Item]:
    """The first rows that can be read; where there are none, one that tells the columns."""
    parquet = open_parquet(file, page_by_page=True)
    found = 0
    for group in range(min(parquet.num_row_groups, HEAD_GROUPS)):
        try:
            batch = next(parquet.iter_batches(rows - found, row_groups=[group]), None)
        except _DAMAGE:
            continue
        if batch is not None and batch.num_rows:
            yield from batch_items(batch, np.arange(found, found + batch.num_rows))
            found += batch.num_rows
        if found >= rows:
            return
    if not found:
        yield 0, dict.fromkeys(parquet.schema_arrow.names), None


def shares(
    file: BinaryIO, groups: range | None, share: tuple[int, int], key: tuple[Any, ...] | None
) -> Iterator[Share]:
    """The kth of n shares of the rows of each of these row groups (None: of all)."""
    parquet = open_parquet(file)
    sizes = [parquet.metadata.row_group(g).num_rows for g in range(parquet.num_row_groups)]
    nth, of = share
    for group in groups if groups is not None else range(parquet.num_row_groups):
        start, stop = sizes[group] * nth // of, sizes[group] * (nth + 1) // of
        first = sum(sizes[:group]) + start
        is_large = of > 1 and parquet.metadata.row_group(group).total_byte_size > room()
        try:
            if is_large:
                table = _streamed(file, group, start, stop)
            else:
                table = decoded(parquet, group, of, key).slice(start, stop - start)
        except _DAMAGE:
            found = _salvaged(file, parquet, group, first - start)
            yield first, list(itertools.islice(found, start, stop))
            continue
        for batch in table.to_batches(max_chunksize=ROWS):
            yield first, batch
            first += batch.num_rows


def _streamed(file: BinaryIO, group: int, start: int, stop: int) -> pa.Table:
    """Some rows of a row group too large to be held; those before them are decoded and dropped."""
    parquet = open_parquet(file, page_by_page=True)
    found, at = [], 0
    for batch in parquet.iter_batches(STREAMED, row_groups=[group], use_threads=False):
        if at + len(batch) > start:
            found.append(batch.slice(max(start - at, 0), stop - max(start, at)))
        at += len(batch)
        if at >= stop:
            break
    return pa.Table.from_batches(found, parquet.schema_arrow)


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
        except _DAMAGE as error:
            reasons.append(f"column {name!r}: {str(error).strip().splitlines()[0]}")
            damaged |= _chunks(file, metadata, name)
    reason = f"corrupt Parquet page in row group {group}, {'; '.join(reasons)}"
    for row in range(metadata.num_rows):
        rest: dict[str, Any] = {name: values[row] for name, values in good.items()}
        if row == 0:
            rest = {"columns": rest, "damaged_chunks_base64": damaged}
        yield first + row, Broken(reason), shown(rest)


def _chunks(file: BinaryIO, metadata: Any, name: str) -> dict[str, str]:
    """The raw bytes, in base64, of the column chunks that make up a top-level column."""
    found = {}
    for nth in range(metadata.num_columns):
        chunk = metadata.column(nth)
        if chunk.path_in_schema.split(".")[0] == name:
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            file.seek(start)
            data = file.read(chunk.total_compressed_size)
            found[chunk.path_in_schema] = base64.b64encode(data).decode()
    return found
