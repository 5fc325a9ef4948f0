"""The natural order of ids: by file, then by position as a number."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .adapt import Ids

Key: TypeAlias = tuple[Any, ...]

FEW = 20_000  # below this compiled code takes longer to load than it saves
_POSITION = re.compile(r"^(.*)#(\d+)(?:\.(\d+))?$", re.DOTALL)


def natural_order(ids: Ids, *, unique: bool = True) -> np.ndarray:
    """The order of ids by file, then by position as a number: ``#9`` comes before ``#10``.

    Ids that are integers are in the order of numbers. What does not end in ``#`` and a number
    (``#9.1`` is the second row of record 9) is a file without positions. Of ``#1`` and
    ``#01`` the spelling decides. The same id twice is an error, unless ``unique`` is false.
    """
    keys = _keys(ids)
    order = _sorted(keys)
    tied = np.logical_and.reduce([key[order[1:]] == key[order[:-1]] for key in keys])
    return _by_spelling(ids, order, tied, unique) if tied.any() else order


def key_of(one: str | int) -> Key:
    """What an id is sorted by, but for its spelling."""
    if isinstance(one, int):
        return (one,)
    match = _POSITION.match(one)
    return (match[1], int(match[2]), int(match[3] or 0)) if match else (one, -1, 0)


def is_rising(ids: Ids, many: int = 0) -> bool:
    """Whether each id comes before the next, and no spelling has to decide; see :func:`buckets`."""
    keys = _keys(ids, many)
    tied = np.ones(max(len(ids) - 1, 0), bool)
    for key in keys:
        if (tied & (key[1:] < key[:-1])).any():
            return False
        tied &= key[1:] == key[:-1]
    return not tied.any()


def buckets(ids: Ids, cuts: Sequence[Key], many: int = 0) -> np.ndarray:
    """For each id how many of the cuts, which are in order, are not behind it.

    ``many``: as one of so many ids, which decides whether compiled code is worth it.
    """
    if ids.type == pa.int64():
        return np.searchsorted([cut[0] for cut in cuts], ids.to_numpy(), side="right")
    found = np.empty(len(ids), np.int64)
    split = _compiled(ids, many) if all(cut[1] < 1 << 63 > cut[2] for cut in cuts) else None
    if split is None:
        found[:] = [bisect_right(cuts, key_of(one)) for one in ids.to_pylist()]
        return found
    text, where, *numbers = split
    names = pa.array([cut[0].encode() for cut in cuts], pa.large_binary())
    positions, parts = (np.array([cut[n] for cut in cuts], np.int64) for n in (1, 2))
    ends = np.frombuffer(names.buffers()[1], np.int64)
    heads = np.frombuffer(names.buffers()[2] or b"", np.uint8)
    _kernels().buckets(text, where, *numbers[:3], heads, ends, positions, parts, found)
    return found


def _keys(ids: Ids, many: int = 0) -> tuple[np.ndarray, ...]:
    """What ids are sorted by, the first key first."""
    if ids.type == pa.int64():
        return (ids.to_numpy(),)
    names, run, position, part = _split(ids, many)
    encoded = names.dictionary_encode()
    rank = np.empty(len(encoded.dictionary), np.int64)
    rank[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(rank))
    return rank[encoded.indices.to_numpy()][run], position, part


def _sorted(keys: tuple[np.ndarray, ...]) -> np.ndarray:
    """The stable order by these keys; no work where it is their own."""
    tied = np.ones(max(len(keys[0]) - 1, 0), bool)
    for key in keys:
        if (tied & (key[1:] < key[:-1])).any():
            return np.lexsort(keys[::-1])
        tied &= key[1:] == key[:-1]
    return np.arange(len(keys[0]))


def _by_spelling(ids: Ids, order: np.ndarray, tied: np.ndarray, unique: bool) -> np.ndarray:
    """The order, where ids that stand for one position are in the order of their spelling."""
    group = np.concatenate([[0], np.cumsum(~tied)])
    some = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
    spelt = ids.take(pa.array(order[some])).to_pylist()
    keys = list(zip(group[some].tolist(), spelt, strict=True))
    places = sorted(range(len(some)), key=keys.__getitem__)
    for one, next_one in pairwise(places):
        if unique and keys[one] == keys[next_one]:
            raise ValueError(
                f"id {spelt[one]!r} stands in the frame more than once; ids must be unique"
            )
    order[some] = order[some[places]]
    return order


def _split(
    ids: pa.LargeStringArray, many: int = 0
) -> tuple[pa.Array, np.ndarray, np.ndarray, np.ndarray]:
    """File names, which of them is each id's, its position (-1: none) and its part."""
    found = _compiled(ids, many)
    if found is None:
        return _plainly(ids)
    _, where, name_end, position, part, new = found
    first = pa.array(np.flatnonzero(new))
    length = pa.array((name_end - where[:-1])[new])
    return _shortened(ids.take(first), length), np.cumsum(new) - 1, position, part


def _compiled(ids: pa.LargeStringArray, many: int) -> tuple[np.ndarray, ...] | None:
    """Bytes and offsets of ids; where names end, positions, parts, and which names are new.

    None where compiled code is of no use: for few ids, digits other than ASCII's, or more of them
    than an integer holds.
    """
    _, offsets, data = ids.buffers()
    if max(many, len(ids)) < FEW or data is None:
        return None
    where = np.frombuffer(offsets, np.int64)[ids.offset : ids.offset + len(ids) + 1]
    name_end, position, part = (np.empty(len(ids), np.int64) for _ in range(3))
    new, odd = np.ones(len(ids), bool), np.zeros(len(ids), bool)
    text = np.frombuffer(data, np.uint8)
    _kernels().split_ids(text, where, name_end, position, part, new, odd)
    return None if odd.any() else (text, where, name_end, position, part, new)


def _shortened(values: pa.LargeStringArray, length: pa.Int64Array) -> pa.LargeBinaryArray:
    """The first bytes of each value."""
    offsets = np.concatenate([[0], np.cumsum(length.to_numpy())])
    _, before, data = values.buffers()
    kept = np.empty(int(offsets[-1]), np.uint8)
    _kernels().copy_heads(
        np.frombuffer(data, np.uint8), np.frombuffer(before, np.int64), offsets, kept
    )
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(kept)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(values), buffers)


def _plainly(ids: pa.LargeStringArray) -> tuple[pa.Array, np.ndarray, np.ndarray, np.ndarray]:
    """The same, one id at a time, for any digits and numbers of any size."""
    names, positions, parts = [], [], []
    for key in ids.to_pylist():
        match = _POSITION.match(key)
        names.append(match[1] if match else key)
        positions.append(int(match[2]) if match else -1)
        parts.append(int(match[3] or 0) if match else 0)
    binary = pa.array([name.encode() for name in names], pa.large_binary())
    return binary, np.arange(len(names)), _ranked(positions), _ranked(parts)


def _ranked(numbers: list[int]) -> np.ndarray:
    """The numbers, or where one is too large their ranks."""
    try:
        return np.array(numbers, np.int64)
    except OverflowError:
        rank = {number: place for place, number in enumerate(sorted(set(numbers)))}
        return np.array([rank[number] for number in numbers], np.int64)


@cache
def _kernels() -> Any:
    from . import _id_kernels as compiled

    return compiled
