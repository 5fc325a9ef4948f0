"""The rows of some row groups, streamed into new files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ..read import ReadError
from ..write.target import Target
from .cuts import Group, Share
from .footers import Style, opened

# Rows that are decoded at a time, and the most rows and bytes of a row group that is written.
BATCH, ROWS, BYTES = 1024, 20_000, 32 << 20
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)


def part_name(number: int) -> str:
    """What a file is called."""
    return f"data/part-{number:05d}.parquet"


@dataclass(frozen=True)
class Rewrite:
    """Task: write some files; of each there is a row group in memory at a time."""

    fs: Any
    target: Target
    schema: pa.Schema
    style: Style

    def __call__(self, share: Share) -> None:
        """Each file appears when it is whole."""
        rows = _Rows(self._batches(share))
        for number, wanted in share.files:
            with (
                self.target.replacing(part_name(number)) as file,
                self.style.writer(file, self.schema) as writer,
            ):
                for table in self._tables(rows.take(wanted)):
                    writer.write_table(table, row_group_size=len(table))

    def _tables(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
        """Batches gathered until they make a row group."""
        gathered: list[pa.RecordBatch] = []
        rows = size = 0
        for batch in batches:
            gathered.append(batch)
            rows, size = rows + len(batch), size + batch.nbytes
            if rows >= ROWS or size >= BYTES:
                yield self._table(gathered)
                gathered, rows, size = [], 0, 0
        if gathered:
            yield self._table(gathered)

    def _table(self, batches: list[pa.RecordBatch]) -> pa.Table:
        tables = [pa.Table.from_batches([batch]).cast(self.schema) for batch in batches]
        return pa.concat_tables(tables)

    def _batches(self, share: Share) -> Iterator[pa.RecordBatch]:
        skip = share.skip
        for group in share.groups:
            yield from _of_group(self.fs, group, skip)
            skip = 0


def _of_group(fs: Any, group: Group, skip: int) -> Iterator[pa.RecordBatch]:
    """The rows of a row group but for the first ones."""
    with fs.open(group.path, "rb") as file:
        parquet = opened(file, group.path)
        try:
            for batch in parquet.iter_batches(BATCH, row_groups=[group.number], use_threads=False):
                if skip < len(batch):
                    yield batch.slice(skip)
                skip = max(skip - len(batch), 0)
        except _DAMAGE as error:
            raise ReadError(f"{group.path}, row group {group.number}: {error}") from error


class _Rows:
    """A stream of batches, of which so many rows at a time are taken."""

    def __init__(self, batches: Iterator[pa.RecordBatch]):
        self.batches = batches
        self.rest: pa.RecordBatch | None = None

    def take(self, rows: int) -> Iterator[pa.RecordBatch]:
        """The next rows."""
        while rows:
            batch = next(self.batches) if self.rest is None else self.rest
            self.rest = batch.slice(rows) if len(batch) > rows else None
            yield batch.slice(0, rows)
            rows -= min(rows, len(batch))
