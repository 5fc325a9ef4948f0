"""Records to rows: one function for each source, made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .alpaca import alpaca_reader
from .answers import completion_reader, question_reader
from .chats import chat_reader
from .definition import Schema
from .errors import expected, refuse_surrogates
from .extras import KEY, unfold_extras
from .instances import instances_reader
from .ours import own_reader
from .plain import text_reader
from .preference import preference_reader
from .row import Reader, Row

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
                        refuse_surrogates(string)
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
