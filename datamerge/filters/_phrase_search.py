"""Search many texts for many phrases: a regular expression screens, plain Python decides.

Both look at a text in the same folded form, where case, kinds of apostrophe and composed or
decomposed letters are alike. The screen asks RE2 for any of the phrases in one pass over all
texts; it may find too much, never too little. What it finds is decided word by word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# RE2 keeps its automaton in 8 MB and crawls beyond that: 346 phrases of 25 letters ran at
# 550 MB/s, 692 at 5 MB/s. Each expression holds no more than this many letters.
LETTERS_A_PASS = 5_000

# White space as Python knows it. Classes beyond ASCII multiply the states of the automaton, so
# folding makes spaces out of the rest and the screen asks for the first kind only.
_SPACE = r"[\x09-\x0d\x1c-\x20]+"
_WIDE_SPACE = r"[\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"
_ALIKE = {"'": "‘’‚‛ʼ＇", '"': "“”„‟＂", "σ": "ς"}
_TOKEN = re.compile(r"\w+|[^\w\s]")


def fold(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Texts with lower case, plain spaces, straight quotes and composed letters."""
    # One capital letter is two in lower case, which Arrow leaves out.
    folded = pc.utf8_lower(pc.replace_substring(texts, "İ", "i\u0307"))
    folded = pc.replace_substring_regex(folded, _WIDE_SPACE, " ")
    for plain, others in _ALIKE.items():
        folded = pc.replace_substring_regex(folded, f"[{others}]", plain)
    composed = [unicodedata.normalize("NFC", text) for text in folded.to_pylist()]
    return pa.array(composed, pa.large_string())


def fold_one(text: str) -> str:
    """One text folded, with each run of white space made a single space."""
    folded = text.lower() if text.isascii() else _fold_beyond_ascii(text)
    return " ".join(folded.split())


def _fold_beyond_ascii(text: str) -> str:
    return fold(pa.array([text], pa.large_string()))[0].as_py()


@dataclass(frozen=True)
class Hit:
    """Phrase number ``phrase`` is in text number ``text``."""

    text: int
    phrase: int


@dataclass(frozen=True, eq=False)
class Search:
    """Phrases made ready: patterns for the screen, phrases by their first word for the rest."""

    patterns: tuple[str, ...]
    by_word: dict[str, list[tuple[str, int]]]

    def hits(self, texts: pa.LargeStringArray) -> Iterator[Hit]:
        """For each text that holds a phrase, the one that comes first (the longest of several)."""
        candidates = np.flatnonzero(self.screen(texts))
        if not len(candidates):
            return
        for row, text in zip(candidates, texts.take(pa.array(candidates)).to_pylist(), strict=True):
            phrase = self.first(fold_one(text))
            if phrase is not None:
                yield Hit(int(row), phrase)

    def screen(self, texts: pa.LargeStringArray) -> np.ndarray:
        """Boolean per text: may it hold a phrase?"""
        if not len(texts) or not self.patterns:
            return np.zeros(len(texts), bool)
        found = self._any_pattern(texts)
        rest = np.flatnonzero(_booleans(pc.invert(pc.string_is_ascii(texts))))
        if len(rest):
            found[rest] = self._any_pattern(fold(texts.take(pa.array(rest))))
        return found

    def _any_pattern(self, texts: pa.LargeStringArray) -> np.ndarray:
        found = np.zeros(len(texts), bool)
        for pattern in self.patterns:
            found |= _booleans(pc.match_substring_regex(texts, pattern))
        return found

    def first(self, folded: str) -> int | None:
        """The phrase that begins first in a folded text, the longest where several do."""
        for token in _TOKEN.finditer(folded):
            for phrase, number in self.by_word.get(token.group(), ()):
                start = token.start()
                if folded.startswith(phrase, start) and _ends(folded, phrase, start + len(phrase)):
                    return number
        return None


def _ends(folded: str, phrase: str, end: int) -> bool:
    """Does the word end where the phrase does?"""
    return not (_is_word(phrase[-1]) and _is_word(folded[end : end + 1]))


def _is_word(character: str) -> bool:
    return character == "_" or character.isalnum()  # as ``\w``; the empty string is none


def _booleans(values: pa.BooleanArray) -> np.ndarray:
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False)


@lru_cache(maxsize=16)
def search(phrases: tuple[str, ...]) -> Search:
    """Prepare phrases; done once a process for the same ones."""
    by_word: dict[str, list[tuple[str, int]]] = {}
    folded = [fold_one(phrase) for phrase in phrases]
    for number, phrase in enumerate(folded):
        token = _TOKEN.search(phrase)
        if token is None:
            raise ValueError(f"phrase {phrases[number]!r} holds nothing to search for")
        by_word.setdefault(token.group(), []).append((phrase, number))
    for candidates in by_word.values():
        candidates.sort(key=lambda candidate: (-len(candidate[0]), candidate[1]))
    return Search(tuple(_patterns(sorted(set(folded)))), by_word)


def _patterns(folded: list[str]) -> Iterator[str]:
    """Expressions that between them hold every phrase, none longer than RE2 likes."""
    batch: list[str] = []
    letters = 0
    for phrase in folded:
        if batch and letters + len(phrase) > LETTERS_A_PASS:
            yield _pattern(batch)
            batch, letters = [], 0
        batch.append(phrase)
        letters += len(phrase)
    if batch:
        yield _pattern(batch)


def _pattern(folded: list[str]) -> str:
    return "(?i)(?:" + "|".join(_alternative(phrase) for phrase in folded) + ")"


def _alternative(phrase: str) -> str:
    words = _SPACE.join("".join(map(_letter, word)) for word in phrase.split(" "))
    # RE2's \b knows ASCII words only, so it is asked for where a phrase's edge is one of those.
    start = r"\b" if phrase[0].isascii() and _is_word(phrase[0]) else ""
    end = r"\b" if phrase[-1].isascii() and _is_word(phrase[-1]) else ""
    return start + words + end


def _letter(character: str) -> str:
    return character if character.isalnum() else f"\\x{{{ord(character):x}}}"
