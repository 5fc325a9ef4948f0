"""A user's own frame, with what it lacks: ids from its index, one source, all rows live."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from ..._arrays import (
    MESSAGES,
    STRING,
    messages_array,
    messages_column,
    one_chunk,
)
from ..._backend import as_pandas
from ...audit import DETAIL, REASON
from ...schema import RecordError, Schema, normaliser

NEEDED = ("id", "source", REASON, DETAIL)
SOURCE = "frame"

Ids: TypeAlias = pa.LargeStringArray | pa.Int64Array


def adapted(df: Any) -> Any:
    """The frame with the columns ``id``, ``source``, ``drop_reason`` and ``drop_detail``.

    A pandas frame without ids has those of its index; without a source it is one named
    ``frame``; without reasons all its rows are live. Of a Dask frame none of this is known
    without computing it, so there a missing column is an error.
    """
    df = as_pandas(df)
    missing = [name for name in NEEDED if name not in df.columns]
    if not missing:
        return df
    if not isinstance(df, pd.DataFrame):
        raise ValueError(
            f"the frame lacks {', '.join(missing)}; make it with datamerge.read, or give it these "
            "columns: unique ids, the source of each row, and null in the other two"
        )
    columns: dict[str, Any] = {
        "id": _of_index(df.index) if "id" in missing else None,
        "source": pd.array([SOURCE] * len(df), STRING),
        REASON: pd.array([None] * len(df), STRING),
        DETAIL: pd.array([None] * len(df), STRING),
    }
    return df.assign(**{name: columns[name] for name in missing})


def _of_index(index: pd.Index) -> Any:
    if index.nlevels > 1:
        raise ValueError("the frame has no column id, and its index has several levels")
    column = index.to_series().reset_index(drop=True)
    try:
        ids = id_array(column)
    except ValueError as error:
        raise ValueError(
            f"the frame has no column id, and its index will not do: {error}"
        ) from None
    if not index.is_unique:
        twice = column[column.duplicated()].tolist()[0]
        raise ValueError(
            f"the frame has no column id, and {twice!r} stands in its index more than once; "
            "df.reset_index(drop=True) numbers the rows"
        )
    return ids.to_numpy() if ids.type == pa.int64() else STRING.__from_arrow__(ids)


def id_array(column: pd.Series, where: str = "") -> Ids:
    """Ids as they are compared: strings, or whole numbers as int64; none missing, one kind."""
    try:
        array = one_chunk(pa.array(column, from_pandas=True))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        raise _odd_id(column, where) from None
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.null_count:
        row = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
        if array.null_count < len(array):
            raise ValueError(f"the id of row {row}{where} is missing")
        raise ValueError(f"the id of every row{where} is missing")
    kind = array.type
    if pa.types.is_null(kind):  # no rows
        return pa.array([], pa.large_string())
    if pa.types.is_integer(kind):
        try:
            return array.cast(pa.int64())
        except pa.ArrowInvalid:
            raise _odd_id(column, where) from None
    if kind in (pa.string(), pa.large_string(), pa.string_view()):
        return array.cast(pa.large_string())
    raise _odd_id(column, where)


def _odd_id(column: pd.Series, where: str) -> ValueError:
    """Names the first id that is neither a string nor an integer, or not of the first's kind."""
    first = column.iloc[0]
    like: Any = str if isinstance(first, str) else (int, np.integer)
    for row, value in enumerate(column):
        known = isinstance(value, like) and not isinstance(value, bool)
        if not known or (like is not str and not -(2**63) <= value < 2**63):
            return ValueError(
                f"the id of row {row}{where} is {value!r}: ids are all strings, or all integers "
                "of 64 bits"
            )
    return ValueError(f"ids{where} are all strings, or all integers of 64 bits")


def readable_part(part: pd.DataFrame) -> pd.DataFrame:
    """The partition, its chats in the columns' own type: lists of dicts are read as messages."""
    if "messages" not in part.columns or part["messages"].dtype == MESSAGES:
        return part
    return part.assign(messages=_messages(part["messages"], part))


def _messages(column: pd.Series, part: pd.DataFrame) -> pd.Series:
    read = normaliser(Schema.usual("messages"))
    offsets, missing = [0], np.zeros(len(column), bool)
    roles: list[str] = []
    contents: list[str] = []
    extras: list[str | None] = []
    for row, value in enumerate(column.array):
        if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)) or not len(value):
            missing[row] = not isinstance(value, list)
            offsets.append(len(roles))
            continue
        try:
            said, content, beside, *_ = read({"messages": value})[0]
        except RecordError as error:
            raise ValueError(f"id {part['id'].tolist()[row]!r}: {error}") from None
        roles += said or []
        contents += content or []
        extras += beside or [None] * len(said or [])
        offsets.append(len(roles))
    array = messages_array(np.array(offsets), roles, contents, extras, missing)
    return messages_column(array, column.index)
