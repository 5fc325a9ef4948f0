"""Frames of another library than pandas: those of cuDF, which lie on a GPU.

Steps read strings with Arrow and compiled loops, on the processor. So the first of them takes a
frame there, and what the last one makes goes back: :func:`like` lays that over a lazy frame, and
:func:`as_pandas` takes it off again where another step follows. However many steps there are, rows
go each way once, by Arrow; what datamerge has read itself goes nowhere until somebody else asks.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dask
import orjson
import pandas as pd
import pyarrow as pa
from dask.dataframe.dask_expr import new_collection

from ._arrays import STRING

CUDF = "cudf"


def as_pandas(df: Any) -> Any:
    """The frame, lazy or not, as one of pandas; itself if it is one.

    Raises
    ------
    TypeError
        It is of a library that does not speak Arrow as cuDF does.
    """
    held = getattr(df, "_meta", df)
    if isinstance(held, pd.DataFrame):
        return df
    if not is_other(df):
        kind = type(held)
        raise TypeError(
            f"the frame is of {kind.__module__.partition('.')[0]} ({kind.__name__}); steps take "
            "frames of pandas, Dask and cuDF: make it one of those first"
        )
    taken = ToPandas()
    if held is df:
        return taken(df)
    if type(df.expr).__name__ == "MapPartitions" and isinstance(df.expr.func, FromPandas):
        return new_collection(df.expr.frame)
    return df.map_partitions(taken, meta=taken(held))


def is_other(df: Any) -> bool:
    """Whether this is a frame, lazy or not, of a library beside pandas that speaks Arrow."""
    kind = type(getattr(df, "_meta", df))
    return not issubclass(kind, pd.DataFrame) and all(
        callable(getattr(kind, name, None)) for name in ("to_arrow", "from_arrow")
    )


def like(made: Any, df: Any) -> Any:
    """What was made of a frame on the host, in the library that the frame is of."""
    held = getattr(df, "_meta", df)
    return made if isinstance(held, pd.DataFrame) else _given(made, type(held))


def of_backend(df: Any) -> Any:
    """A frame of pandas in the library that the ``dask.config`` key ``dataframe.backend`` names.

    Raises
    ------
    ImportError
        That is cuDF, and it is not installed, or finds no GPU.
    """
    if dask.config.get("dataframe.backend", "pandas") != CUDF:
        return df
    try:
        importlib.import_module("dask_cudf")  # tells Dask of its frames
        library = importlib.import_module(CUDF).DataFrame
    except ImportError as error:
        raise ImportError(
            "dataframe.backend is cudf, which can't be imported: pip install 'datamerge[gpu]', "
            f"or dask.config.set({{'dataframe.backend': 'pandas'}}) ({error})"
        ) from error
    return _given(df, library)


def _given(made: Any, library: type) -> Any:
    back = FromPandas(library)
    if isinstance(made, pd.DataFrame):
        return back(made)
    return made.map_partitions(back, meta=back(made._meta))


@dataclass(frozen=True)
class ToPandas:
    """Partition function: a frame of another library as one of pandas."""

    __name__ = "to_pandas"
    is_lookup = True  # cheap enough to be done again rather than kept on disk

    def __call__(self, part: Any) -> pd.DataFrame:
        table = _changed(part.to_arrow(), _wide)
        return table.to_pandas(types_mapper=_dtype)


@dataclass(frozen=True)
class FromPandas:
    """Partition function: a frame of pandas as one of another library."""

    library: Any

    __name__ = "from_pandas"
    is_lookup = True

    def __call__(self, part: pd.DataFrame) -> Any:
        return self.library.from_arrow(_changed(pa.Table.from_pandas(part), _narrow))


def _changed(table: pa.Table, change: Callable[[pa.DataType], pa.DataType]) -> pa.Table:
    """The table with types changed. What is noted for pandas is kept of the index alone.

    What is noted of the dtypes of columns may be a name that no library knows.
    """
    fields = [field.with_type(change(field.type)) for field in table.schema]
    noted = table.schema.pandas_metadata
    if noted:
        kept = [one for one in noted["columns"] if one["field_name"] in noted["index_columns"]]
        noted = {b"pandas": orjson.dumps({**noted, "columns": kept})}
    return table.cast(pa.schema(fields, noted))


# Whole numbers and truth values of another library may be missing.
_NULLABLE: dict[pa.DataType, Any] = {
    pa.bool_(): pd.BooleanDtype(),
    **{pa.from_numpy_dtype(kind.type): kind for kind in (
        *(pd.Int8Dtype(), pd.Int16Dtype(), pd.Int32Dtype(), pd.Int64Dtype()),
        *(pd.UInt8Dtype(), pd.UInt16Dtype(), pd.UInt32Dtype(), pd.UInt64Dtype()),
    )},
}  # fmt: skip


def _dtype(kind: pa.DataType) -> Any:
    """The dtype that steps know a type by; None for the one that pandas takes by itself."""
    if kind == pa.large_string():
        return STRING
    return pd.ArrowDtype(kind) if pa.types.is_nested(kind) else _NULLABLE.get(kind)


def _wide(kind: pa.DataType) -> pa.DataType:
    """The type that steps know: offsets of 64 bits."""
    if pa.types.is_string(kind):
        return pa.large_string()
    return _within(kind, _wide, pa.large_list)


def _narrow(kind: pa.DataType) -> pa.DataType:
    """The type that every library knows: offsets of 32 bits, which are enough for a partition."""
    if pa.types.is_large_string(kind):
        return pa.string()
    return _within(kind, _narrow, pa.list_)


def _within(
    kind: pa.DataType,
    change: Callable[[pa.DataType], pa.DataType],
    make_list: Callable[[pa.DataType], pa.DataType],
) -> pa.DataType:
    """A type whose parts are changed."""
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, change(kind.value_type), kind.ordered)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return make_list(change(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(change(field.type)) for field in kind])
    return kind
