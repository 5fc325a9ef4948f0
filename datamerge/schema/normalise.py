"""Records to rows and rows to records, one compiled function a schema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from datamerge.schema.alpaca import (
    alpaca_reader,
    alpaca_writer,
    instances_reader,
    instances_writer,
)
from datamerge.schema.answers import (
    completion_reader,
    completion_writer,
    question_reader,
    question_writer,
)
from datamerge.schema.chats import chat_reader, chat_writer
from datamerge.schema.definition import Schema
from datamerge.schema.errors import RecordError, SchemaError, expected
from datamerge.schema.extras import KEY, load_extra, put_extras, unfold_extras
from datamerge.schema.meta import load, spare
from datamerge.schema.ours import own_reader, own_writer
from datamerge.schema.plain import text_reader, text_writer
from datamerge.schema.preference import preference_reader, preference_writer
from datamerge.schema.row import Parts, Reader, Row, Writer
from datamerge.schema.words import SLOTS

_READERS: dict[str, Callable[[Schema], Reader]] = {
    "sharegpt": chat_reader,
    "messages": chat_reader,
    "alpaca": alpaca_reader,
    "prompt_completion": completion_reader,
    "question_answer": question_reader,
    "preference": preference_reader,
    "instances": instances_reader,
    "instruction": alpaca_reader,
    "text": text_reader,
    "datamerge": own_reader,
}
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
_BARE = {"text": str, "messages": list, "sharegpt": list}


def normaliser(schema: Schema, *, utf8: bool = False) -> Reader:
    """The function that reads the records of one source.

    Parameters
    ----------
    schema : Schema
        What `recognise` found.
    utf8 : bool, default False
        The caller has parsed the strings from valid UTF-8 with a parser that refuses lone
        surrogates (orjson, Arrow): they are not checked again.

    Returns
    -------
    callable
        From a record to a list of rows (more than one only for `instances`), each
        `(roles, contents, extras, text, meta)`. A chat has lists of strings as roles and
        contents, for each message a JSON object or None as extras (or None in place of the
        list), and no text; a document has None for the first three. `meta` is a JSON object.

    Raises
    ------
    RecordError
        From the returned function, and nothing else, whatever JSON value it is given.

    Examples
    --------
    >>> read = normaliser(Schema.usual("question_answer"))
    >>> read({"question": "2 + 2?", "answer": "4", "level": 1})
    [(['user', 'assistant'], ['2 + 2?', '4'], None, None, '{"level":1}')]
    >>> read({"question": "2 + 2?", "answer": 4})
    Traceback (most recent call last):
    ...
    datamerge.schema.errors.RecordError: answer is int, expected string
    """
    read_record = _READERS[schema.type](schema)

    def read(record: Any) -> list[Row]:
        if type(record) is not dict:
            record = _as_record(record, schema)
        rows = read_record(record)
        if KEY in record:
            rows = [_unfolded(row) for row in rows]
        if not utf8:
            for _, contents, _, text, _ in rows:
                for string in contents or (text,):
                    if string and not string.isascii():
                        _check(string)
        return rows

    return read


def _as_record(record: Any, schema: Schema) -> dict[str, Any]:
    """A bare string is a document, a bare list a chat."""
    if isinstance(record, dict):
        return dict(record)
    if type(record) is _BARE.get(schema.type):
        return {schema.field("text") or schema.field("messages") or "": record}
    raise expected("record", record, "object")


def _unfolded(row: Row) -> Row:
    """What an earlier write put into `message_fields`, beside its messages again."""
    roles, contents, extras, text, meta = row
    if extras is not None or roles is None:
        return row
    meta, extras = unfold_extras(meta, len(roles))
    return roles, contents, extras, text, meta


def _check(string: str) -> None:
    try:
        string.encode()
    except UnicodeEncodeError as error:
        code = ord(string[error.start])
        raise RecordError(f"a lone surrogate U+{code:04X} is no text") from None


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
    >>> from pprint import pprint
    >>> write = denormaliser("sharegpt")
    >>> pprint(write(["user", "assistant"], ["Hi", "Hello."], None, None, '{"lang":"en"}'))
    {'conversations': [{'from': 'human', 'value': 'Hi'}, {'from': 'gpt', 'value': 'Hello.'}],
     'lang': 'en'}
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
