"""Screening pairs of vectors in whole numbers of eight bits, and giving up early.

Vectors are of length one. They are turned so that the first dimensions hold most of them: the
principal components of a sample, of which the first k are kept. Write z for the kept part, r for
the length of the rest, q for z in steps of 1/scale, e for the length of z - q. Then

    x . y  <=  z_x . z_y + r_x r_y  <=  q_x . q_y + s_x + s_y,    s = r**2 / 2 + e + e**2 / 2

by Cauchy and Schwarz, |z| <= 1, and 2ab <= a**2 + b**2. So a pair at or above the floor has
``q_x . q_y - (floor / 2 - s_x) - (floor / 2 - s_y) >= 0``, a sum of integers once multiplied by
scale**2 and rounded to the safe side. It holds for every k: most pairs are given up after the
first 32 dimensions, and what is left after the last is computed anew in float64. No pair is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...compute.memory import is_far, picked

CHUNK, ROWS, COLUMNS = 32, 6, 64
# Where giving up is tried, in dimensions.
_STAGES = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
_SAMPLE = 4096
# Above this length components are approximated: that costs d**2 instead of d**3.
_EXACT = 768
# What rows that take part in nothing begin with. More than any sum of products.
_NEVER = -(1 << 28)


@dataclass(frozen=True)
class Turn:
    """An orthonormal basis [d, k] float32, the scale of its whole numbers, the ends of stages."""

    basis: np.ndarray
    scale: float
    stages: tuple[int, ...]

    @classmethod
    def of(cls, matrix: np.ndarray, norms: np.ndarray, floor: float) -> Turn:
        """The turn that fits a sample of the rows; which one it is decides on speed alone."""
        rows = np.unique(np.linspace(0, len(matrix) - 1, min(len(matrix), _SAMPLE)).astype(int))
        sample = unit_rows(matrix, norms, rows)
        basis = _components(sample)
        rest = 1 - np.cumsum(((sample @ basis.astype(np.float32)) ** 2).mean(axis=0))
        enough = int(np.searchsorted(-rest, -max(1 - floor, 0.01))) + 1
        dims = min(-(-enough // CHUNK) * CHUNK, -(-basis.shape[1] // CHUNK) * CHUNK, _STAGES[-1])
        dims = min(end for end in _STAGES if end >= dims)
        basis = _mixed(basis[:, :dims])
        basis = np.pad(basis, ((0, 0), (0, dims - basis.shape[1]))).astype(np.float32)
        largest = float(np.abs(sample @ basis).max(initial=1e-3))
        return cls(
            basis, float(np.float32(127 / largest)), tuple(end for end in _STAGES if end <= dims)
        )

    def save(self, path: Path) -> None:
        """Keep it for the workers."""
        with path.open("wb") as file:
            np.savez(file, basis=self.basis, scale=self.scale, stages=self.stages)

    @classmethod
    def load(cls, path: Path) -> Turn:
        """As it was kept."""
        with np.load(path) as held:
            stages = tuple(int(end) for end in held["stages"])
            return cls(held["basis"], float(held["scale"]), stages)

    def bounds(self, kept: np.ndarray, missed: np.ndarray, floor: float) -> np.ndarray:
        """What a row asks of the sum up to the end of each stage, int64 [n, stages].

        From the squared lengths of its whole numbers' vector and of what rounding took.
        """
        off = rounding(*self.basis.shape)
        e = np.sqrt(missed) + off
        rest = np.maximum(1 - kept, 0) + 2 * off + 2.0**-20
        slack = rest / 2 + e + e**2 / 2
        return np.floor((floor / 2 - slack) * self.scale**2).astype(np.int64)


def rounding(dim: int, dims: int) -> float:
    """How far components may be from the true ones, by rounding of products and of the basis.

    The length of the difference, at the very worst.
    """
    return (dim + 8) * float(np.sqrt(dims)) * 2.0**-24


def block_dtype(turn: Turn, size: int) -> np.dtype:
    """A block of rows as the tile kernel reads it; four bytes of x or y make a number."""
    chunks, stages = turn.basis.shape[1] // CHUNK, len(turn.stages)
    groups, tiles = size // ROWS, size // COLUMNS
    return np.dtype(
        [
            ("x", np.int32, (chunks, groups, CHUNK // 4, ROWS)),
            ("y", np.int32, (chunks, tiles, CHUNK // 4, COLUMNS)),
            ("a", np.int32, (groups, stages, 8)),
            ("b", np.int32, (tiles, stages, COLUMNS)),
        ]
    )


def prepared(
    turn: Turn, matrix: np.ndarray, norms: np.ndarray, rows: np.ndarray, floor: float, size: int
) -> np.ndarray:
    """A block record of these rows of a matrix, filled up to ``size`` with nothing."""
    from ._screen_kernels import quantise

    units = unit_rows(matrix, norms, rows)
    block = np.zeros(1, block_dtype(turn, size))
    one = block[0]
    kept, missed = np.empty((2, len(rows), len(turn.stages)))
    sums = np.empty(kept.shape, np.int64)
    ends = np.array(turn.stages, np.int64)
    scale = np.float32(turn.scale)
    quantise(units @ turn.basis, scale, ends, one["x"], one["y"], kept, missed, sums)
    steps = np.diff(turn.bounds(kept, missed, floor), axis=1, prepend=0)
    # y is 128 too large throughout: take 128 times the sum of x off again.
    nothing = norms[rows] == 0
    of_rows = _filled(-steps - 128 * sums, nothing, size).reshape(-1, ROWS, len(ends))
    one["a"][:, :, :ROWS] = of_rows.transpose(0, 2, 1)
    one["b"][:] = _filled(-steps, nothing, size).reshape(-1, COLUMNS, len(ends)).transpose(0, 2, 1)
    return block


def _filled(starts: np.ndarray, nothing: np.ndarray, size: int) -> np.ndarray:
    """Starts of a whole block; rows of length zero, and those that fill up, never get anywhere."""
    whole = np.zeros((size, starts.shape[1]), np.int32)
    whole[: len(starts)] = starts
    whole[len(starts) :, 0] = _NEVER
    whole[: len(starts)][nothing, 0] = _NEVER
    return whole


def unit_rows(matrix: np.ndarray, norms: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """These rows of a matrix, of length one, float32; rows of zeros stay so."""
    from ._screen_kernels import unit

    units = np.empty((len(rows), matrix.shape[1]), np.float32)
    if is_far(matrix, rows):
        norms, matrix, rows = norms[rows], picked(matrix, rows), np.arange(len(rows))
    unit(matrix, norms, rows, units)
    return units


def _components(sample: np.ndarray) -> np.ndarray:
    """Orthonormal columns, those that hold most of the sample first."""
    dim = sample.shape[1]
    squares = (sample.T @ sample).astype(np.float64)
    if dim <= _EXACT:
        return np.linalg.eigh(squares)[1][:, ::-1]
    some = np.random.default_rng(0).normal(size=(dim, min(dim, _STAGES[-1])))
    for _ in range(3):
        some = np.linalg.qr(squares @ some)[0]
    return some @ np.linalg.eigh(some.T @ squares @ some)[1][:, ::-1]


def _mixed(basis: np.ndarray) -> np.ndarray:
    """The same subspaces of 32 dimensions each, turned at random: no number is huge."""
    rng = np.random.default_rng(0)
    mixed = basis.copy()
    for start in range(0, basis.shape[1], CHUNK):
        some = basis[:, start : start + CHUNK]
        turned = np.linalg.qr(rng.normal(size=(some.shape[1], some.shape[1])))[0]
        mixed[:, start : start + CHUNK] = some @ turned
    return mixed
