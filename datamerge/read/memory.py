"""Frames the user already holds: pandas, cuDF, Dask, a Hugging Face ``Dataset``, a list of records.

They are told apart by the module their class comes from, so none of those modules is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa

from .._backend import as_pandas, is_other
from ..schema import Schema, normaliser, recognise
from .batches import add_batch, batch_items
from .plan import SAMPLE_RECORDS
from .records import Item, Rows, shown

ROWS = 10_000


def is_frame(value: Any) -> bool:
    """Whether this is a frame in hand rather than a path."""
    of_pandas = isinstance(value, pd.DataFrame | list) or _kind(value) in ("dask", "datasets")
    return of_pandas or is_other(value)


def _kind(value: Any) -> str:
    """The package a class comes from."""
    return type(value).__module__.partition(".")[0]


@dataclass(frozen=True)
class Held:
    """A frame in hand as a source: its name, its schema, and its shares, one a partition."""

    name: str
    schema: Schema
    shares: tuple[Any, ...]


def hold(frame: Any, name: str, overrides: Mapping[str, Any]) -> Held:
    """Recognise a frame's schema from its first rows and cut it into shares."""
    frame = as_pandas(frame) if is_other(frame) else frame
    if _kind(frame) == "datasets" and type(frame).__name__ != "Dataset":
        raise TypeError(
            f"{type(frame).__name__} streams or holds several splits; pass one split of a Dataset"
        )
    shares = tuple(_shares(frame))
    head: list[Any] = []
    for share in shares:
        head += [value for _, value, _ in share.items(SAMPLE_RECORDS)]
        if head or _kind(frame) == "dask":
            break
    columns = [] if isinstance(frame, list) else _columns(frame)
    if not head and columns:
        head = [dict.fromkeys(columns)]
    return Held(name, recognise(head, source=name, **overrides), shares)


def _columns(frame: Any) -> list[str]:
    return list(getattr(frame, "column_names", None) or frame.columns)


def _shares(frame: Any) -> Iterator[Any]:
    if _kind(frame) == "dask":
        for number, part in enumerate(frame.partitions):
            yield DaskShare(part, number)
        return
    rows = len(frame)
    for start in range(0, max(rows, 1), ROWS):
        stop = min(start + ROWS, rows)
        if _kind(frame) == "datasets":
            yield DatasetShare(frame, start, stop)
        elif isinstance(frame, list):
            yield RecordShare(tuple(frame[start:stop]), start)
        else:
            yield PandasShare(frame.iloc[start:stop], start)


@dataclass(frozen=True)
class RecordShare:
    """Some records of a list."""

    records: tuple[Any, ...]
    start: int

    def items(self, limit: int | None = None) -> Iterator[Item]:
        """The records, numbered."""
        for nth, value in enumerate(self.records[:limit], self.start):
            yield nth, value, None

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return ("RecordShare", self.start, *map(shown, self.records))


@dataclass(frozen=True)
class PandasShare:
    """Some rows of a pandas frame."""

    rows: pd.DataFrame
    start: int

    def items(self, limit: int | None = None) -> Iterator[Item]:
        """The rows as records, numbered by where they stand in the frame."""
        yield from _pandas_items(self.rows.iloc[:limit], self.start)


@dataclass(frozen=True)
class DatasetShare:
    """Some rows of a Hugging Face ``Dataset``."""

    dataset: Any
    start: int
    stop: int

    def items(self, limit: int | None = None) -> Iterator[Item]:
        """The rows as records, numbered by where they stand in the data set."""
        for first, batch in self.batches(limit):
            yield from batch_items(batch, np.arange(first, first + batch.num_rows))

    def batches(self, limit: int | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The same rows as columns, each batch with the number of its first row."""
        stop = self.stop if limit is None else min(self.stop, self.start + limit)
        first = self.start
        for batch in self.dataset.with_format("arrow")[first:stop].to_batches():
            yield first, batch
            first += batch.num_rows

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return ("DatasetShare", self.dataset._fingerprint, self.start, self.stop)


@dataclass(frozen=True)
class DaskShare:
    """A partition of a Dask frame; positions are ``partition * 10**9 + row``.

    How many rows the partitions before it hold is not known without computing them.
    """

    part: Any
    number: int

    def items(self, limit: int | None = None) -> Iterator[Item]:
        """The first rows, for recognising the schema."""
        rows = self.part.head(limit or SAMPLE_RECORDS, npartitions=1, compute=True)
        yield from _pandas_items(rows, self.number * 10**9)


def _pandas_items(rows: pd.DataFrame, start: int) -> Iterator[Item]:
    names = [str(name) for name in rows.columns]
    if len(set(names)) < len(names):
        raise ValueError("two columns of the frame have one name")
    columns = [_values(rows.iloc[:, nth]) for nth in range(len(names))]
    for nth, values in enumerate(zip(*columns, strict=True), start):
        yield nth, dict(zip(names, values, strict=True)), None


def _values(column: pd.Series) -> list[Any]:
    """Python values; what is no Arrow column is taken as it is, nested nulls and all."""
    if column.dtype != object:
        with suppress(pa.ArrowException):
            return pa.array(column, from_pandas=True).to_pylist()
    return [_plain(value) for value in column]


def _plain(value: Any) -> Any:
    missing = pd.api.types.is_scalar(value) and pd.isna(value)
    return None if missing else value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class LoadHeld:
    """Turns a share of a frame in hand into a partition."""

    source: str
    schema: Schema
    columns: tuple[str, ...]

    __name__ = "read"
    reads_rows = True

    @property
    def sources(self) -> tuple[str, ...]:
        """The one source it reads."""
        return (self.source,)

    def __call__(self, share: Any) -> pd.DataFrame:
        if not isinstance(share, DatasetShare):
            return self._rows(share.items())
        rows = Rows(normaliser(self.schema), self.source)
        for first, batch in share.batches():
            add_batch(rows, batch, first, self.source, self.schema)
        return rows.frame(self.columns)

    def partition(self, rows: pd.DataFrame, number: int) -> pd.DataFrame:
        """The same for a partition of a Dask frame, computed by now."""
        return self._rows(_pandas_items(rows, number * 10**9))

    def _rows(self, items: Iterator[Item]) -> pd.DataFrame:
        rows = Rows(normaliser(self.schema), self.source)
        rows.add(items, self.source)
        return rows.frame(self.columns)


def lay(held: Held, load: LoadHeld, meta: pd.DataFrame) -> dd.DataFrame:
    """The lazy frame of a held source."""
    if held.shares and isinstance(held.shares[0], DaskShare):
        parts = [
            share.part.map_partitions(load.partition, share.number, meta=meta)
            for share in held.shares
        ]
        return dd.concat(parts) if len(parts) > 1 else parts[0]
    return dd.from_map(load, list(held.shares), meta=meta, label="read")
