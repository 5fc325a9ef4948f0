"""Plain documents: one text a record."""

from __future__ import annotations

from typing import Any

from .definition import Schema
from .errors import RecordError, expected
from .meta import leftovers
from .row import Parts, Reader, Row, Writer


def text_reader(schema: Schema) -> Reader:
    """Read one field as the document."""
    field = schema.field("text") or "text"
    rest = leftovers((field,))

    def read(record: dict[str, Any]) -> list[Row]:
        text = record.get(field)
        if type(text) is not str:
            if field not in record:
                raise RecordError(f"no field {field!a}", field)
            raise expected(field, text)
        return [(None, None, None, text, rest(record))]

    return read


def text_writer(schema: Schema) -> Writer:
    """Write a document; a chat is not one."""
    field = schema.field("text") or "text"

    def write(parts: Parts) -> dict[str, Any]:
        if parts.is_chat or parts.text is None:
            raise RecordError("a chat cannot be written as a plain text", "messages")
        return {field: parts.text}

    return write
