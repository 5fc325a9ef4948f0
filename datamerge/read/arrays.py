"""Records of JSON files that are not line-based: one array of records, or values in a row.

The elements are found by a vectorised scan of the bytes (which quote opens a string, how deep
the brackets are), so one bad element can be set aside and its neighbours kept, and a file of
any size can be shared out among partitions without being parsed as a whole.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import orjson

from .lines import BOM, CHUNK, parse
from .records import Broken, Item

QUOTE, BACKSLASH, COMMA = b'"'[0], b"\\"[0], b","[0]
OPEN, CLOSE = np.frombuffer(b"[{", np.uint8), np.frombuffer(b"]}", np.uint8)
SPACE = b" \t\r\n"


@dataclass
class _State:
    """What a scan has to remember between two chunks."""

    in_string: bool = False
    escaped: bool = False
    depth: int = 0


def element_bounds(file: BinaryIO, *, is_array: bool) -> np.ndarray:
    """Where the file can be cut into elements: int64 ``[n, 2]`` byte ranges, end exclusive.

    In an array the elements stand one level down and end at a comma or at the closing
    bracket; otherwise each top-level value that is an object or array is an element.
    """
    file.seek(0)
    state, base, cuts = _State(), 0, []
    while chunk := file.read(16 * CHUNK):
        cuts.append(_cuts(np.frombuffer(chunk, np.uint8), base, state, is_array))
        base += len(chunk)
    ends = np.concatenate(cuts) if cuts else np.zeros(0, np.int64)
    if not is_array:
        return np.column_stack([np.concatenate([[0], ends[:-1]]), ends]) if len(ends) else _NONE
    # The first cut is the opening bracket; an unfinished array ends where the file does.
    if len(ends) and state.depth > 0:
        ends = np.append(ends, base)
    return np.column_stack([ends[:-1] + 1, ends[1:]]) if len(ends) > 1 else _NONE


_NONE = np.zeros((0, 2), np.int64)


def _cuts(data: np.ndarray, base: int, state: _State, is_array: bool) -> np.ndarray:
    """Offsets of the cuts in one chunk; brings the state up to the chunk's end."""
    outside = _outside_strings(data, state)
    opening, closing = np.isin(data, OPEN) & outside, np.isin(data, CLOSE) & outside
    step = opening.astype(np.int8) - closing.astype(np.int8)
    marks = np.flatnonzero((step != 0) | ((data == COMMA) & outside))
    depth = state.depth + np.cumsum(step[marks], dtype=np.int64)
    if len(depth):
        state.depth = int(depth[-1])
    kind = data[marks]
    if is_array:
        comma = (kind == COMMA) & (depth == 1)
        bracket = ((step[marks] > 0) & (depth == 1)) | ((step[marks] < 0) & (depth == 0))
        return base + marks[comma | bracket]
    return base + marks[(step[marks] < 0) & (depth == 0)] + 1


def _outside_strings(data: np.ndarray, state: _State) -> np.ndarray:
    """Boolean per byte: not inside a string. Quotes behind an odd run of backslashes don't count."""
    quotes = np.flatnonzero(data == QUOTE)
    backslash = data == BACKSLASH
    if backslash.any() or state.escaped:
        quotes = quotes[~_escaped(backslash, state)[quotes]]
    else:
        state.escaped = False
    toggles = np.zeros(len(data), np.uint8)
    toggles[quotes] = 1
    inside = (np.cumsum(toggles, dtype=np.uint8) & 1).astype(bool) ^ state.in_string
    state.in_string ^= bool(len(quotes) & 1)
    return ~inside


def _escaped(backslash: np.ndarray, state: _State) -> np.ndarray:
    """Boolean per byte: does an odd run of backslashes stand before it?"""
    n = len(backslash)
    index = np.arange(n)
    # The last byte before each position that is not a backslash; -1 where the run began earlier.
    last = np.maximum.accumulate(np.where(backslash, -1, index))
    before = np.concatenate([[-1], last[:-1]])
    run = index - 1 - before
    run[before == -1] += int(state.escaped)
    tail = n - 1 - int(last[-1])
    if last[-1] == -1:
        tail += int(state.escaped)
    state.escaped = bool(tail & 1)
    return (run & 1).astype(bool)


def array_items(file: BinaryIO, bounds: np.ndarray, first: int) -> Iterator[Item]:
    """The elements within these bounds as records; ``first`` is the number of the first one."""
    if not len(bounds):
        return
    base = int(bounds[0, 0])
    file.seek(base)
    data = file.read(int(bounds[-1, 1]) - base)
    for nth, (start, end) in enumerate(bounds.tolist(), first):
        raw = data[start - base : end - base].strip(SPACE).removeprefix(BOM)
        try:
            yield nth, orjson.loads(raw), raw
        except orjson.JSONDecodeError:
            if raw:
                yield nth, parse(raw), raw


def all_items(data: bytes) -> Iterator[Item]:
    """Every element of a JSON file that is held in memory (a small or a compressed one)."""
    body = data.removeprefix(BOM).lstrip(SPACE)
    is_array = body.startswith(b"[")
    if is_array:
        try:
            for nth, value in enumerate(orjson.loads(body)):
                yield nth, value, None
            return
        except orjson.JSONDecodeError:
            pass  # find out below which element it is
    file = io.BytesIO(data)
    bounds = element_bounds(file, is_array=is_array)
    yield from array_items(file, bounds, 0)
    yield from after_last(file, bounds)


def after_last(file: BinaryIO, bounds: np.ndarray) -> Iterator[Item]:
    """Whatever stands behind the last element, apart from closing brackets, as malformed."""
    end = int(bounds[-1, 1]) if len(bounds) else 0
    file.seek(end)
    if rest := file.read().strip(SPACE + b"[]" + BOM):
        yield len(bounds), Broken(f"not a JSON value: byte {end} to the end of the file"), rest
