"""Other fields of a message, moved into `meta` and back.

Written Parquet holds a message as role and content alone. What else a message had (tool
calls, names, weights) goes to `meta` under `message_fields`, by the message's position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from .meta import dump, load, spare

KEY = "message_fields"


def fold_extras(meta: str, extras: Sequence[str | None] | None) -> str:
    """Put the messages' other fields into `meta`.

    Parameters
    ----------
    meta : str
        A JSON object.
    extras : sequence of str or None, optional
        For each message a JSON object or None.

    Examples
    --------
    >>> fold_extras('{"lang":"en"}', [None, '{"weight":0}'])
    '{"lang":"en","message_fields":{"1":{"weight":0}}}'
    """
    said = {str(i): load(text, "extra") for i, text in enumerate(extras or ()) if text}
    if not said:
        return meta
    fields = load(meta)
    put_extras(fields, said)
    return dump(fields)


def put_extras(fields: dict[str, Any], said: dict[str, Any]) -> None:
    """Put other fields of messages, by position, into a mapping."""
    if not said:
        return
    folded = fields.pop(KEY, {})
    if not isinstance(folded, dict):
        fields[spare(fields | {KEY: 0}, KEY)] = folded
        folded = {}
    fields[KEY] = folded | said


def unfold_extras(meta: str, count: int) -> tuple[str, list[str | None] | None]:
    """Take the other fields of `count` messages out of `meta` again.

    Examples
    --------
    >>> unfold_extras('{"lang":"en","message_fields":{"1":{"weight":0}}}', 2)
    ('{"lang":"en"}', [None, '{"weight":0}'])
    """
    if f'"{KEY}"' not in meta:
        return meta, None
    fields = load(meta)
    extras = pop_extras(fields, count)
    return (dump(fields), extras) if extras else (meta, None)


def pop_extras(fields: dict[str, Any], count: int) -> list[str | None] | None:
    """Take `message_fields` out of a mapping; what fits no message stays where it is."""
    folded = fields.get(KEY)
    if not isinstance(folded, dict):
        return None
    extras: list[str | None] = [None] * count
    places = {str(index): index for index in range(count)}
    left = {}
    for key, value in folded.items():
        if key in places and isinstance(value, dict) and value:
            extras[places[key]] = dump(value)
        else:
            left[key] = value
    if not any(extras):
        return None
    del fields[KEY]
    if left:
        fields[KEY] = left
    return extras


def load_extra(text: str | None) -> dict[str, Any]:
    """The other fields of one message."""
    return orjson.loads(text) if text else {}
