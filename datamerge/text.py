"""What a step reads as text: the whole chat, the prompt, the response, or a column."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ._arrays import strings, turns

TextView = Literal["chat", "prompt", "response"] | str

VIEWS = ("chat", "prompt", "response")
_ROLES = {"prompt": ("user",), "response": ("assistant",)}


def view(part: pd.DataFrame, text: TextView, *, separator: str = "\n\n") -> pa.LargeStringArray:
    """The text of each row of a partition; null where the row has none of that kind.

    ``chat`` is every turn in order (a plain document is its whole text), ``prompt`` the
    user's turns, ``response`` the assistant's turns, anything else the column of that name.
    """
    if text in VIEWS:
        return _of_chats(part, text, separator)
    readable(text, part.columns)
    return strings(part[text])


def readable(text: TextView, columns: Iterable[str]) -> None:
    """Raise unless ``text`` is a view or one of these columns."""
    known = [*VIEWS, *columns]
    if text not in known:
        raise ValueError(f"text={text!r} is neither a view nor a column; known: {', '.join(known)}")


def _of_chats(part: pd.DataFrame, text: str, separator: str) -> pa.LargeStringArray:
    plain = strings(part["text"]) if "text" in part.columns and text == "chat" else None
    if "messages" not in part.columns:
        return plain if plain is not None else pa.nulls(len(part), pa.large_string())
    chats = turns(part["messages"])
    roles = _ROLES.get(text)
    keep = chats.role_is(*roles) if roles else chats.row >= 0
    joined = chats.joined(keep, separator)
    return joined if plain is None else pc.coalesce(joined, plain)
