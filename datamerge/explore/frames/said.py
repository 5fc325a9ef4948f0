"""What rows say: strings and chats of frames from elsewhere as ours have them, rows as dicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa

from ..._arrays import MESSAGES, STRING
from ...text import view


def readable(part: pd.DataFrame) -> pd.DataFrame:
    """A partition whose strings Arrow can hold.

    Frames from elsewhere may hold Python objects, among them strings with half a surrogate pair,
    which no encoding can write: those halves are spelled out. Frames of ours pass untouched.
    """
    part = part.copy(deep=False)
    for name in part.columns:
        if part[name].dtype == object and name != "messages":
            part[name] = pd.Series(
                pd.array([_value(value) for value in part[name]], STRING), index=part.index
            )
    return part


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return encodable(value)
    return pd.NA if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def encodable(text: str) -> str:
    """A text that can be encoded: halves of surrogate pairs are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def chats(part: pd.DataFrame) -> pd.DataFrame:
    """The partition with its ``messages`` in the columns' own type, whatever they were."""
    if "messages" not in part or part["messages"].dtype == MESSAGES:
        return part
    rows = pa.array(part["messages"], from_pandas=True).to_pylist() if _is_arrow(part) else None
    turns = [
        None if _missing(row) else [_turn(turn) for turn in row]
        for row in (part["messages"] if rows is None else rows)
    ]
    array: Any = pd.array(pa.array(turns, MESSAGES.pyarrow_dtype), MESSAGES)
    return part.assign(messages=pd.Series(array, index=part.index))


def _is_arrow(part: pd.DataFrame) -> bool:
    return isinstance(part["messages"].dtype, pd.ArrowDtype)


def _missing(value: Any) -> bool:
    return isinstance(value, str) or not isinstance(value, Iterable)


def _turn(turn: Any) -> dict[str, str | None]:
    """A turn as ``{role, content, extra}``: what is neither role nor content goes into extra."""
    if not isinstance(turn, Mapping):
        turn = {"content": str(turn)}
    rest = {k: v for k, v in turn.items() if k not in ("role", "content", "extra")}
    extra = turn.get("extra") or (as_json(rest) if rest else None)
    return {
        "role": _string(turn.get("role")),
        "content": _string(turn.get("content")),
        "extra": None if extra is None else _string(extra),
    }


def _string(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else as_json(value)
    return encodable(text)


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dicts."""
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def known(row: Mapping[str, Any], name: str) -> Any:
    """What a row has in a column; None where it has nothing, or there is no such column."""
    value = row.get(name)
    return None if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)) else value


def as_json(value: Any) -> str:
    """A value as indented JSON, or as Python writes it where JSON cannot."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode()
    except (TypeError, orjson.JSONEncodeError):
        return repr(value)


def indented(text: str) -> str:
    """JSON, indented; anything else as it is."""
    try:
        return as_json(orjson.loads(text))
    except orjson.JSONDecodeError:
        return text


def texts(part: pd.DataFrame) -> pa.LargeStringArray:
    """The text of each row: all its turns, or the document."""
    return view(chats(part), "chat")
