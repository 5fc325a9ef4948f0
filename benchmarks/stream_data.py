"""Chats in any number, made from the real answers, in which it is known what duplicates what.

Row ``i`` is the same whenever, wherever and in whichever order rows are made. Seven of ten say
something of their own: a real answer in which two words of five are exchanged for others. Each of
the others is made from an earlier one of those:

copy       the same, but for case and white space
near       one word in a hundred exchanged, so that at least 0.87 of the shingles are shared
reordered  neighbouring words of the answer changed places: all words are shared, hardly a shingle
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.parquet as pq

ROWS_A_SHARD = 50_000
LONG, EVERY = 80, 100  # words: of what may be near or reordered; of which one is exchanged
KINDS = ("own", "copy", "near", "reordered")
# A word that is taken in exchange stands this often in the real texts at least.
COMMON = 5
_ENDS = np.array([70, 80, 90, 100])


def mixed(numbers: np.ndarray) -> np.ndarray:
    """The 64-bit hash of each number: splitmix64."""
    with np.errstate(over="ignore"):
        x = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def one_of(number: int, salt: int, bound: int) -> int:
    return int(mixed(np.array([number * 16 + salt]))[0] % np.uint64(bound))


@dataclass(frozen=True)
class Texts:
    """The real texts as numbers of words: answer ``i`` is two of ``starts`` from ``2 * i`` on."""

    words: np.ndarray
    numbers: np.ndarray
    starts: np.ndarray
    common: np.ndarray

    def __len__(self) -> int:
        return (len(self.starts) - 1) // 2

    def kind(self, row: int) -> str:
        drawn = one_of(row, 1, 100) if row else 0
        return KINDS[int(np.searchsorted(_ENDS, drawn, "right"))]

    def of(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Question and answer of a row that says something of its own."""
        base = one_of(row, 2, len(self))
        first, middle, last = self.starts[2 * base : 2 * base + 3].tolist()
        numbers = self._exchanged(self.numbers[first:last], row, 0.4)
        return numbers[: middle - first], numbers[middle - first :]

    def _exchanged(self, numbers: np.ndarray, row: int, share: float) -> np.ndarray:
        drawn = mixed(np.arange(len(numbers)) + np.int64(row) * (1 << 20))
        other = self.common[(drawn >> np.uint64(32)) % np.uint64(len(self.common))]
        return np.where((drawn & np.uint64(0xFFFF)) < share * 0x10000, other, numbers)

    def earlier(self, row: int, long: bool) -> int:
        """A row before this one that says something of its own."""
        start = one_of(row, 3, row)
        for other in [*range(start, max(start - 1000, -1), -1), 0]:
            if self.kind(other) == "own" and (not long or self._length(other) >= LONG):
                return other
        return 0

    def _length(self, row: int) -> int:
        base = one_of(row, 2, len(self))
        return int(self.starts[2 * base + 2] - self.starts[2 * base + 1])

    def record(self, row: int) -> dict[str, Any]:
        kind = self.kind(row)
        of = row if kind == "own" else self.earlier(row, kind != "copy")
        asked, said = self.of(of)
        if kind == "near":
            places = np.arange(row % EVERY % len(said), len(said), EVERY)
            said = said.copy()
            drawn = mixed(np.array([row * 16 + 4])) + places.astype(np.uint64)
            said[places] = self.common[mixed(drawn) % np.uint64(len(self.common))]
        if kind == "reordered":
            even = len(said) // 2 * 2
            said = np.concatenate([said[:even].reshape(-1, 2)[:, ::-1].ravel(), said[even:]])
        question, answer = (" ".join(self.words[some].tolist()) for some in (asked, said))
        if kind == "copy":
            answer = f" {answer.upper() if row % 2 else answer}\n"
        said_by = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return {"messages": said_by, "kind": kind, "of": of}


def texts(path: Path, cache: Path) -> Texts:
    """The words of the real answers; kept in the cache."""
    kept = cache / "words.npz"
    if not kept.exists():
        _keep(path, kept)
    with np.load(kept) as held:
        words = np.array(held["words"].tobytes().decode().split("\0"), dtype=object)
        return Texts(words, held["numbers"], held["starts"], held["common"])


def _keep(path: Path, kept: Path) -> None:
    table = pq.read_table(path, columns=["instruction", "output"])
    known: dict[str, int] = {}
    numbers: list[np.ndarray] = []
    for asked, said in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
        for text in (asked, said):
            some = [known.setdefault(word, len(known)) for word in text.split(" ") if word]
            numbers.append(np.array(some or [0], np.int32))
    starts = np.concatenate([[0], np.cumsum([len(some) for some in numbers])])
    every = np.concatenate(numbers)
    words = list(known)
    plain = np.array([word.isascii() and word.isalpha() for word in words])
    common = np.flatnonzero(plain & (np.bincount(every, minlength=len(words)) >= COMMON))
    joined = np.frombuffer("\0".join(words).encode(), np.uint8)
    temporary = kept.with_suffix(".part.npz")
    np.savez(temporary, words=joined, numbers=every, starts=starts, common=common.astype(np.int32))
    temporary.replace(kept)


def write_shard(made_from: Texts, number: int, path: Path) -> None:
    """A file of rows, unless it is there."""
    if path.exists():
        return
    first = number * ROWS_A_SHARD
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        for lines in _lines(made_from, range(first, first + ROWS_A_SHARD)):
            file.write(lines)
    temporary.replace(path)


def _lines(made_from: Texts, rows: range) -> Iterator[bytes]:
    for row in rows:
        yield orjson.dumps(made_from.record(row), option=orjson.OPT_APPEND_NEWLINE)
