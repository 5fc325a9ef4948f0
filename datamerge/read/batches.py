"""Rows of Arrow tables: as columns where the schema is flat and simple, else one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from .._arrays import joined
from ..schema import Schema
from .columnar import read_columns
from .records import SCHEMA, Broken, Item, Rows, shown

ROWS = 1 << 20  # in a batch
ITEM_ROWS = 1 << 12  # of these, Python objects are held at a time


def add_batch(rows: Rows, batch: pa.RecordBatch, first: int, file: str, schema: Schema) -> None:
    """Take the rows of a batch; ``first`` is the number of its first row."""
    numbers = np.arange(first, first + batch.num_rows)
    found = read_columns(batch, schema)
    if found is None or (odd := _filtered(batch, found.odd)) is None:
        rows.add(batch_items(batch, numbers), file)
        return
    text = pa.array(numbers).cast(pa.large_string())
    table = pa.table(
        {
            "id": joined(f"{file}#", text),
            "messages": found.messages,
            "text": found.text,
            "meta": found.meta,
            "detail": pa.nulls(batch.num_rows, pa.large_string()),
        },
        SCHEMA,
    )
    if found.odd.any():
        others = Rows(rows.normalise, rows.source)
        others.add(batch_items(odd, numbers[found.odd]), file)
        table = _merged(table, others.table(), found.odd)
    rows.add_table(table)


def _filtered(batch: pa.RecordBatch, keep: np.ndarray) -> pa.RecordBatch | None:
    """These rows; None where Arrow cannot pick rows of a column."""
    try:
        return batch.filter(pa.array(keep))
    except pa.ArrowNotImplementedError:
        return None


def _merged(table: pa.Table, others: pa.Table, odd: np.ndarray) -> pa.Table:
    """The table with its odd rows replaced by others."""
    order = np.arange(len(odd))
    order[odd] = len(odd) + np.arange(others.num_rows)
    return pa.concat_tables([table, others]).take(pa.array(order))


def batch_items(batch: pa.RecordBatch, numbers: np.ndarray) -> Iterator[Item]:
    """The rows of a batch as records."""
    for start in range(0, batch.num_rows, ITEM_ROWS):
        rows, at = batch.slice(start, ITEM_ROWS), numbers[start : start + ITEM_ROWS].tolist()
        try:
            records = rows.to_pylist()
        except UnicodeDecodeError:
            records = [_row(rows.slice(i, 1)) for i in range(rows.num_rows)]
        for number, record in zip(at, records, strict=True):
            if isinstance(record, Broken):
                yield number, record, record.raw
            else:
                yield number, record, None


def _row(row: pa.RecordBatch) -> dict[str, Any] | Broken:
    """One row; where a string in it is not UTF-8, an error with the bytes it has."""
    record: dict[str, Any] = {}
    reason = ""
    for name, column in zip(row.schema.names, row.columns, strict=True):
        try:
            record[name] = column[0].as_py()
        except UnicodeDecodeError as error:
            reason = reason or f"invalid UTF-8 in column {name!r}: {error.reason}"
            record[name] = error.object
    return Broken(reason, raw=shown(record)) if reason else record
