"""A list of messages, in any dialect, to roles and contents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .content import flatten
from .definition import Schema
from .errors import RecordError, expected, refuse_surrogates
from .meta import dump, spare
from .words import (
    CONTENT_KEYS,
    ROLE_KEYS,
    ROLE_OF,
    SHAREGPT_WORDS,
    TELLING_ROLE_OF,
)

Extras = list[str | None] | None
Turns = tuple[list[str], list[str], Extras]
TurnReader = Callable[[Any, str], Turns]

_MISSING = object()


def turn_reader(schema: Schema) -> TurnReader:
    """A function from a list of messages, and where it stands, to its turns."""
    plain = ROLE_OF | dict(schema.roles)
    properties = dict(schema.properties)
    role_key, content_key = properties.get("role", "role"), properties.get("content", "content")
    read_odd = _odd_turn_reader(schema)

    def read(turns: Any, where: str) -> Turns:
        if type(turns) is not list:
            turns = as_list(turns, where)
        if turns and type(turns[0]) is str:
            return _alternating(turns, where)
        roles: list[str] = []
        contents: list[str] = []
        others: dict[int, str] = {}
        for turn in turns:
            try:
                role, content = plain[turn[role_key]], turn[content_key]
            except (KeyError, TypeError, IndexError, ValueError):
                content = _MISSING
            if type(content) is not str or len(turn) != 2:
                index = len(roles)
                role, content, extra = read_odd(turn, f"{where}[{index}]")
                if extra:
                    others[index] = dump(extra)
            roles.append(role)
            contents.append(content)
        if not others:
            return roles, contents, None
        return roles, contents, [others.get(index) for index in range(len(roles))]

    return read


def as_list(value: Any, where: str) -> list[Any]:
    """A list, from a tuple or an array of a frame in hand; an error otherwise."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, list):
        raise expected(where, value, "list")
    return value


def _alternating(turns: list[Any], where: str) -> Turns:
    """Bare strings: the user begins, and they take turns."""
    for index, turn in enumerate(turns):
        if type(turn) is not str:
            raise expected(f"{where}[{index}]", turn)
    return [("user", "assistant")[i % 2] for i in range(len(turns))], list(turns), None


def _odd_turn_reader(schema: Schema) -> Callable[[Any, str], tuple[str, str, dict[str, Any]]]:
    """For a message that is not just a known role and a string: slower, and says what is odd."""
    properties = dict(schema.properties)
    role_keys = _first(properties.get("role"), ROLE_KEYS)
    content_keys = _first(properties.get("content"), CONTENT_KEYS)
    renamed: dict[str, str] = {
        key: name for name, key in schema.properties if name not in ("role", "content")
    }
    canonical = role_namer(schema.roles)

    def read_odd(turn: Any, where: str) -> tuple[str, str, dict[str, Any]]:
        if not isinstance(turn, dict):
            raise expected(where, turn, "object")
        role_key = next((key for key in role_keys if turn.get(key) is not None), role_keys[0])
        content_key = next(
            (key for key in content_keys if key != role_key and turn.get(key) is not None), None
        )
        others: dict[str, Any] = {}
        for key, value in turn.items():
            if value is not None and key != role_key and key != content_key:
                name = str(renamed.get(key, key))
                # `content` is where parts are kept.
                others[spare(others, name if name != "content" else "content_")] = value
        role, telling = canonical(turn.get(role_key), f"{where}.{role_key}")
        if telling:
            others[spare(others, "from")] = telling
        shown = content_key or next((key for key in content_keys if key in turn), content_keys[0])
        content = turn[content_key] if content_key else None
        return role, flatten(content, others, f"{where}.{shown}"), others

    return read_odd


def _first(key: str | None, keys: tuple[str, ...]) -> tuple[str, ...]:
    return keys if key is None else (key, *(other for other in keys if other != key))


def role_namer(roles: tuple[tuple[str, str], ...]) -> Callable[[Any, str], tuple[str, str | None]]:
    """A function from a source's word to the role, and the word where it says more."""
    own = dict(roles)

    def canonical(word: Any, where: str) -> tuple[str, str | None]:
        if type(word) is not str:
            raise expected(where, word)
        if word in own:
            return own[word], None
        folded = word.strip().lower()
        if not folded:
            raise RecordError(f"{where} is empty", where.split("[")[0])
        if folded in TELLING_ROLE_OF:
            return TELLING_ROLE_OF[folded], word
        if folded in ROLE_OF:
            return ROLE_OF[folded], None
        refuse_surrogates(word)
        return word, None

    return canonical


def sharegpt_word(role: str, others: dict[str, Any]) -> str:
    """The word a ShareGPT record has for a role: the one it came with, if it said more."""
    word = others.get("from")
    if isinstance(word, str) and TELLING_ROLE_OF.get(word.strip().lower()) == role:
        return str(others.pop("from"))
    return SHAREGPT_WORDS.get(role, role)
