"""A batch of flat records to columns of rows, with no Python object for a record.

The result is what the schema's reader would give, record by record. Rows that are not plain
(a null where a text is needed, a system text, a transcript) are told, and go through the reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from .._arrays import MESSAGES, joined, messages_array
from ..schema import RecordError, Schema
from ..schema.extras import KEY
from ..schema.meta import dump

_TEXT = pa.large_string()
_NULL = pa.scalar(None, _TEXT)
# What is said in each schema, the user's turn first; None: a document.
_SAID = {
    "text": ("text",),
    "question_answer": ("question", "answer"),
    "prompt_completion": ("prompt", "completion"),
    "alpaca": ("instruction", "output"),
    "instruction": ("instruction",),
}
_TRANSCRIPT = "\n\nHuman:"
_MUST_ESCAPE = r'["\\\x00-\x1f]'
_NO_SPACE = r"[!-~\pL\pN]"


@dataclass(frozen=True)
class Columns:
    """The columns of rows, and which rows are odd: their entries mean nothing."""

    messages: pa.Array
    text: pa.Array
    meta: pa.Array
    odd: np.ndarray


def is_columnar(schema: Schema) -> bool:
    """Whether batches of this schema can be read as columns, if they hold nothing odd."""
    return schema.type in _SAID


def read_columns(batch: pa.RecordBatch, schema: Schema) -> Columns | None:
    """The batch as rows; None where this schema, or these columns, need the reader."""
    names = dict(schema.fields)
    columns = {name: _plain(batch[name]) for name in batch.schema.names}
    said = [columns.get(names.get(slot)) for slot in _SAID.get(schema.type, ())]
    if not said or KEY in columns or not all(_is_text(column) for column in said):
        return None
    beside = [columns[names[slot]] for slot in ("system", "history") if names.get(slot) in columns]
    odd = np.logical_or.reduce([_null(c) for c in said] + [_holds(column) for column in beside])
    contents, extra = said, None
    if schema.type == "prompt_completion":
        odd |= np.logical_or.reduce([_true(pc.starts_with(c, _TRANSCRIPT)) for c in said])
    if names.get("input") in columns:
        given = columns[names["input"]]
        if not _is_text(given):
            return None
        content, extra, unsure = _with_input(said[0], given)
        contents, odd = [content, *said[1:]], odd | unsure
    meta = _meta({k: column for k, column in columns.items() if k not in names.values()}, len(odd))
    if meta is None or 2 * odd.sum() > len(odd):
        return None
    if schema.type == "text":
        return Columns(pa.nulls(len(odd), MESSAGES.pyarrow_dtype), said[0], meta, odd)
    return Columns(_chats(contents, extra), pa.nulls(len(odd), _TEXT), meta, odd)


def _plain(column: pa.Array) -> pa.Array:
    """Strings of any layout as the one used here; other columns as they are."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(_TEXT) if column.type == pa.string() else column


def _is_text(column: pa.Array | None) -> bool:
    """Whether these are strings, and UTF-8 throughout."""
    if column is None or column.type != _TEXT:
        return False
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _true(flags: pa.Array) -> np.ndarray:
    return pc.fill_null(flags, False).to_numpy(zero_copy_only=False)


def _null(column: pa.Array) -> np.ndarray:
    return column.is_null().to_numpy(zero_copy_only=False)


def _holds(column: pa.Array) -> np.ndarray:
    """Where there is more than null or an empty string."""
    return _true(pc.not_equal(column, "")) if column.type == _TEXT else ~_null(column)


def _with_input(instruction: pa.Array, given: pa.Array) -> tuple[pa.Array, pa.Array, np.ndarray]:
    """The user's turn, what is kept beside it, and where an input may be nothing but space."""
    holds = pc.fill_null(pc.match_substring_regex(given, _NO_SPACE), False)
    both = joined(instruction, "\n\n", given)
    before, after = (pc.utf8_length(c).cast(_TEXT) for c in (instruction, given))
    at = joined('{"input_at":[', before, ",", after, "]}")
    unsure = _holds(given) & ~_true(holds)
    return pc.if_else(holds, both, instruction), pc.if_else(holds, at, _NULL), unsure


def _chats(contents: list[pa.Array], extra: pa.Array | None) -> pa.Array:
    """One turn of each column a row: the user's, and the assistant's."""
    rows, turns = len(contents[0]), len(contents)
    order = pa.array(np.arange(rows * turns).reshape(turns, rows).T.ravel())
    nobody = pa.nulls(rows, _TEXT)
    beside = [nobody if extra is None else extra, *[nobody] * (turns - 1)]
    return messages_array(
        np.arange(rows + 1) * turns,
        pa.array(["user", "assistant"], _TEXT).take(pa.array(np.tile(np.arange(turns), rows))),
        pa.concat_arrays(contents).take(order),
        pa.concat_arrays(beside).take(order),
        np.zeros(rows, bool),
    )


def _meta(columns: dict[str, pa.Array], rows: int) -> pa.Array | None:
    """The other columns as one JSON object a row; None where they have to be looked at singly."""
    if not columns:
        return pa.repeat(pa.scalar("{}", _TEXT), rows)
    pieces: list[Any] = []
    for name, column in columns.items():
        try:
            values = _json(column)
        except (RecordError, UnicodeDecodeError):
            return None
        opening = "," if pieces else "{"
        pieces += [f"{opening}{orjson.dumps(name).decode()}:", values]
    return joined(*pieces, "}")


def _json(column: pa.Array) -> pa.Array:
    """Each value as JSON."""
    kind = column.type
    if kind == _TEXT and _is_text(column):
        quoted = joined('"', column, '"')
        escape = pc.fill_null(pc.match_substring_regex(column, _MUST_ESCAPE), False)
        values = pc.replace_with_mask(quoted, escape, _one_by_one(column.filter(escape)))
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        values = column.cast(_TEXT)
    else:
        values = _one_by_one(column)
    return pc.fill_null(values, "null")


def _one_by_one(column: pa.Array) -> pa.Array:
    return pa.array([dump({"": value})[4:-1] for value in column.to_pylist()], _TEXT)
