"""All pairs of rows of a matrix at or above a cosine: whatever screens, float64 decides.

The upper triangle is cut into squares, blocks of rows against blocks of rows; a task takes some
squares beside each other, which share blocks, and writes their pairs to a file. How many pairs
there would be is estimated first: where they are too many, near-equal rows are gathered into
groups (see :mod:`.dense`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ...compute import each
from ...compute.memory import is_far, picked
from ...compute.shortage import noting
from ..evidence.pairs import PAIR
from . import ondevice, resident
from .products import tile_rows
from .screen import Arithmetic, Screen, choose, make
from .vectors import Vectors, block_rows, measured, ordered
from .written import gather, write_pairs

# The most tasks; the fewest squares that are worth one, and the fewest products on a device.
MOST_TASKS, _FEWEST, _PRODUCTS = 4096, 4, 2.5e13
_ORDER = "curve"  # in which squares are counted


def all_pairs(
    matrix: np.ndarray | str | PathLike[str],
    floor: float,
    *,
    old: np.ndarray | None = None,
    group: np.ndarray | None = None,
    most: int | None = None,
    folder: Path | None = None,
) -> np.ndarray:
    """All pairs of rows whose cosine is at or above the floor, each once.

    Parameters
    ----------
    matrix : array or path of a ``.npy`` file
        Float32 ``[rows, dim]``, of any length; rows of zeros are in no pair.
    floor : float
        The lowest cosine, from -1 to 1.
    old : array of bool, optional
        Rows whose pairs among themselves are not wanted.
    group : array of int32, optional
        Rows of one group, numbers from 0 on, are not paired with each other; -1 is no group.
    most : int, optional
        The most pairs that may be found.
    folder : path, optional
        An empty folder for intermediate results, where the pairs stay; all workers see it.

    Returns
    -------
    PAIR records
        In memory; or mapped from ``folder / "found.npy"``.

    Raises
    ------
    ValueError
        A number is NaN or infinite, or there are more pairs than ``most``.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="datamerge-") as temporary:
            place = Path(temporary)
            return np.array(all_pairs(matrix, floor, old=old, group=group, most=most, folder=place))
    if isinstance(matrix, np.ndarray):
        np.save(folder / "matrix.npy", np.asarray(matrix, np.float32))
        matrix = folder / "matrix.npy"
    norms = measured(np.load(matrix, mmap_mode="r"))
    vectors = ordered(str(matrix), floor, norms, folder, old=old, group=group)
    with resident.ending(str(folder)):
        return compare(vectors, most)


def compare(vectors: Vectors, most: int | None = None) -> np.ndarray:
    """The pairs, through tasks of about equal size."""
    work = prepare(vectors, most)
    found = gather(work, work.shares())
    for path in Path(vectors.folder).glob("*.block"):
        path.unlink()
    return found


def prepare(vectors: Vectors, most: int | None) -> Compare:
    """Choose the arithmetic and the size of blocks, and make the blocks ready."""
    arithmetic, rows = _chosen(vectors)
    size, fewest = vectors.size, _FEWEST
    if rows is not None:
        dim = max(vectors.values.shape[1], 1)
        size = block_rows(vectors.rows, dim, vectors.room, most=rows)
        fewest = max(fewest, int(_PRODUCTS / dim / size**2))
    # What is kept of a share of squares is of no use where they are in another order.
    vectors = replace(vectors, size=size, key=f"{vectors.key}-{size}-{_ORDER}")
    if vectors.rows > 1:
        work, blocks = Prepare(vectors, arithmetic), range(vectors.blocks)
        each(work, blocks, stage="quantise", rows=vectors.count)
    return Compare(vectors, arithmetic, most, fewest)


def arithmetic_for(vectors: Vectors) -> Arithmetic:
    """What suits the workers; and what all of them need is made ready."""
    return _chosen(vectors)[0]


def _chosen(vectors: Vectors) -> tuple[Arithmetic, int | None]:
    """And the rows of a block, where a device compares."""
    arithmetic, rows = each(_choice, [vectors.room], stage="choose")[0]
    if vectors.rows > 1:
        make(arithmetic, vectors).begin()
    return arithmetic, rows


def _choice(room: int) -> tuple[Arithmetic, int | None]:
    arithmetic, device = choose(), ondevice.device()
    if arithmetic != "bfloat16" or device is None:
        return arithmetic, None
    kind = ondevice.OnDevice(device)
    return arithmetic, tile_rows(kind.room(room), kind)


@dataclass(frozen=True)
class Prepare:
    """Task: make a block ready."""

    vectors: Vectors
    arithmetic: Arithmetic

    def __call__(self, block: int) -> None:
        """Write its file."""
        make(self.arithmetic, self.vectors).prepare(block)


@dataclass(frozen=True)
class Compare:
    """Task: compare some blocks with some others."""

    vectors: Vectors
    arithmetic: Arithmetic
    most: int | None
    fewest: int = _FEWEST  # squares of a task

    def squares(self) -> np.ndarray:
        """The pairs of blocks, ``[count, 2]`` int32: left at most right, right not all old."""
        blocks = self.vectors.blocks if self.vectors.rows > 1 else 0
        return _squares(blocks, self.vectors.first_new // self.vectors.size)

    def shares(self) -> list[tuple[int, int]]:
        """The squares of each task: some in a row, so that there are not too many tasks."""
        count = len(self.squares())
        size = max(self.fewest, -(-count // MOST_TASKS))
        return [(first, min(first + size, count)) for first in range(0, count, size)]

    def __call__(self, some: tuple[int, int]) -> int:
        """Write the pairs of these squares to a file; returns how many there are."""
        with noting(self.vectors.folder, "compare"):
            return write_pairs(self, some)

    def pairs(self, some: tuple[int, int]) -> Iterator[np.ndarray]:
        """The pairs, a few at a time."""
        of = self.vectors
        screen = make(self.arithmetic, of)
        held: dict[int, Any] = {}
        for left, right in self.squares()[slice(*some)].tolist():
            held = {n: held[n] if n in held else screen.block(n) for n in {left, right}}
            first_new = max(0, of.first_new - right * of.size)
            yield from square(of, screen, held[left], held[right], left == right, first_new)


@lru_cache(maxsize=2)
def _squares(blocks: int, first: int) -> np.ndarray:
    """Squares of so many blocks, of which those from ``first`` on have new rows.

    In the order of a Hilbert curve through the triangle: however many blocks a worker can hold,
    it has to get few of them more than once.
    """
    starts = np.maximum(np.arange(blocks), first)
    left = np.repeat(np.arange(blocks), blocks - starts)
    right = np.concatenate([left[:0], *(np.arange(a, blocks) for a in starts.tolist())])
    order = np.argsort(_along_curve(left, right, blocks.bit_length()), kind="stable")
    return np.column_stack([left, right])[order].astype(np.int32)


def _along_curve(x: np.ndarray, y: np.ndarray, bits: int) -> np.ndarray:
    """How far along a Hilbert curve points lie, whose coordinates have so many bits."""
    far = np.zeros(len(x), np.int64)
    for bit in reversed(range(bits)):
        right, up = x >> bit & 1, y >> bit & 1
        far += (3 * right ^ up) << 2 * bit
        flipped = (up == 0) & (right == 1)
        last = (1 << bits) - 1
        x, y = np.where(flipped, last - x, x), np.where(flipped, last - y, y)
        x, y = np.where(up == 0, y, x), np.where(up == 0, x, y)
    return far


def square(
    vectors: Vectors, screen: Screen, left: Any, right: Any, diagonal: bool, first_new: int
) -> Iterator[np.ndarray]:
    """The pairs of two blocks."""
    for i, j in screen.candidates(left, right, diagonal=diagonal, first_new=first_new):
        if vectors.grouped:
            one, other = left.groups[i], right.groups[j]
            apart = (one != other) | (one < 0)
            i, j = i[apart], j[apart]
        yield scored(vectors, left.rows[i], right.rows[j])


def scored(vectors: Vectors, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The pairs that reach the floor, with their cosine."""
    from ._screen_kernels import score

    scores = np.empty(len(left))
    values, norms, one, other = vectors.values, vectors.column("norms"), left, right
    if is_far(values, left) or is_far(values, right):
        rows, ends = np.unique(np.concatenate([left, right]), return_inverse=True)
        values, norms, (one, other) = picked(values, rows), norms[rows], np.split(ends, 2)
    score(values, norms, one, other, scores)
    good = scores >= vectors.floor
    pairs = np.empty(int(good.sum()), PAIR)
    pairs["left"] = np.minimum(left[good], right[good])
    pairs["right"] = np.maximum(left[good], right[good])
    pairs["score"] = scores[good]
    return pairs
