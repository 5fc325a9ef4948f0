"""Instructions: Alpaca and its kin, nested instances, and instructions without an answer."""

from __future__ import annotations

from typing import Any

from datamerge.schema.chats import lead_with_system
from datamerge.schema.definition import Schema
from datamerge.schema.errors import RecordError, expected
from datamerge.schema.meta import dump, leftovers, load, spare
from datamerge.schema.row import Parts, Reader, Row, Writer, needs_chat, needs_roles
from datamerge.schema.split_input import joined, parted
from datamerge.schema.turns import as_list


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
            contents.append(_string(record, answer))
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


def _string(record: dict[str, Any], field: str) -> str:
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
        return _string(record, instruction), None
    if type(text) is not str:
        raise expected(given or "", text)
    return joined(_string(record, instruction), text)


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


def instances_reader(schema: Schema) -> Reader:
    """Read an instruction with several inputs and outputs: each makes a row."""
    instruction = schema.field("instruction") or "instruction"
    field, system = schema.field("instances") or "instances", schema.field("system")
    rest = leftovers((instruction, field, system))

    def read(record: dict[str, Any]) -> list[Row]:
        instances = record.get(field)
        if type(instances) is not list:
            instances = as_list(instances, field)
        if not instances:
            raise RecordError(f"no {field}", field)
        text, meta = _string(record, instruction), rest(record)
        rows = [_instance(text, one, f"{field}[{i}]", meta) for i, one in enumerate(instances)]
        if not (system and record.get(system)):
            return rows
        return [_with_system(row, record[system], system) for row in rows]

    return read


def _instance(instruction: str, instance: Any, where: str, meta: str) -> Row:
    if not isinstance(instance, dict):
        raise expected(where, instance, "object")
    given, output = instance.get("input"), instance.get("output")
    if type(output) is not str:
        raise expected(f"{where}.output", output)
    if given is not None and type(given) is not str:
        raise expected(f"{where}.input", given)
    content, extra = joined(instruction, given)
    others = {key: value for key, value in instance.items() if key not in ("input", "output")}
    if others:
        meta = _with_instance(meta, others)
    extras = [extra, None] if extra else None
    return ["user", "assistant"], [content, output], extras, None, meta


def _with_instance(meta: str, others: dict[str, Any]) -> str:
    """Meta with the instance's other fields under `instance`."""
    fields = load(meta)
    fields[spare(fields, "instance")] = others
    return dump(fields)


def _with_system(row: Row, text: Any, field: str) -> Row:
    roles, contents, extras, _, meta = row
    if roles is None or contents is None:
        return row
    extras = lead_with_system(text, field, roles, contents, extras)
    return roles, contents, extras, None, meta


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


def instances_writer(schema: Schema) -> Writer:
    """Write one exchange as an instruction with one instance."""
    instruction = schema.field("instruction") or "instruction"
    field, system_field = schema.field("instances") or "instances", schema.field("system")

    def write(parts: Parts) -> dict[str, Any]:
        needs_chat(parts, schema.type)
        system = parts.take_system() if system_field else None
        needs_roles(parts, schema.type, ("user", "assistant"))
        text, given = parted(parts.contents[0], parts.others[0])
        instance = {"input": given, "output": parts.contents[1]}
        others = parts.meta.get("instance")
        if isinstance(others, dict) and others and not others.keys() & instance.keys():
            instance |= parts.meta.pop("instance")
        record: dict[str, Any] = {instruction: text, field: [instance]}
        if system and system_field:
            record[system_field] = system
        return record

    return write
