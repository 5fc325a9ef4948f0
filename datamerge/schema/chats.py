"""Lists of messages: ShareGPT (`conversations`) and OpenAI (`messages`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .content import unflatten
from .definition import Schema
from .errors import RecordError, expected
from .meta import dump, leftovers, load_json, spare
from .row import Parts, Reader, Row, Writer, needs_chat
from .transcript import looks_like_transcript, parse_transcript
from .turns import Turns, sharegpt_word, turn_reader


def chat_reader(schema: Schema) -> Reader:
    """Read records whose turns are one list, with perhaps a system text beside it."""
    field = schema.field("messages") or "messages"
    system = schema.field("system")
    read_turns = turn_reader(schema)
    rest = _rest(schema, field, system)

    def read(record: dict[str, Any]) -> list[Row]:
        turns = record.get(field)
        if type(turns) is list:
            roles, contents, extras = read_turns(turns, field)
        else:
            roles, contents, extras = _unusual(turns, field, read_turns)
        if not roles:
            raise RecordError("no turns", field)
        if system and record.get(system):
            extras = lead_with_system(record[system], system, roles, contents, extras)
        return [(roles, contents, extras, None, rest(record))]

    return read


def _rest(schema: Schema, *used: str | None) -> Callable[[dict[str, Any]], str]:
    """Meta, where tools are called `tools` whatever the source calls them."""
    tools = schema.field("tools")
    if tools in (None, "tools"):
        return leftovers(used)
    taken = {*used, tools}

    def rest(record: dict[str, Any]) -> str:
        others = {key: value for key, value in record.items() if key not in taken}
        if tools in record:
            others[spare(others, "tools")] = record[tools]
        return dump(others)

    return rest


def _unusual(turns: Any, field: str, read_turns: Callable[[Any, str], Turns]) -> Turns:
    """Turns that are not a list as they stand: JSON in a string, a transcript, an array."""
    if turns is None:
        raise RecordError(f"{field} is null", field)
    if type(turns) is not str:
        return read_turns(turns, field)
    if turns.lstrip()[:1] == "[":
        return read_turns(load_json(turns, field), field)
    if not looks_like_transcript(turns):
        raise expected(field, turns, "list")
    roles, contents = parse_transcript(turns)
    return roles, contents, None


def lead_with_system(
    text: Any,
    field: str,
    roles: list[str],
    contents: list[str],
    extras: list[str | None] | None,
) -> list[str | None] | None:
    """Put a system text before the turns, unless they begin with the same one."""
    if type(text) is not str:
        raise expected(field, text)
    if roles and roles[0] == "system" and contents[0] == text:
        return extras
    roles.insert(0, "system")
    contents.insert(0, text)
    return [None, *extras] if extras else None


def chat_writer(schema: Schema) -> Writer:
    """Write a chat as one list of messages."""
    field = schema.field("messages") or "messages"
    properties = dict(schema.properties)
    write_turn = turn_writer(properties.get("role", "role"), properties.get("content", "content"))

    def write(parts: Parts) -> dict[str, Any]:
        needs_chat(parts, schema.type)
        parts.forget_input()
        turns = [write_turn(*turn) for turn in parts.turns()]
        parts.others.clear()
        return {field: turns}

    return write


def turn_writer(
    role_key: str, content_key: str
) -> Callable[[str, str, dict[str, Any]], dict[str, Any]]:
    """ShareGPT has words of its own for the roles; everyone else the usual ones."""

    def write_turn(role: str, content: str, others: dict[str, Any]) -> dict[str, Any]:
        word = sharegpt_word(role, others) if role_key == "from" else role
        turn = {role_key: word, content_key: unflatten(content, others)}
        for name, value in others.items():
            turn[spare(turn, name)] = value
        return turn

    return write_turn
