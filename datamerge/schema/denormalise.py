"""Rows to records: one function for each schema, made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .alpaca import alpaca_writer
from .answers import completion_writer, question_writer
from .chats import chat_writer
from .definition import Schema
from .errors import SchemaError
from .extras import load_extra, put_extras
from .instances import instances_writer
from .meta import load, spare
from .ours import own_writer
from .plain import text_writer
from .preference import preference_writer
from .row import Parts, Writer
from .words import SLOTS

_WRITERS: dict[str, Callable[[Schema], Writer]] = {
    "sharegpt": chat_writer,
    "messages": chat_writer,
    "alpaca": alpaca_writer,
    "prompt_completion": completion_writer,
    "question_answer": question_writer,
    "preference": preference_writer,
    "instances": instances_writer,
    "instruction": alpaca_writer,
    "text": text_writer,
    "datamerge": own_writer,
}


def denormaliser(schema: str | Schema) -> Callable[..., dict[str, Any]]:
    """The function that writes rows as records of a schema.

    Parameters
    ----------
    schema : str or Schema
        A schema's name, for the field names it usually has, or a schema with its own.

    Returns
    -------
    callable
        `(roles, contents, extras, text, meta, id=None, source=None)` to a record. Fields of
        `meta` stand beside the schema's own (`name_` where a name is taken); `id` and
        `source` too where given, as `datamerge_id` where the record had an id of its own.

    Raises
    ------
    RecordError
        From the returned function, where the schema has no way to say the row.
    SchemaError
        No schema has this name.

    Examples
    --------
    >>> write = denormaliser("sharegpt")
    >>> write(["user"], ["Hi"], None, None, '{"lang":"en"}')
    {'conversations': [{'from': 'human', 'value': 'Hi'}], 'lang': 'en'}
    """
    if isinstance(schema, str):
        if schema not in SLOTS:
            raise SchemaError(f"no schema {schema!r}; known: {', '.join(sorted(SLOTS))}")
        schema = Schema.usual(schema)
    write_row = _WRITERS[schema.type](schema)

    def write(
        roles: Sequence[str] | None,
        contents: Sequence[str] | None,
        extras: Sequence[str | None] | None,
        text: str | None,
        meta: str | None,
        id: str | None = None,
        source: str | None = None,
    ) -> dict[str, Any]:
        roles, contents = list(roles or ()), list(contents or ())
        others = [load_extra(extra) for extra in extras or [None] * len(roles)]
        parts = Parts(roles, contents, others, text, load(meta))
        count = len(roles)
        record = write_row(parts)
        _keep_others(parts, count)
        return _labelled(record, parts.meta, id, source)

    return write


def _keep_others(parts: Parts, count: int) -> None:
    """Fields of messages that the schema has no place for go to `message_fields`."""
    first = count - len(parts.others)
    put_extras(parts.meta, {str(first + i): one for i, one in enumerate(parts.others) if one})


def _labelled(
    fields: dict[str, Any], meta: dict[str, Any], id: str | None, source: str | None
) -> dict[str, Any]:
    """The record: id and source first, the schema's fields, then everything else."""
    record: dict[str, Any] = {}
    for name, value in (("id", id), ("source", source)):
        if value is not None:
            taken = name in fields or name in meta
            record[f"datamerge_{name}" if taken else name] = value
    record |= fields
    for name, value in meta.items():
        record[spare(record, name)] = value
    return record
