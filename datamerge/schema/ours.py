"""Our own output, read again: ids and sources of then are kept under `meta.datamerge`."""

from __future__ import annotations

from typing import Any

from .definition import Schema
from .errors import RecordError, expected
from .extras import load_extra, pop_extras, put_extras
from .meta import dump, load, spare
from .row import Parts, Reader, Row, Writer
from .turns import Turns, turn_reader

ORIGIN = "datamerge"
_CONTENT = ("messages", "text", "meta")


def own_reader(schema: Schema) -> Reader:
    """Read rows that were written by us, chats and documents."""
    read_turns = turn_reader(schema)
    kind, names = schema.kind, {name: schema.field(name) or name for name in _CONTENT}
    told = frozenset(names.values())

    def read(record: dict[str, Any]) -> list[Row]:
        meta = load(record.get(names["meta"]))
        turns, text = record.get(names["messages"]), record.get(names["text"])
        origin = {k: v for k, v in record.items() if k not in told and v is not None}
        if turns is None:
            return [_document(text, _with_origin(meta, origin), kind)]
        if kind == "text":
            raise RecordError("a chat among plain texts", "messages")
        roles, contents, extras = read_turns(turns, "messages")
        if not roles:
            raise RecordError("no turns", "messages")
        extras = _whole((roles, contents, extras), pop_extras(meta, len(roles)))
        return [(roles, contents, extras, None, _with_origin(meta, origin))]

    return read


def _document(text: Any, meta: str, kind: str) -> Row:
    if type(text) is not str:
        raise expected("messages" if kind == "messages" else "text", text)
    if kind == "messages":
        raise RecordError("a plain text among chats", "text")
    return None, None, None, text, meta


def _whole(turns: Turns, folded: list[str | None] | None) -> list[str | None] | None:
    """Other fields of the messages, from `meta` and from the `extra` column of a frame."""
    if turns[2] is None:
        return folded
    extras: list[str | None] = []
    for beside, below in zip(turns[2], folded or [None] * len(turns[2]), strict=True):
        said = load_extra(beside)
        column = load(said.pop("extra", None), "messages.extra")
        merged = load_extra(below) | column | said
        extras.append(dump(merged) if merged else None)
    return extras if any(extras) else None


def _with_origin(meta: dict[str, Any], origin: dict[str, Any]) -> str:
    """Meta with what else the row had; an earlier origin goes inside the later one."""
    if not origin:
        return dump(meta)
    if ORIGIN in meta:
        origin[spare(origin, ORIGIN)] = meta.pop(ORIGIN)
    return dump(meta | {ORIGIN: origin})


def own_writer(schema: Schema) -> Writer:
    """Write a row as our Parquet and JSON Lines hold it."""

    def write(parts: Parts) -> dict[str, Any]:
        record: dict[str, Any] = {}
        if parts.is_chat:
            turns = zip(parts.roles, parts.contents, strict=True)
            record["messages"] = [{"role": role, "content": text} for role, text in turns]
        else:
            record["text"] = parts.text
        put_extras(parts.meta, {str(i): one for i, one in enumerate(parts.others) if one})
        record["meta"] = dump(parts.meta)
        parts.meta.clear()
        parts.others.clear()
        return record

    return write
