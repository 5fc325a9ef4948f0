"""An instruction with several inputs and outputs, nested in one record."""

from __future__ import annotations

from typing import Any

from .alpaca import string_in
from .chats import lead_with_system
from .definition import Schema
from .errors import RecordError, expected
from .meta import dump, leftovers, load, spare
from .row import Parts, Reader, Row, Writer, needs_chat, needs_roles
from .split_input import joined, parted
from .turns import as_list


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
        text, meta = string_in(record, instruction), rest(record)
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
