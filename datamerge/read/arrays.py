"""Records of JSON files that are not line-based: one array of records, or values in a row.

The elements are found by a vectorised scan of the bytes (which quote opens a string, how deep
the brackets are), so one bad element can be set aside and its neighbours kept, and a file of
any size can be streamed, or shared out among partitions, without being parsed as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import orjson

from .records import Broken, Item
from .values import BOM, SPACE, long_numbers, parse

QUOTE, COMMA, BACKSLASH, SQUARE = b'",\\]'
OPEN, CLOSE = np.frombuffer(b"{[", np.uint8), np.frombuffer(b"}]", np.uint8)
EVERY = 1 << 16  # bytes: one place in so many is enough to share out a file
CURLY = 0x20  # the bit by which a curly bracket differs from a square one


@dataclass
class Scanner:
    """Finds where a file can be cut into elements, one chunk after another.

    An array is cut at its opening bracket, at the commas one level down, and at its closing
    bracket; values in a row are cut behind each bracket that leaves no other one open. Where an
    element closes more than it opened, the next one is not drawn into it.
    """

    is_array: bool
    depth: int = 0
    in_string: bool = False
    escaped: bool = False
    closed: bool = False
    # For places: bytes of which one is told, and where it is in the file.
    every: int = field(default_factory=lambda: EVERY)
    base: int = 0
    number: int = 0
    span: int = -1

    @property
    def first(self) -> np.ndarray:
        """What is known before anything was read: where the first of values in a row begins."""
        return np.zeros((0 if self.is_array else 1, 2), np.int64)

    def places(self, chunk: bytes) -> np.ndarray:
        """Where elements begin behind cuts of the next chunk, and their numbers: some of them."""
        cuts = self.cuts(chunk)
        number = self.number + (not self.is_array)
        found = np.stack([cuts + (self.base + self.is_array), np.arange(len(cuts)) + number], 1)
        self.base += len(chunk)
        self.number += len(cuts)
        if self.closed:
            found = found[:-1]
        spans = found[:, 0] // self.every
        found = found[np.diff(spans, prepend=self.span) > 0]
        self.span = int(spans[-1]) if len(spans) else self.span
        return found

    def cuts(self, chunk: bytes) -> np.ndarray:
        """Offsets of the cuts in the next chunk; for values, of the byte behind each."""
        marks, kind = self._structure(chunk)
        if self.closed or not len(marks):
            return marks[:0]
        step = np.isin(kind, OPEN).astype(np.int8) - np.isin(kind, CLOSE).astype(np.int8)
        start, floor = self.depth, int(self.is_array)
        depth = start + np.cumsum(step, dtype=np.int64)
        depth -= np.minimum(np.minimum.accumulate(depth - floor), 0)
        self.depth = int(depth[-1])
        if not self.is_array:
            return marks[(step < 0) & (depth == 0)] + 1
        before = np.concatenate([[start], depth[:-1]])
        ends = (kind == SQUARE) & (before == 1)
        cuts = marks[(before == 0) | ((step == 0) & (depth == 1)) | ends]
        if ends.any():
            self.closed = True
            cuts = cuts[cuts <= marks[ends][0]]
        return cuts

    def _structure(self, chunk: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Where brackets and commas stand outside strings, and which they are."""
        data = np.frombuffer(chunk, np.uint8)
        curly = data | CURLY
        marks = np.flatnonzero(
            (curly == OPEN[0]) | (curly == CLOSE[0]) | (data == QUOTE) | (data == COMMA)
        )
        kind = data[marks]
        quote = toggles = kind == QUOTE
        if self.escaped or b"\\" in chunk:
            toggles = quote & ~self._escaped(data)[marks]
        inside = (np.cumsum(toggles) + self.in_string) & 1
        if len(inside):
            self.in_string = bool(inside[-1])
        structure = (inside == 0) & ~quote
        return marks[structure], kind[structure]

    def _escaped(self, data: np.ndarray) -> np.ndarray:
        """Boolean per byte: does an odd run of backslashes stand before it?"""
        backslashes = np.flatnonzero(data == BACKSLASH)
        begins = np.flatnonzero(np.diff(backslashes, prepend=-2) > 1)
        starts = backslashes[begins]
        lengths = np.diff(begins, append=len(backslashes))
        odd = (lengths & 1).astype(bool)
        flags = np.zeros(len(data) + 1, bool)
        if self.escaped and len(starts) and starts[0] == 0:
            odd[0] = not odd[0]
        else:
            flags[0] = self.escaped
        flags[(starts + lengths)[odd]] = True
        self.escaped = bool(flags[-1])
        return flags[:-1]


def stream_items(
    chunks: Iterable[bytes], *, is_array: bool, number: int | None = None, is_last: bool = True
) -> Iterator[Item]:
    """Every element of a stream of chunks, and what stands behind the last one.

    A share of a file begins where the element of this number does. Unless it is the last, it ends
    where another one begins.
    """
    first = is_array and number is None
    scanner = Scanner(is_array, depth=int(is_array and not first))
    number = number or 0
    pending: list[bytes] = []
    try:
        for chunk in chunks:
            cuts = scanner.cuts(chunk)
            if not len(cuts):
                pending.append(chunk)
                continue
            data = b"".join((*pending, chunk))
            ends = cuts + (len(data) - len(chunk))
            starts = np.concatenate([[0], ends[:-1] + is_array])
            yield from _elements(data, starts[first:], ends[first:], number)
            number += len(ends) - first
            pending, first = [data[int(ends[-1]) + is_array :]], False
    except Broken as error:
        raise Broken(error.reason, number, b"".join(pending)) from None
    if is_last:
        yield from _behind(b"".join(pending), number, is_open=is_array and not scanner.closed)


def _elements(data: bytes, starts: np.ndarray, ends: np.ndarray, number: int) -> Iterator[Item]:
    """The elements at these places as records; a blank place holds none."""
    exact = set((np.searchsorted(starts, long_numbers(data), "right") - 1 + number).tolist())
    loads = orjson.loads
    for nth, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True), number):
        raw = data[start:end].strip(SPACE)
        try:
            yield nth, (parse if nth in exact else loads)(raw), raw
        except orjson.JSONDecodeError:
            raw = raw.removeprefix(BOM).strip(SPACE)
            if raw:
                yield nth, parse(raw), raw


def _behind(rest: bytes, number: int, *, is_open: bool) -> Iterator[Item]:
    """What stands behind the last element, as one malformed record."""
    rest = rest.strip(SPACE).removeprefix(BOM).strip(SPACE)
    if is_open:
        value = parse(rest) if rest else None
        if rest and not isinstance(value, Broken):
            yield number, value, rest
            number, rest = number + 1, b""
        yield number, Broken("the array is not closed: the file ends too early"), rest
    elif rest:
        yield number, Broken(f"no JSON value: the last {len(rest)} bytes of the file"), rest
