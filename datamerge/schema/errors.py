"""What goes wrong with a source (`SchemaError`) and with one record of it (`RecordError`)."""

from __future__ import annotations

from typing import Any

JSON_NAMES = {
    type(None): "null",
    dict: "object",
    list: "list",
    tuple: "list",
    str: "string",
    bool: "bool",
    int: "int",
    float: "float",
}


def kind_of(value: Any) -> str:
    """The JSON word for what a value is."""
    return JSON_NAMES.get(type(value), type(value).__name__)


class SchemaError(ValueError):
    """A source cannot be recognised, or an override does not fit it."""


class RecordError(ValueError):
    """One record is odd: it is set aside as malformed, and the source goes on.

    The text of the error is its reason alone.

    Parameters
    ----------
    reason : str
        What is wrong and where in the record, `conversations[3].value is int, expected string`.
    field : str, optional
        The record's field at fault.
    """

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason, field)
        self.reason = reason
        self.field = field

    def __str__(self) -> str:
        return self.reason


def refuse_surrogates(text: str) -> None:
    """A lone surrogate is no character, and no file can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise RecordError(f"a lone surrogate U+{code:04X} is no text") from None


def expected(where: str, value: Any, wanted: str = "string") -> RecordError:
    """The error for a value of the wrong kind at `where`."""
    found = kind_of(value)
    reason = f"{where} is null" if value is None else f"{where} is {found}, expected {wanted}"
    return RecordError(reason, field=where.split("[")[0].split(".")[0] or None)
