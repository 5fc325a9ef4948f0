"""One question and one answer, and prompts with completions."""

from __future__ import annotations

from typing import Any

from .chats import lead_with_system, turn_writer
from .definition import Schema
from .errors import RecordError, expected
from .meta import leftovers
from .prompted import check_prompt, prompted
from .row import Parts, Reader, Row, Writer, needs_chat, needs_roles
from .turns import turn_reader


def question_reader(schema: Schema) -> Reader:
    """Read a question and its answer, both strings."""
    names = dict(schema.fields)
    question, answer, system = names["question"], names["answer"], names.get("system")
    rest = leftovers((question, answer, system))

    def read(record: dict[str, Any]) -> list[Row]:
        asked, said = record.get(question), record.get(answer)
        if type(asked) is not str:
            raise expected(question, asked)
        if type(said) is not str:
            raise expected(answer, said)
        roles, contents = ["user", "assistant"], [asked, said]
        if system and record.get(system):
            lead_with_system(record[system], system, roles, contents, None)
        return [(roles, contents, None, None, rest(record))]

    return read


def question_writer(schema: Schema) -> Writer:
    """Write one exchange, with a system text where there is one."""
    names = dict(schema.fields)

    def write(parts: Parts) -> dict[str, Any]:
        needs_chat(parts, schema.type)
        system = parts.take_system() if "system" in names else None
        needs_roles(parts, schema.type, ("user", "assistant"))
        parts.forget_input()
        record = dict(zip((names["question"], names["answer"]), parts.contents, strict=True))
        return record | {names["system"]: system} if system else record

    return write


def completion_reader(schema: Schema) -> Reader:
    """Read a prompt and its completion: strings, or lists of messages."""
    names = dict(schema.fields)
    prompt, completion, system = names["prompt"], names["completion"], names.get("system")
    read_turns = turn_reader(schema)
    rest = leftovers((prompt, completion, system))
    rest_and_prompt = leftovers((completion, system))

    def read(record: dict[str, Any]) -> list[Row]:
        asked, said = record.get(prompt), record.get(completion)
        check_prompt(asked, prompt)
        check_prompt(said, completion)
        turns, used = prompted(asked, said, (prompt, completion), read_turns)
        roles, contents, extras = turns
        if not roles:
            raise RecordError("no turns", completion)
        if system and record.get(system):
            extras = lead_with_system(record[system], system, roles, contents, extras)
        return [(roles, contents, extras, None, (rest if used else rest_and_prompt)(record))]

    return read


def completion_writer(schema: Schema) -> Writer:
    """Write strings where one exchange is all there is, lists of messages otherwise."""
    names = dict(schema.fields)
    prompt, completion = names["prompt"], names["completion"]
    write_turn = turn_writer("role", "content")

    def write(parts: Parts) -> dict[str, Any]:
        needs_chat(parts, schema.type)
        if parts.roles[-1] != "assistant" or len(parts.roles) < 2:
            raise RecordError(f"{schema.type} ends with an answer to a prompt", "messages")
        parts.forget_input()
        if parts.is_plain_exchange():
            return {prompt: parts.contents[0], completion: parts.contents[1]}
        turns = [write_turn(*turn) for turn in parts.turns()]
        parts.others.clear()
        return {prompt: turns[:-1], completion: turns[-1:]}

    return write
