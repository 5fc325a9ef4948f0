"""Instructions: Alpaca and its kin, and instructions without an answer."""

from __future__ import annotations

from typing import Any

from .chats import lead_with_system
from .definition import Schema
from .errors import RecordError, expected
from .meta import leftovers
from .row import Parts, Reader, Row, Writer, needs_chat, needs_roles
from .split_input import joined, parted
from .turns import as_list


def alpaca_reader(schema: Schema) -> Reader:
    """Read instruction, input and output; history first, a system text before all."""
    names = dict(schema.fields)
    instruction, answer = names["instruction"], names.get("output")
    given, system, history = names.get("input"), names.get("system"), names.get("history")
    rest = leftovers((instruction, answer, given, system, history))

    def read(record: dict[str, Any]) -> list[Row]:
        content, extra = _user_turn(record, instruction, given)
        roles, contents = ["user"], [content]
        extras: list[str | None] | None = [extra] if extra else None
        if answer:
            roles.append("assistant")
            contents.append(string_in(record, answer))
            extras = [extra, None] if extra else None
        if history and record.get(history):
            before = _history(record[history], history)
            extras = [*[None] * len(before), *extras] if extras else None
            roles = ["user", "assistant"] * (len(before) // 2) + roles
            contents = before + contents
        if system and record.get(system):
            extras = lead_with_system(record[system], system, roles, contents, extras)
        return [(roles, contents, extras, None, rest(record))]

    return read


def string_in(record: dict[str, Any], field: str) -> str:
    """The string in a field, or an error that says what is there instead."""
    value = record.get(field)
    if type(value) is str:
        return value
    if field not in record:
        raise RecordError(f"no field {field!a}", field)
    raise expected(field, value)


def _user_turn(
    record: dict[str, Any], instruction: str, given: str | None
) -> tuple[str, str | None]:
    text = record.get(given) if given else None
    if text is None:
        return string_in(record, instruction), None
    if type(text) is not str:
        raise expected(given or "", text)
    return joined(string_in(record, instruction), text)


def _history(value: Any, field: str) -> list[str]:
    """The contents of earlier turns, user and assistant by turns."""
    contents: list[str] = []
    for index, entry in enumerate(as_list(value, field)):
        pair = as_list(entry, f"{field}[{index}]")
        if len(pair) != 2:
            raise RecordError(f"{field}[{index}] is no pair of user and assistant", field)
        for side, text in enumerate(pair):
            if type(text) is not str:
                raise expected(f"{field}[{index}][{side}]", text)
            contents.append(text)
    return contents


def alpaca_writer(schema: Schema) -> Writer:
    """Write the last exchange as instruction, input and output, the earlier ones as history."""
    names = dict(schema.fields)
    turns = ("user", "assistant") if "output" in names else ("user",)

    def write(parts: Parts) -> dict[str, Any]:
        needs_chat(parts, schema.type)
        system = parts.take_system() if "system" in names else None
        exchanges = len(parts.roles) // len(turns) if "history" in names else 1
        needs_roles(parts, schema.type, turns * max(1, exchanges))
        last = len(parts.roles) - len(turns)
        record: dict[str, Any] = _instructed(parts, last, names)
        if "output" in names:
            record[names["output"]] = parts.contents[-1]
        if system:
            record[names["system"]] = system
        if last:
            record[names["history"]] = [parts.contents[i : i + 2] for i in range(0, last, 2)]
        return record

    return write


def _instructed(parts: Parts, index: int, names: dict[str, str]) -> dict[str, Any]:
    """Instruction and input of one turn; an input that is empty only where an output follows."""
    if "input" not in names:
        return {names["instruction"]: parts.contents[index]}
    instruction, given = parted(parts.contents[index], parts.others[index])
    record = {names["instruction"]: instruction}
    if given or "output" in names:
        record[names["input"]] = given
    return record
