"""A long text as the few pieces that are shown of it: prose, code, the match, what is hidden."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Span = tuple[int, int]

_FENCE = re.compile(r"^[ ]{0,3}(?:```|~~~)[ \t]*([^\n`]*)$", re.MULTILINE)


@dataclass(frozen=True)
class Piece:
    """One piece of a text.

    ``hidden`` pieces hold no text but the number of characters left out; ``code`` pieces name
    their language, if the fence does.
    """

    kind: Literal["prose", "code", "match", "hidden"]
    text: str = ""
    hidden: int = 0
    language: str = ""


def pieces(text: str, most: int, match: Span | None = None) -> list[Piece]:
    r"""What to show of a text in no more than about ``most`` characters.

    The beginning is shown, and the match wherever it is; how much is left out stands in between.

    >>> [piece.kind for piece in pieces("Look:\n```py\n1 + 1\n```", 100)]
    ['prose', 'code']
    """
    shown: list[Piece] = []
    at = 0
    for start, end in _windows(len(text), most, match):
        if start > at:
            shown.append(Piece("hidden", hidden=start - at))
        shown += _parsed(text[start:end], _within(match, start, end))
        at = end
    if at < len(text):
        shown.append(Piece("hidden", hidden=len(text) - at))
    return shown


def _windows(length: int, most: int, match: Span | None) -> list[Span]:
    if length <= most:
        return [(0, length)]
    if match is None or match[1] <= most:
        return [(0, most)]
    around = most // 4
    start, end = max(match[0] - around, 0), min(match[1] + around, length)
    return [(0, most // 2), (start, end)] if start > most // 2 else [(0, end)]


def _within(match: Span | None, start: int, end: int) -> Span | None:
    if match is None or match[0] >= end or match[1] <= start:
        return None
    return max(match[0], start) - start, min(match[1], end) - start


def _parsed(text: str, match: Span | None) -> Iterator[Piece]:
    """Prose and fenced code in turn; the match divides the prose it is in."""
    at = 0
    while fence := _FENCE.search(text, at):
        yield from _prose(text, at, fence.start(), match)
        close = _FENCE.search(text, fence.end())
        inner_end = close.start() if close else len(text)
        code = text[fence.end() : inner_end].strip("\n")
        yield from _code(code, fence[1].strip(), text.find(code, fence.end()), match)
        at = close.end() if close else len(text)
        if close is None:
            return
    yield from _prose(text, at, len(text), match)


def _prose(text: str, start: int, end: int, match: Span | None) -> Iterator[Piece]:
    inside = _within(match, start, end)
    whole = text[start:end]
    cuts = [(whole, False)]
    if inside:
        cuts = [
            (whole[: inside[0]], False),
            (whole[inside[0] : inside[1]], True),
            (whole[inside[1] :], False),
        ]
    else:
        cuts = [(whole.strip("\n"), False)]
    for words, hit in cuts:
        if words.strip() or (words and inside):
            yield Piece("match" if hit else "prose", words)


def _code(code: str, language: str, start: int, match: Span | None) -> Iterator[Piece]:
    """Code stays in one block, unless the match is in it: then that stands by itself."""
    inside = _within(match, start, start + len(code))
    if not inside:
        yield Piece("code", code, language=language)
        return
    before, after = code[: inside[0]], code[inside[1] :]
    if before:
        yield Piece("code", before, language=language)
    yield Piece("match", code[inside[0] : inside[1]])
    if after:
        yield Piece("code", after, language=language)
