"""A library of frames that stands in for cuDF where there is no GPU.

It has what cuDF and dask-cudf give datamerge, and nothing else: ``to_arrow``, ``from_arrow``, and
what Dask needs to carry such frames. Its columns have types of 32-bit offsets only, as cuDF's have.
Whoever looks into one as if it were of pandas gets an ``AttributeError``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
from dask._dispatch import get_collection_type
from dask.dataframe.dispatch import (
    concat_dispatch,
    get_parallel_type,
    make_meta_dispatch,
    meta_nonempty,
)
from dask.tokenize import normalize_token


class Elsewhere:
    """A frame that is not in this machine's memory, as far as others can tell."""

    crossings: ClassVar[list[str]] = []  # of frames with rows, each way

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Elsewhere:
        """A frame of these columns."""
        for field in table.schema:
            assert "large" not in str(field.type), f"{field} has offsets of 64 bits"
        if len(table):
            cls.crossings.append("there")
        return cls(table)

    def to_arrow(self, preserve_index: bool | None = None) -> pa.Table:
        """Its columns."""
        assert preserve_index is None
        if len(self):
            self.crossings.append("here")
        return self._table

    @property
    def columns(self) -> pd.Index:
        """Their names."""
        return pd.Index([name for name in self._table.column_names if "__index" not in name])

    @property
    def dtypes(self) -> pd.Series:
        """Their types."""
        return pd.Series({name: self._table.schema.field(name).type for name in self.columns})

    @property
    def index(self) -> pd.Index:
        """Numbers."""
        return pd.RangeIndex(len(self))

    def __len__(self) -> int:
        return self._table.num_rows

    # By these Dask knows that this is a frame.
    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def groupby(self, *_: Any) -> Any:
        raise NotImplementedError

    head = merge = mean = groupby


@make_meta_dispatch.register(Elsewhere)
def _meta(frame: Elsewhere, index: Any = None) -> Elsewhere:
    return Elsewhere(frame._table.slice(0, 0))


@meta_nonempty.register(Elsewhere)
def _nonempty(frame: Elsewhere) -> Elsewhere:
    return frame


@concat_dispatch.register(Elsewhere)
def _concat(frames: list[Elsewhere], *_: Any, **__: Any) -> Elsewhere:
    return Elsewhere(pa.concat_tables([frame._table.replace_schema_metadata() for frame in frames]))


@get_parallel_type.register(Elsewhere)
@get_collection_type.register(Elsewhere)
def _collection(_: Elsewhere) -> Any:
    return dd.DataFrame


@normalize_token.register(Elsewhere)
def _token(frame: Elsewhere) -> tuple[str, str]:
    return "Elsewhere", frame._table.to_pandas().to_json()
