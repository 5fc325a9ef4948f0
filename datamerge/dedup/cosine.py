"""All pairs of rows of a matrix at or above a cosine, block against block.

Float32 products screen; float64 decides. The error of a float32 dot product of two unit
vectors of dimension d is below (d + 2) * 2**-24, so a margin of that size loses no pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .pairs import PAIR


@dataclass(frozen=True)
class Stripe:
    """The rows ``[start, stop)`` against all rows from ``start`` on: the upper triangle's share."""

    vectors: str
    start: int
    stop: int
    floor: float
    tile: int

    def __call__(self, target: str) -> int:
        """Write the stripe's pairs to a file; returns how many there are."""
        from ..workdir import replacing

        matrix = np.load(self.vectors, mmap_mode="r")
        found = list(pairs(matrix, self.start, self.stop, self.floor, self.tile))
        joined = np.concatenate(found) if found else np.zeros(0, PAIR)
        with replacing(Path(target)) as temporary, temporary.open("wb") as file:
            np.save(file, joined, allow_pickle=False)
        return len(joined)


def pairs(
    matrix: np.ndarray, start: int, stop: int, floor: float, tile: int
) -> Iterator[np.ndarray]:
    """Pairs (left < right) of unit float32 rows, left in ``[start, stop)``; tile by tile."""
    dim = matrix.shape[1]
    margin = np.float32(floor - 2 * (dim + 2) * 2.0**-24)
    block = np.ascontiguousarray(matrix[start:stop])
    for column in range(start, len(matrix), tile):
        other = np.ascontiguousarray(matrix[column : column + tile])
        flat = np.flatnonzero(block @ other.T >= margin)
        left, right = flat // len(other) + start, flat % len(other) + column
        upper = left < right
        left, right = left[upper], right[upper]
        if len(left):
            yield from _checked(block, other, left, right, start, column, floor)


def _checked(
    block: np.ndarray,
    other: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    start: int,
    column: int,
    floor: float,
    batch: int = 1 << 16,
) -> Iterator[np.ndarray]:
    """The candidates whose cosine in float64 is at or above the floor."""
    for first in range(0, len(left), batch):
        i, j = left[first : first + batch], right[first : first + batch]
        score = cosine(block[i - start], other[j - column])
        good = score >= floor
        found = np.empty(int(good.sum()), PAIR)
        found["left"], found["right"], found["score"] = i[good], j[good], score[good]
        yield found


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row by row, in float64; at most 1."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    dot = np.einsum("ij,ij->i", a, b)
    norms = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
    return np.minimum(dot / norms, 1.0)
