"""Instruction and input: one user turn, and back to two fields.

The turn is the instruction, a blank line and the input. How long each was is kept beside the
message, so no text is stored twice. Where the text has changed since, the blank line nearest
to that place parts it: no word is lost either way.
"""

from __future__ import annotations

from typing import Any

BREAK = "\n\n"
INPUT_AT = "input_at"


def joined(instruction: str, given: str | None) -> tuple[str, str | None]:
    """The user's turn, and what is kept beside it."""
    if not given or given.isspace():
        return instruction, None
    at = f'{{"{INPUT_AT}":[{len(instruction)},{len(given)}]}}'
    return f"{instruction}{BREAK}{given}", at


def forget_input(others: dict[str, Any]) -> tuple[int, int] | None:
    """Take what `joined` kept out of `others`."""
    match others.get(INPUT_AT):
        case [int(before), int(after)]:
            del others[INPUT_AT]
            return before, after
    return None


def parted(content: str, others: dict[str, Any]) -> tuple[str, str]:
    """Instruction and input of a user's turn; takes what was kept out of `others`."""
    lengths = forget_input(others)
    at = _place(content, *lengths) if lengths else -1
    return (content, "") if at < 0 else (content[:at], content[at + 2 :])


def _place(content: str, before: int, after: int) -> int:
    """Where the blank line between the two begins; -1 where there is none."""
    for at in (before, len(content) - after - 2):
        if at >= 0 and content[at : at + 2] == BREAK:
            return at
    scaled = round(before * len(content) / max(before + after + 2, 1))
    return _nearest(content, min(max(scaled, 0), len(content)))


def _nearest(content: str, at: int) -> int:
    before, after = content.rfind(BREAK, 0, at + 2), content.find(BREAK, at)
    if before < 0 or after < 0:
        return max(before, after)
    return before if at - before <= after - at else after
