"""A prompt and what answers it, each a string or a list of messages, to one chat."""

from __future__ import annotations

from typing import Any

from .errors import RecordError, expected
from .transcript import is_transcript, parse_transcript
from .turns import TurnReader, Turns

_OPENING = "\n\nHuman:"


def prompted(
    prompt: Any, answer: Any, names: tuple[str, str], read_turns: TurnReader
) -> tuple[Turns, bool]:
    """The chat, and whether the prompt went into it (it may be there already)."""
    if isinstance(answer, dict):
        answer = [answer]
    if type(answer) is str:
        return _string_answer(prompt, answer, names, read_turns)
    turns = read_turns(answer, names[1])
    if prompt is None:
        return turns, False
    if type(prompt) is str:
        if turns[0][:1] != ["assistant"]:
            return turns, False
        return _chained((["user"], [prompt], None), turns), True
    first = read_turns(prompt, names[0])
    size = len(first[0])
    if size < len(turns[0]) and first[:2] == (turns[0][:size], turns[1][:size]):
        return turns, False
    return _chained(first, turns), True


def _string_answer(
    prompt: Any, answer: str, names: tuple[str, str], read_turns: TurnReader
) -> tuple[Turns, bool]:
    if prompt is None:
        if not is_transcript(answer):
            raise RecordError(f"{names[1]} has no turns and there is no {names[0]}", names[1])
        return (*parse_transcript(answer), None), False
    if type(prompt) is not str:
        return _chained(read_turns(prompt, names[0]), (["assistant"], [answer], None)), True
    if answer.startswith(_OPENING):
        return (*parse_transcript(answer), None), False
    if prompt.startswith(_OPENING):
        roles, contents = parse_transcript(prompt)
        if roles[-1] == "assistant" and not contents[-1]:
            return (roles, [*contents[:-1], answer.removeprefix(" ")], None), True
        return ([*roles, "assistant"], [*contents, answer], None), True
    return (["user", "assistant"], [prompt, answer], None), True


def _chained(first: Turns, then: Turns) -> Turns:
    """One chat after another."""
    extras = None
    if first[2] or then[2]:
        extras = [*(first[2] or [None] * len(first[0])), *(then[2] or [None] * len(then[0]))]
    return [*first[0], *then[0]], [*first[1], *then[1]], extras


def check_prompt(value: Any, field: str) -> None:
    """A prompt or an answer is a string, a list of messages or one message."""
    if value is None or isinstance(value, (bool, int, float)):
        raise expected(field, value, "string or list")
