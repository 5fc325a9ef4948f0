"""Words of a text, and the row of whole numbers that stands for each of them."""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

# Ideographs, kana and their punctuation are written without spaces: each is a word of its own.
_IDEOGRAPHS = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Letters and digits in a row (cut at 64, so that no word costs much), or one other character.
_WORD = re.compile(rf"[^\W_{_IDEOGRAPHS}]{{1,64}}|\S")
_ACCENTS = re.compile("[\u0300-\u036f]+")

# The most words whose rows are remembered (64 MiB at 128 numbers of 16 bits).
_MOST_WORDS = 1 << 18
# Numbers of words that are found at a time.
_NUMBERS = 1 << 16


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

    def find(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The different words of some texts.

        Returns row numbers, one text after the other; where each text's begin, ``[texts + 1]``;
        and the rows.
        """
        data, offsets = _bytes(texts)
        with self._lock:
            if self._known > _MOST_WORDS:
                self._forget()
            numbers, counts = self._search(data, offsets, whole=False)
            odd = np.flatnonzero(counts < 0)
            if len(odd):
                numbers, counts = self._with_odd(texts, odd, numbers, counts)
            # Rows are only ever added: a view taken now stays right without the lock.
            return numbers, np.concatenate([[0], np.cumsum(counts)]), self._rows

    def _with_odd(
        self, texts: Sequence[str], odd: np.ndarray, numbers: np.ndarray, counts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The numbers with those of texts that are not ASCII, which Python cuts."""
        words = [distinct_words(texts[place]) for place in odd.tolist()]
        found, _ = self._search(*_bytes([word for some in words for word in some]), whole=True)
        simple = np.where(counts < 0, 0, counts)
        counts = simple.copy()
        counts[odd] = [len(some) for some in words]
        before = np.cumsum(simple)[odd]
        return np.insert(numbers, np.repeat(before, counts[odd]), found), counts

    def _search(
        self, data: np.ndarray, offsets: np.ndarray, *, whole: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        from ._word_kernels import find_words

        counts = np.zeros(len(offsets) - 1, np.int64)
        found: list[np.ndarray] = []
        at = 0
        while at < len(counts):
            longest = int(offsets[at + 1] - offsets[at])
            self._make_room(longest)
            numbers = np.empty(max(_NUMBERS, longest), np.int32)
            at, known, filled = find_words(
                *(data, offsets, at, whole, self._arena, self._starts, self._slots, counts),
                *(self._known, numbers, self._stamps, self._stamp),
            )
            found.append(numbers[:filled])
            self._add(known)
        self._stamp += len(counts)
        return np.concatenate(found) if found else np.zeros(0, np.int32), counts

    def _forget(self) -> None:
        self._known, self._stamp = 0, 0
        self._rows = np.empty((0, self._table.shape[1]), np.int16)
        self._arena, self._stamps = np.empty(0, np.uint8), np.empty(0, np.int64)
        self._starts, self._slots = np.zeros(1, np.int64), np.empty(0, np.int32)

    def _make_room(self, more: int) -> None:
        """Room for a text of so many bytes: as many words may be new, and have as many bytes."""
        if self._known + more >= len(self._stamps):
            # Not twice as many where more than the most would be forgotten before they are full.
            size = max(4096, min(2 * self._known, max(self._known, _MOST_WORDS)) + 2 * more)
            new = size - len(self._stamps)
            rows = np.empty((size, self._rows.shape[1]), np.int16)  # what is not filled is not held
            rows[: self._known] = self._rows[: self._known]
            self._rows = rows
            self._stamps = np.concatenate([self._stamps, np.full(new, -1)])
            self._starts = np.concatenate([self._starts, np.zeros(new, np.int64)])
            self._place_again(1 << (2 * size).bit_length())
        bytes_ = int(self._starts[self._known]) + more
        if bytes_ > len(self._arena):
            rest = np.empty(2 * bytes_ + 65_536 - len(self._arena), np.uint8)
            self._arena = np.concatenate([self._arena, rest])

    def _place_again(self, slots: int) -> None:
        from ._word_kernels import place_all

        self._slots = np.full(slots, -1, np.int32)
        place_all(self._arena, self._starts, self._slots, self._known)

    def _add(self, known: int) -> None:
        """Rows for the words that are new."""
        starts = self._starts[self._known : known + 1].tolist()
        for number, start, stop in zip(range(self._known, known), starts, starts[1:], strict=False):
            word = self._arena[start:stop].tobytes().decode("utf-8", "surrogatepass")
            self._rows[number] = self._row(word)
        self._known = known

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


def _bytes(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The texts' UTF-8, one after another, and where each begins, ``[texts + 1]``."""
    try:
        array = pa.array(texts, pa.large_string())
    except UnicodeEncodeError:  # half a surrogate pair
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        array = pa.array(encoded, pa.large_binary())
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int64)[: len(array) + 1] if offsets else np.zeros(1, int)
    return np.frombuffer(data or b"", np.uint8), starts
