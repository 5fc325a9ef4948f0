"""Columns as Arrow arrays: the one place that knows how a partition holds strings and chats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

STRING: Any = pd.StringDtype("pyarrow")
TURN = pa.struct(
    [("role", pa.large_string()), ("content", pa.large_string()), ("extra", pa.large_string())]
)
MESSAGES = pd.ArrowDtype(pa.large_list(TURN))


def one_chunk(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The values as a single contiguous array."""
    if isinstance(values, pa.ChunkedArray):
        return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    return values


def strings(column: pd.Series) -> pa.LargeStringArray:
    """A string column, of whatever pandas dtype, as one Arrow array with nulls for missing."""
    array = one_chunk(pa.array(column, from_pandas=True))
    return array if array.type == pa.large_string() else array.cast(pa.large_string())


def string_column(values: pa.Array | list[str | None], index: pd.Index) -> pd.Series:
    """Arrow strings as a pandas column in the dtype Dask itself uses for strings."""
    array = pa.array(values, pa.large_string()) if isinstance(values, list) else values
    return pd.Series(STRING.__from_arrow__(array), index=index)


def joined(*pieces: str | pa.Array) -> pa.Array:
    """Strings and columns of strings put together, row by row; null where one of them is."""
    scalars = [pa.scalar(p, pa.large_string()) if isinstance(p, str) else p for p in (*pieces, "")]
    return pc.binary_join_element_wise(*scalars)


@dataclass(frozen=True)
class Turns:
    """The chats of a partition, flat: turn ``i`` of row ``r`` is at ``offsets[r] + i``.

    ``offsets`` has one entry more than rows; a row without a chat has no turns.
    """

    offsets: np.ndarray
    role: pa.LargeStringArray
    content: pa.LargeStringArray
    extra: pa.LargeStringArray
    missing: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def row(self) -> np.ndarray:
        """The row each turn belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def role_is(self, *roles: str) -> np.ndarray:
        """Boolean per turn: is it spoken by one of these roles?"""
        if not len(self.role):
            return np.zeros(0, bool)
        found = pc.is_in(self.role, value_set=pa.array(roles, pa.large_string()))
        return found.to_numpy(zero_copy_only=False)

    def joined(self, keep: np.ndarray, separator: str) -> pa.LargeStringArray:
        """Per row, the contents of the turns where ``keep`` is true, joined; null if none."""
        counts = np.concatenate([[0], np.cumsum(keep)])
        offsets = counts[self.offsets]
        chosen = self.content.filter(pa.array(keep))
        lists = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), chosen)
        text = pc.binary_join(lists, pa.scalar(separator, pa.large_string()))
        return pc.if_else(pa.array(np.diff(offsets) > 0), text, pa.scalar(None, text.type))


def turns(column: pd.Series) -> Turns:
    """The flat view of a ``messages`` column."""
    array = one_chunk(pa.array(column, from_pandas=True))
    if array.type != MESSAGES.pyarrow_dtype:
        array = array.cast(MESSAGES.pyarrow_dtype)
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    flat = array.flatten()
    role, content, extra = flat.flatten()
    return Turns(
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        role=role,
        content=pc.fill_null(content, ""),
        extra=extra,
        missing=array.is_null().to_numpy(zero_copy_only=False),
    )


def messages_array(
    offsets: np.ndarray,
    role: pa.Array | list[str],
    content: pa.Array | list[str],
    extra: pa.Array | list[str | None],
    missing: np.ndarray,
) -> pa.LargeListArray:
    """Flat turns as a list array; rows where ``missing`` is true are null."""
    columns = [
        values if isinstance(values, pa.Array) else pa.array(values, pa.large_string())
        for values in (role, content, extra)
    ]
    flat = pa.StructArray.from_arrays(columns, fields=list(TURN))
    mask = pa.array(missing) if missing.any() else None
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), flat, mask=mask)


def messages_column(array: pa.Array | pa.ChunkedArray, index: pd.Index) -> pd.Series:
    """A list array as the ``messages`` column."""
    chunked = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    return pd.Series(pd.arrays.ArrowExtensionArray(chunked), index=index, dtype=MESSAGES)
