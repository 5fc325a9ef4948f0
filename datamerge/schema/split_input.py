"""Instruction and input: one user turn, and back to two fields.

The turn is the instruction, a blank line and the input. Where the instruction ends is kept
beside the message, as a position: no text is stored twice, and when the text has changed
since, the blank line nearest to it is taken, so that no word is lost either way.
"""

from __future__ import annotations

from typing import Any

BREAK = "\n\n"
INPUT_AT = "input_at"


def joined(instruction: str, given: str | None) -> tuple[str, str | None]:
    """The user's turn, and what is kept beside it."""
    if not given or given.isspace():
        return instruction, None
    return f"{instruction}{BREAK}{given}", f'{{"{INPUT_AT}":{len(instruction)}}}'


def parted(content: str, others: dict[str, Any]) -> tuple[str, str]:
    """Instruction and input of a user's turn; takes the position out of `others`."""
    at = others.get(INPUT_AT)
    if type(at) is not int:
        return content, ""
    del others[INPUT_AT]
    if content[at : at + 2] != BREAK:
        at = _nearest(content, at)
    return (content, "") if at < 0 else (content[:at], content[at + 2 :])


def _nearest(content: str, at: int) -> int:
    """Where the blank line nearest to `at` begins; -1 where there is none."""
    before, after = content.rfind(BREAK, 0, max(at, 0) + 2), content.find(BREAK, max(at, 0))
    if before < 0 or after < 0:
        return max(before, after)
    return before if at - before <= after - at else after
