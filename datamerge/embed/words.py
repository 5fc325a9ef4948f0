"""Words of a text, and the row of whole numbers that stands for each of them."""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections.abc import Iterable

import numpy as np

# Ideographs, kana and their punctuation are written without spaces: each is a word of its own.
_IDEOGRAPHS = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Letters and digits in a row (cut at 64, so that no word costs much), or one other character.
_WORD = re.compile(rf"[^\W_{_IDEOGRAPHS}]{{1,64}}|\S")
_ACCENTS = re.compile("[\u0300-\u036f]+")

# The most words whose rows are remembered (64 MiB at 128 numbers of 16 bits).
_MOST_WORDS = 1 << 18


def distinct_words(text: str) -> set[str]:
    """The different words of a text, without regard to case and accents.

    >>> sorted(distinct_words("Café, café & 東京!"))
    ['!', '&', ',', 'cafe', '京', '東']
    """
    text = text.lower()
    if not text.isascii():
        text = _ACCENTS.sub("", unicodedata.normalize("NFD", text))
    return set(_WORD.findall(text))


class WordRows:
    """One row of int16 for every word there can be, made when it is first asked for.

    A word of the vocabulary has its row of the table. Another word is the sum of its longest
    pieces, as WordPiece cuts it. One that would fall into single letters has a row of
    pseudo-random numbers made from its spelling: such a sum of letters would make all names,
    numbers and foreign words look alike.
    """

    def __init__(self, vocabulary: Iterable[str], table: np.ndarray) -> None:
        self._pieces = {piece: place for place, piece in enumerate(vocabulary)}
        self._table = table
        self._lock = threading.Lock()
        self._forget()

    def find(self, texts: list[set[str]]) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers of all words of the texts, one text after the other, and the rows."""
        with self._lock:
            if len(self._known) > _MOST_WORDS:
                self._forget()
            for words in texts:
                self._add(words.difference(self._known))
            known = self._known
            numbers = [known[word] for words in texts for word in words]
            # Rows are only ever added: a view taken now stays right without the lock.
            return np.array(numbers, np.intp), self._rows

    def _forget(self) -> None:
        self._known: dict[str, int] = {}
        self._rows = np.empty((4096, self._table.shape[1]), np.int16)

    def _add(self, words: Iterable[str]) -> None:
        for word in words:
            number = len(self._known)
            if number == len(self._rows):
                self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
            self._rows[number] = self._row(word)
            self._known[word] = number

    def _row(self, word: str) -> np.ndarray:
        places = self._cut(word)
        if places is None:
            return spelt(word, self._table.shape[1])
        return self._table[places].sum(axis=0, dtype=np.int16)

    def _cut(self, word: str) -> list[int] | None:
        """Places in the vocabulary of the word's longest pieces; None if there are not any."""
        whole = self._pieces.get(word)
        if whole is not None:
            return [whole]
        places, start = [], 0
        while start < len(word):
            prefix = "##" if start else ""
            for stop in range(len(word), start + 1, -1):
                place = self._pieces.get(prefix + word[start:stop])
                if place is not None:
                    places.append(place)
                    start = stop
                    break
            else:
                return None
        return places


def spelt(word: str, dim: int) -> np.ndarray:
    """Numbers from -32 to 31 that look random and depend on nothing but the word's spelling."""
    digest = hashlib.shake_128(word.encode("utf-8", "surrogatepass")).digest(dim)
    return np.frombuffer(digest, np.int8) >> 2
