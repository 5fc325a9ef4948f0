"""The encoder that needs no model: a table of word vectors, averaged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path

import numpy as np

from .words import WordRows

_SHIPPED = Path(__file__).parents[1] / "assets" / "static"
_FILES = ("table.npy", "vocab.txt")
# Part of the fingerprint: raise it when the same table would give other vectors.
_VERSION = b"words-1"

# Texts whose words are looked up at a time, by one thread of a process.
_AT_ONCE = 256


class StaticEncoder:
    """Mean of word vectors from a small table; the default, fast and without a network.

    A text is the set of its words, case and accents aside: each different word counts once,
    common words for little, and order not at all. That finds copies with small edits, in any
    language; it can't tell apart texts that say different things with the same words, and hardly
    sees that two texts say one thing in different words. Which thresholds fit which texts is
    told, with measurements, in ``docs/encoders.md``.

    Sums are of whole numbers, so the vector of a text is the same to the last bit in any company,
    order and thread. The encoder works in the thread that calls it; a pickle of it holds the
    folder's name alone.

    Parameters
    ----------
    folder : path, optional
        Holds ``table.npy`` (int8, ``[words, dim]``) and ``vocab.txt`` (a WordPiece a line), as
        ``scripts/distil_static.py`` writes them. Without it, the table in the package, distilled
        from all-MiniLM-L6-v2.

    Attributes
    ----------
    dim : int
        Length of a vector: 128 for the table in the package.
    fingerprint : str
        Changes with the table, the vocabulary and the way words are read.
    max_characters : int
        What comes after the first 32,768 characters of a text is not read.

    Examples
    --------
    >>> encoder = StaticEncoder()
    >>> vectors = encoder.encode(["a cat sat", "A cat sat.", ""])
    >>> vectors.shape, vectors.dtype.name
    ((3, 128), 'float32')
    >>> bool(vectors[2].any())  # a text without a word is all zeros
    False
    """

    max_characters = 32_768

    def __init__(self, folder: str | PathLike[str] | None = None) -> None:
        self.folder = _SHIPPED if folder is None else Path(folder)
        self._given = None if folder is None else str(folder)
        if not self.lives_in(self.folder):
            raise FileNotFoundError(f"{self.folder} does not hold {' and '.join(_FILES)}")

    @staticmethod
    def lives_in(folder: str | PathLike[str]) -> bool:
        """Whether the folder holds a table for this encoder."""
        return all((Path(folder) / name).is_file() for name in _FILES)

    @property
    def dim(self) -> int:
        return self._table.dim

    @property
    def fingerprint(self) -> str:
        return self._table.fingerprint

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts, float32 ``[len(texts), dim]``.

        Raises
        ------
        TypeError
            One of them is not a string; the message says which.
        """
        table = self._table
        vectors = np.zeros((len(texts), table.dim), np.float32)
        for start in range(0, len(texts), _AT_ONCE):
            some = texts[start : start + _AT_ONCE]
            read = [self._read(text, start + place) for place, text in enumerate(some)]
            numbers, starts, rows = table.rows.find(read)
            _directions(numbers, starts, rows, vectors[start : start + len(read)])
        return vectors

    def _read(self, text: str, place: int) -> str:
        if not isinstance(text, str):
            raise TypeError(f"texts[{place}] is {text!r}, not a string")
        return text[: self.max_characters]

    @property
    def _table(self) -> _Table:
        # One table and one memory of words a process, whichever encoder asks; a folder whose
        # files are written anew is read anew.
        return _load(self.folder, *((self.folder / name).stat().st_mtime_ns for name in _FILES))

    def __reduce__(self) -> tuple[type[StaticEncoder], tuple[str | None]]:
        return type(self), (self._given,)

    def __repr__(self) -> str:
        return f"StaticEncoder({'' if self._given is None else repr(self._given)})"


@dataclass(frozen=True)
class _Table:
    dim: int
    fingerprint: str
    rows: WordRows


@lru_cache(maxsize=4)
def _load(folder: Path, *changed: int) -> _Table:
    table = np.load(folder / "table.npy", allow_pickle=False)
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    if table.dtype != np.int8 or table.ndim != 2 or len(table) != len(vocabulary):
        raise ValueError(
            f"{folder}: table.npy must be int8 with a row for each of the {len(vocabulary)} lines "
            f"of vocab.txt; it is {table.dtype} {list(table.shape)}"
        )
    digest = hashlib.sha256(_VERSION + table.tobytes() + "\n".join(vocabulary).encode())
    return _Table(table.shape[1], f"static-{digest.hexdigest()[:32]}", WordRows(vocabulary, table))


def _directions(
    numbers: np.ndarray, starts: np.ndarray, rows: np.ndarray, vectors: np.ndarray
) -> None:
    """Fill in the unit vectors of texts; zeros for a text without a word."""
    from ._word_kernels import directions

    directions(numbers, starts, rows, vectors)
