"""Rows as they are written: as columns ready for the Hub, or as records of another schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from .._arrays import STRING, Turns, string_column, strings, turns
from ..audit import DETAIL, REASON
from ..schema import RecordError, denormaliser, fold_extras

_TEXT = pa.string()
_TURNS = pa.list_(pa.struct([("role", _TEXT), ("content", _TEXT)]))
# The columns of each schema in Parquet, where every file must have the same ones; whatever
# else a record holds goes to ``meta``. (JSON Lines keep it in the record.)
COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "sharegpt": {
        "conversations": pa.list_(pa.struct([("from", _TEXT), ("value", _TEXT)])),
        "system": _TEXT,
        "tools": _TEXT,
    },
    "messages": {"messages": _TURNS, "tools": _TEXT},
    "alpaca": {
        "instruction": _TEXT,
        "input": _TEXT,
        "output": _TEXT,
        "system": _TEXT,
        "history": pa.list_(pa.list_(_TEXT)),
    },
    "prompt_completion": {"prompt": _TEXT, "completion": _TEXT},
    "question_answer": {"question": _TEXT, "answer": _TEXT},
    "instruction": {"instruction": _TEXT},
    "text": {"text": _TEXT},
}


def kept_table(part: pd.DataFrame, schema: str | None, *, removed: bool = False) -> pa.Table:
    """A partition as the table that is written; the removed keep their reasons."""
    if schema is not None:
        return _native_table(part, schema)
    columns: dict[str, pa.Array] = {}
    chats = turns(part["messages"]) if "messages" in part.columns else None
    for name in part.columns:
        if name in (REASON, DETAIL) and not removed:
            continue
        if name == "messages" and chats is not None:
            columns[name] = _messages(chats)
        elif name == "meta" and chats is not None:
            columns[name] = _folded(part, chats)
        else:
            columns[name] = _column(part[name])
    return pa.table(columns)


def _column(column: pd.Series) -> pa.Array:
    array = pa.array(column, from_pandas=True)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return _small(array, _TEXT) if column.dtype == STRING else array


def _small(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """With 32-bit offsets, which every reader knows, unless the values don't fit."""
    return array.cast(kind) if array.nbytes < 2**31 else array


def _messages(chats: Turns) -> pa.Array:
    flat = pa.StructArray.from_arrays([chats.role, chats.content], ["role", "content"])
    mask = pa.array(chats.missing) if chats.missing.any() else None
    lists = pa.LargeListArray.from_arrays(pa.array(chats.offsets, pa.int64()), flat, mask=mask)
    return _small(lists, _TURNS)


def _folded(part: pd.DataFrame, chats: Turns) -> pa.Array:
    """``meta`` with the other fields of the messages, for the rows that have some."""
    metas = strings(part["meta"])
    special = np.unique(chats.row[chats.extra.is_valid().to_numpy(zero_copy_only=False)])
    if not len(special):
        return _small(metas, _TEXT)
    values = metas.to_pylist()
    for row in special.tolist():
        first, last = chats.offsets[row], chats.offsets[row + 1]
        values[row] = fold_extras(values[row] or "{}", chats.extra[first:last].to_pylist())
    return pa.array(values, _TEXT)


def native(part: pd.DataFrame, schema: str | None) -> Iterator[dict[str, Any]]:
    """Each row as a record: of the schema, or with the columns of the Parquet output."""
    if schema is None:
        yield from kept_table(part, None).to_pylist()
        return
    write = denormaliser(schema)
    for row in _rows(part):
        yield write(*row)


def sayable(part: pd.DataFrame, schema: str) -> pd.DataFrame:
    """Mark the live rows that the schema has no way to say, with reason ``schema``."""
    write = denormaliser(schema)
    reasons, details = strings(part[REASON]).to_pylist(), strings(part[DETAIL]).to_pylist()
    for number, row in enumerate(_rows(part)):
        if reasons[number] is None:
            try:
                write(*row)
            except RecordError as error:
                reasons[number], details[number] = "schema", f"not sayable in {schema}: {error}"
    part = part.copy(deep=False)
    part[REASON] = string_column(reasons, part.index)
    part[DETAIL] = string_column(details, part.index)
    return part


def _rows(part: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """What a denormaliser takes, row by row."""
    none = [None] * len(part)
    chats = turns(part["messages"]) if "messages" in part.columns else None
    roles, contents, extras = (
        (chats.role.to_pylist(), chats.content.to_pylist(), chats.extra.to_pylist())
        if chats is not None
        else ([], [], [])
    )
    offsets = chats.offsets.tolist() if chats is not None else [0] * (len(part) + 1)
    texts = strings(part["text"]).to_pylist() if "text" in part.columns else none
    metas, ids = strings(part["meta"]).to_pylist(), strings(part["id"]).to_pylist()
    sources = strings(part["source"]).to_pylist()
    for n in range(len(part)):
        a, b = offsets[n], offsets[n + 1]
        yield roles[a:b], contents[a:b], extras[a:b], texts[n], metas[n], ids[n], sources[n]


def _native_table(part: pd.DataFrame, schema: str) -> pa.Table:
    known = COLUMNS.get(schema)
    if known is None:
        raise ValueError(f"schema {schema!r} has no Parquet form; write it with format='jsonl'")
    fields = {"id": _TEXT, "source": _TEXT, **known, "meta": _TEXT}
    rows = [_split(record, fields) for record in native(part, schema)]
    return pa.Table.from_pylist(rows, schema=pa.schema(list(fields.items())))


def _split(record: dict[str, Any], fields: dict[str, pa.DataType]) -> dict[str, Any]:
    """A record's known fields as columns, the rest of it as ``meta``."""
    row: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in record.items():
        if name in ("id", "source", "datamerge_id", "datamerge_source"):
            own = f"datamerge_{name}" not in record
            (row if own else rest)[name.removeprefix("datamerge_") if own else name] = value
        elif name not in fields or name == "meta":
            rest[name] = value
        elif fields[name] == _TEXT and not isinstance(value, str | None):
            row[name] = orjson.dumps(value).decode()
        else:
            row[name] = _fitting(value, fields[name], rest, name)
    return {**row, "meta": orjson.dumps(rest).decode()}


def _fitting(value: Any, kind: pa.DataType, rest: dict[str, Any], name: str) -> Any:
    """A list of messages with the two fields the column has; what else they hold is kept."""
    if not isinstance(value, list) or not pa.types.is_struct(kind.value_type):
        return value
    wanted = [kind.value_type.field(i).name for i in range(kind.value_type.num_fields)]
    others = {
        str(n): extra
        for n, message in enumerate(value)
        if (extra := {k: v for k, v in message.items() if k not in wanted})
    }
    if others:
        rest["message_fields"] = others
    return [{key: message.get(key) for key in wanted} for message in value]
