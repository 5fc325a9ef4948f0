"""Where in a row the phrase stands that a ``drop_detail`` tells of."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# `assistant turn 1: "as an ai language model" (refusals)`, as filters.phrases writes it.
_DETAIL = re.compile(r'(?s)(?:text|(?P<role>.{0,200}) turn (?P<turn>\d{1,9})): "(?P<phrase>.+)"')
_QUOTES = {"'": "['‘’‚‛ʼ＇]", '"': '["“”„‟＂]'}
_LONGEST = 1_000


@dataclass(frozen=True)
class Match:
    """A phrase, and the turn it was found in; ``turn`` is None for a document."""

    phrase: str
    turn: int | None

    def span(self, text: str) -> tuple[int, int] | None:
        """Where the phrase begins and ends in a text, read as loosely as the filter reads."""
        found = _loosely(self.phrase).search(text)
        return found.span() if found else None


def match_of(detail: str | None) -> Match | None:
    """The phrase a detail quotes.

    >>> match_of('assistant turn 1: "as an ai" (refusals)')
    Match(phrase='as an ai', turn=1)
    """
    found = _DETAIL.match(detail or "")
    if not found or len(found["phrase"]) > _LONGEST:
        return None
    return Match(found["phrase"], None if found["turn"] is None else int(found["turn"]))


def _loosely(phrase: str) -> re.Pattern[str]:
    """Any case, any white space, any quotes, letters with accents composed or not."""
    words = ["".join(map(_letter, word)) for word in phrase.split()]
    start = r"(?<!\w)" if phrase[:1].isalnum() else ""
    end = r"(?!\w)" if phrase[-1:].isalnum() else ""
    return re.compile(start + r"\s+".join(words) + end, re.IGNORECASE)


def _letter(character: str) -> str:
    if character in _QUOTES:
        return _QUOTES[character]
    apart = unicodedata.normalize("NFD", character)
    if apart == character:
        return re.escape(character)
    return f"(?:{re.escape(character)}|{re.escape(apart)})"
