"""Preference pairs: one side becomes the chat, the other stays in `meta`, nothing is lost."""

from __future__ import annotations

from typing import Any

from .chats import lead_with_system, turn_writer
from .definition import Schema
from .errors import RecordError, expected
from .meta import leftovers
from .prompted import check_prompt, prompted
from .row import Parts, Reader, Row, Writer, needs_chat
from .transcript import is_transcript, write_transcript
from .turns import turn_reader

_OTHER = {"chosen": "rejected", "rejected": "chosen"}


def preference_reader(schema: Schema) -> Reader:
    """Read the side that `which` names, after the prompt where there is one apart."""
    names = dict(schema.fields)
    side, prompt, system = names[schema.which], names.get("prompt"), names.get("system")
    read_turns = turn_reader(schema)
    rest = leftovers((side, prompt, system))
    rest_and_prompt = leftovers((side, system))

    def read(record: dict[str, Any]) -> list[Row]:
        answer = record.get(side)
        check_prompt(answer, side)
        asked = record.get(prompt) if prompt else None
        if isinstance(asked, (bool, int, float, dict)):
            raise expected(prompt or "", asked, "string or list")
        turns, used = prompted(asked, answer, (prompt or "prompt", side), read_turns)
        roles, contents, extras = turns
        if not roles:
            raise RecordError("no turns", side)
        if system and record.get(system):
            extras = lead_with_system(record[system], system, roles, contents, extras)
        return [(roles, contents, extras, None, (rest if used else rest_and_prompt)(record))]

    return read


def preference_writer(schema: Schema) -> Writer:
    """Write the chat beside the other side, in the form the other side has."""
    names = dict(schema.fields)
    keys = {names[side]: side for side in ("chosen", "rejected")}

    def write(parts: Parts) -> dict[str, Any]:
        needs_chat(parts, schema.type)
        kept = [key for key in keys if parts.meta.get(key) is not None]
        if len(kept) != 1:
            sides = " or ".join(keys)
            raise RecordError(f"a preference pair needs its other side in meta: {sides}", "meta")
        other = parts.meta.pop(kept[0])
        mine = names[_OTHER[keys[kept[0]]]]
        parts.forget_input()
        said = _said(parts, other, names)
        record = {**said, mine: said.pop("answer"), kept[0]: other}
        del record["answer"]
        return record

    return write


def _said(parts: Parts, other: Any, names: dict[str, str]) -> dict[str, Any]:
    """The chat as a prompt (perhaps) and an `answer`, shaped like the other side."""
    prompt = names.get("prompt")
    plain = not any(parts.others)
    if isinstance(other, str) and plain:
        if prompt and prompt not in parts.meta and not is_transcript(other):
            return _strings(parts, prompt, names.get("system"))
        return {"answer": write_transcript(parts.roles, parts.contents)}
    write_turn = turn_writer("role", "content")
    turns = [write_turn(*turn) for turn in parts.turns()]
    parts.others.clear()
    apart = prompt and prompt not in parts.meta and len(turns) > 1
    if apart and not isinstance(other, str) and _begins_with_answer(other):
        return {str(prompt): turns[:-1], "answer": turns[-1:]}
    return {"answer": turns}


def _strings(parts: Parts, prompt: str, system_field: str | None) -> dict[str, Any]:
    """Prompt and answer as strings, the prompt a transcript where it has several turns."""
    system = parts.take_system() if system_field else None
    if len(parts.roles) < 2 or (parts.roles[0], parts.roles[-1]) != ("user", "assistant"):
        raise RecordError("a preference pair is a prompt of the user and an answer", "messages")
    record = {prompt: parts.contents[0], "answer": parts.contents[-1]}
    if not parts.is_plain_exchange():
        opening = write_transcript(parts.roles[:-1], parts.contents[:-1])
        record = {prompt: opening + "\n\nAssistant:", "answer": " " + parts.contents[-1]}
    return record | {str(system_field): system} if system else record


def _begins_with_answer(other: Any) -> bool:
    first = other[0] if isinstance(other, list) and other else other
    return isinstance(first, dict) and first.get("role", first.get("from")) in ("assistant", "gpt")
