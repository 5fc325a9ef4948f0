"""Count the pieces WordPiece cuts texts into, fast: a compiled walk over the vocabulary's trie.

BERT's rules, of which the ``tokenizers`` package has the full version: control characters go,
white space separates, each punctuation character stands alone, and a word falls into the longest
pieces the vocabulary has, from the left. Words in ASCII, nearly all of most corpora, are cut
here; runs of other characters are left to the package, each different one once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa

# What an ASCII byte is: nothing at all, white space, punctuation, or 3 + a letter or digit.
_NOTHING, _SPACE, _PUNCTUATION, _FIRST = 0, 1, 2, 3
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_LONGEST = 100  # a longer word is one unknown piece


def _classes() -> np.ndarray:
    classes = np.full(128, _NOTHING, np.uint8)
    classes[33:127] = _PUNCTUATION
    classes[[ord(space) for space in " \t\n\r"]] = _SPACE
    for place, letter in enumerate(_ALPHABET):
        classes[[ord(letter), ord(letter.upper())]] = _FIRST + place
    return classes


@dataclass(frozen=True, eq=False)
class Pieces:
    """A vocabulary as a trie: ``children[node, letter]`` is a node, or 0.

    Node 1 is where words begin, node 2 where their continuations do (``##``).
    """

    children: np.ndarray
    is_piece: np.ndarray
    others: Callable[[list[str]], list[int]]

    @classmethod
    def of(cls, vocabulary: Iterable[str], others: Callable[[list[str]], list[int]]) -> Pieces:
        """Build the trie; ``others`` counts pieces of words that are not ASCII."""
        children = [[0] * len(_ALPHABET) for _ in range(3)]
        ends = set()
        for piece in vocabulary:
            inside = piece.startswith("##") and len(piece) > 2
            letters = [_ALPHABET.find(letter) for letter in (piece[2:] if inside else piece)]
            if -1 in letters:
                continue  # punctuation stands alone; other scripts are for `others`
            node = 2 if inside else 1
            for letter in letters:
                if not children[node][letter]:
                    children[node][letter] = len(children)
                    children.append([0] * len(_ALPHABET))
                node = children[node][letter]
            ends.add(node)
        is_piece = np.zeros(len(children), np.bool_)
        is_piece[list(ends)] = True
        return cls(np.array(children, np.int32), is_piece, others)

    def count(self, texts: pa.LargeStringArray) -> np.ndarray:
        """The number of pieces of each text, [n] int64; a missing text has none."""
        counts = np.zeros(len(texts), np.int64)
        _, offsets, data = texts.buffers()
        if not len(texts) or data is None:
            return counts
        offsets = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
        letters = np.frombuffer(data, np.uint8)
        rows = np.empty(_count_runs(letters, offsets), np.int64)
        starts, stops = np.empty_like(rows), np.empty_like(rows)
        _count(
            letters, offsets, _CLASSES, self.children, self.is_piece, counts, rows, starts, stops
        )
        if len(rows):
            np.add.at(counts, rows, self._count_others(data, starts, stops))
        return counts

    def _count_others(self, data: pa.Buffer, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """Pieces of the runs of bytes that are not all ASCII."""
        view = memoryview(data)
        runs = [bytes(view[a:b]) for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
        encoded = pa.array(runs, pa.large_string()).dictionary_encode()
        each = np.array(self.others(encoded.dictionary.to_pylist()), np.int64)
        return each[encoded.indices.to_numpy()]


_CLASSES = _classes()


@numba.njit(nogil=True, cache=True)
def _is_space(byte):
    return byte == 32 or byte == 9 or byte == 10 or byte == 13


@numba.njit(nogil=True, cache=True)
def _count_runs(letters, offsets):
    """How many runs between white space hold a byte beyond ASCII."""
    runs = 0
    for i in range(len(offsets) - 1):
        beyond = False
        for j in range(offsets[i], offsets[i + 1]):
            if letters[j] >= 128:
                runs += not beyond
                beyond = True
            elif _is_space(letters[j]):
                beyond = False
    return runs


@numba.njit(nogil=True, cache=True)
def _count(letters, offsets, classes, children, is_piece, counts, rows, starts, stops):
    """Count the pieces of each text; put the runs left out in ``rows``, ``starts``, ``stops``."""
    word = np.empty(_LONGEST, np.uint8)
    left = 0
    for i in range(len(offsets) - 1):
        j, end = offsets[i], offsets[i + 1]
        while j < end:
            if _is_space(letters[j]):
                j += 1
                continue
            start, beyond = j, False
            while j < end and not _is_space(letters[j]):
                beyond |= letters[j] >= 128
                j += 1
            if beyond:
                rows[left], starts[left], stops[left] = i, start, j
                left += 1
            else:
                counts[i] += _pieces_of_run(letters, start, j, classes, children, is_piece, word)


@numba.njit(nogil=True, cache=True)
def _pieces_of_run(letters, start, stop, classes, children, is_piece, word):
    """Pieces of a run of ASCII without white space: words, and punctuation between them."""
    pieces = 0
    length = 0
    for j in range(start, stop):
        what = classes[letters[j]]
        if what >= _FIRST:
            if length < _LONGEST:
                word[length] = what - _FIRST
            length += 1
        elif what == _PUNCTUATION:
            pieces += 1 + _pieces_of_word(word, length, children, is_piece)
            length = 0
    return pieces + _pieces_of_word(word, length, children, is_piece)


@numba.njit(nogil=True, cache=True)
def _pieces_of_word(word, length, children, is_piece):
    """The longest piece from the left, again and again; one if the word cannot be cut so."""
    if length > _LONGEST:
        return 1
    pieces = 0
    at = 0
    while at < length:
        node = 2 if at else 1
        longest = 0
        for j in range(at, length):
            node = children[node, word[j]]
            if node == 0:
                break
            if is_piece[node]:
                longest = j + 1
        if longest == 0:
            return 1
        at = longest
        pieces += 1
    return pieces
