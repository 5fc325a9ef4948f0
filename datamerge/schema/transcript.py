r"""Chats written as one string.

Two forms are known. The first marks turns with `\n\nHuman:` and `\n\nAssistant:`; it is read
and written exactly. The second (`USER:`, `ASSISTANT:`, `FUNCTION RESPONSE:`, each at the
start of a paragraph, turns ended by `<|endoftext|>`) is read only, outer white space removed.
"""

from __future__ import annotations

import re

from .errors import RecordError

_MARKER = re.compile(r"\n\n(Human|Assistant): ?")
_LEADING = re.compile(r"\s*(?:Human|Assistant):")
_CAPITALS = re.compile(r"(?:\A\s*|\n[ \t]*\n[ \t]*)(SYSTEM|USER|ASSISTANT|FUNCTION RESPONSE):")
_LEADING_CAPITALS = re.compile(r"\s*(?:SYSTEM|USER|ASSISTANT):")
_BREAK = "\n\n"
_ROLES = {
    "Human": "user",
    "Assistant": "assistant",
    "SYSTEM": "system",
    "USER": "user",
    "ASSISTANT": "assistant",
    "FUNCTION RESPONSE": "tool",
}
_WORDS = {"user": "Human", "assistant": "Assistant"}


def looks_like_transcript(text: str) -> bool:
    """Whether a string begins with a turn's marker."""
    return bool(_LEADING.match(text) or _LEADING_CAPITALS.match(text))


def is_transcript(text: str) -> bool:
    """Whether a string is a chat, perhaps with something said before its first turn."""
    return has_marker(text) or looks_like_transcript(text)


def has_marker(text: str) -> bool:
    r"""Whether a string holds a `\n\nHuman:` or `\n\nAssistant:` anywhere."""
    return _MARKER.search(text) is not None


def parse_transcript(text: str) -> tuple[list[str], list[str]]:
    r"""Roles and contents of a chat in one string.

    A marker counts wherever it follows a blank line, inside quoted code too: the published
    data escapes nothing. Text before the first marker becomes a system turn; two markers of
    one role in a row are two turns, an empty turn stays an empty turn.

    Examples
    --------
    >>> parse_transcript("\n\nHuman: Hi\n\nAssistant: Hello. What is it?")
    (['user', 'assistant'], ['Hi', 'Hello. What is it?'])
    """
    if not text.startswith(_BREAK) and _LEADING.match(text):
        text = _BREAK + text.lstrip()
    pieces = _MARKER.split(text)
    if len(pieces) == 1 and _LEADING_CAPITALS.match(text):
        return _parse_capitals(text)
    roles = [_ROLES[word] for word in pieces[1::2]]
    contents = pieces[2::2]
    if pieces[0].strip():
        return ["system", *roles], [pieces[0], *contents]
    return roles, contents


def _parse_capitals(text: str) -> tuple[list[str], list[str]]:
    pieces = _CAPITALS.split(text)
    contents = [piece.strip().removesuffix("<|endoftext|>").rstrip() for piece in pieces[2::2]]
    return [_ROLES[word] for word in pieces[1::2]], contents


def write_transcript(roles: list[str], contents: list[str]) -> str:
    r"""The string that `parse_transcript` reads as these turns.

    Examples
    --------
    >>> write_transcript(["user", "assistant"], ["Hi", "Hello."])
    '\n\nHuman: Hi\n\nAssistant: Hello.'
    """
    for index, (role, content) in enumerate(zip(roles, contents, strict=True)):
        if role not in _WORDS:
            raise RecordError(f"a transcript has no word for the {role!a} at turn {index}")
        if has_marker(content):
            raise RecordError(f"turn {index} holds a marker of turns itself", "messages")
    text = "".join(
        f"\n\n{_WORDS[role]}: {content}" for role, content in zip(roles, contents, strict=True)
    )
    if parse_transcript(text) != (roles, contents):
        raise RecordError("the turns would be read back differently", "messages")
    return text
