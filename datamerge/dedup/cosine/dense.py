"""Groups of rows so alike that their pairs are not worth listing.

Angles obey the triangle inequality: rows within half the floor's angle of one direction reach
the floor with each other. Directions are found in a sample: a row with many neighbours, or the
mean of those neighbours, whichever more rows are near to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from ...compute import each
from ...compute.memory import picked
from ..evidence.pairs import PAIR, Dense
from .compare import compare
from .vectors import Vectors, measured, ordered
from .written import too_many

# Pairs that may be listed: so many in any case, or so many a row; groups are made of more.
FEWEST_PAIRS, PAIRS_PER_ROW = 2_000_000, 64
# And so many times that are too many altogether.
TOO_MANY = 16

_LEFT, _MORE_LEFT, _RIGHT = 512, 4096, 8192
_LEADERS, _SMALLEST, _TRIES = 256, 64, 32
_ROWS = 1 << 17


def budget(rows: int) -> int:
    """How many pairs may be listed."""
    return max(FEWEST_PAIRS, PAIRS_PER_ROW * rows)


def search(
    matrix: Path,
    floor: float,
    folder: Path,
    old: np.ndarray | None = None,
    nearby: Nearby | None = None,
) -> Found:
    """All pairs at or above the floor: listed, or inside a group.

    Raises
    ------
    ValueError
        There are far too many pairs, and they are not in groups.
    """
    values = np.load(matrix, mmap_mode="r")
    norms = measured(values)
    rows = len(norms)
    if rows < 2:
        return Found(np.zeros(0, PAIR), None, {})
    group = _needed(matrix, norms, floor) if rows * (rows - 1) / 2 > budget(rows) else None
    vectors = ordered(str(matrix), floor, norms, folder, old=old, group=group)
    del norms
    most = TOO_MANY * budget(rows)
    if nearby is not None:
        found, about = nearby(vectors, most)
    else:
        found, about = compare(vectors, most), {}
    return Found(found, _dense(values, group), about)


class Nearby(Protocol):
    """A search that may miss pairs, and what is to be told of it."""

    def __call__(self, vectors: Vectors, most: int) -> tuple[np.ndarray, dict[str, Any]]:
        """Find at most so many pairs."""


class Found(NamedTuple):
    """The outcome of a search."""

    pairs: np.ndarray
    dense: Dense | None
    about: dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """Some rows, some others to compare them with, and the products of the two."""

    rows: int
    left: np.ndarray
    right: np.ndarray
    units: np.ndarray
    others: np.ndarray
    products: np.ndarray
    floor: float

    @classmethod
    def of(cls, values: np.ndarray, norms: np.ndarray, floor: float, most: int) -> Sample:
        """Drawn at random, by a fixed seed, of the rows that are not zero."""
        rng = np.random.default_rng(0)
        some = np.flatnonzero(norms > 0).astype(np.int32)
        left = np.sort(rng.permutation(some)[:most])
        right = np.sort(rng.permutation(some)[:_RIGHT])
        units, others = _units(values, norms, left), _units(values, norms, right)
        products = units @ others.T
        products[left[:, None] == right] = -2  # a row is not its own neighbour
        return cls(len(norms), left, right, units, others, products, floor)

    def pairs(self, group: np.ndarray | None = None) -> float:
        """About how many pairs of all rows reach the floor, those inside a group left out."""
        near = self.products >= self.floor
        if group is not None:
            one, other = group[self.left][:, None], group[self.right]
            near &= (one != other) | (one < 0)
        return float(near.mean()) * self.rows * (self.rows - 1) / 2

    def leaders(self, bound: float) -> np.ndarray:
        """Directions that many rows are near to, float64 [n, d]; in the order to join them."""
        found: list[np.ndarray] = []
        failed = 0
        alone = np.ones(len(self.right), bool)
        outside = np.ones(len(self.left), bool)
        least = max(2, _SMALLEST * len(self.right) / self.rows)
        for row in np.argsort(-(self.products >= self.floor).sum(axis=1), kind="stable"):
            if len(found) == _LEADERS or failed == _TRIES:
                break
            if not outside[row]:
                continue
            mean = self.others[alone & (self.products[row] >= self.floor)].sum(axis=0)
            choices = [self.units[row], mean / max(float(np.linalg.norm(mean)), 1e-9)]
            near = [alone & (self.others @ one >= bound) for one in choices]
            best = int(np.argmax([members.sum() for members in near]))
            if near[best].sum() < least:
                failed += 1
                continue
            alone &= ~near[best]
            outside &= self.units @ choices[best] < bound
            found.append(choices[best].astype(np.float64))
        return np.array(found).reshape(-1, self.units.shape[1])


def _needed(matrix: Path, norms: np.ndarray, floor: float) -> np.ndarray | None:
    """The group of every row, if without groups there would be too many pairs."""
    most = budget(len(norms))
    sample = Sample.of(np.load(matrix, mmap_mode="r"), norms, floor, _LEFT)
    if sample.pairs() <= most:
        return None
    group = _grouped(matrix, norms, floor)
    left = sample.pairs(group)
    if left > TOO_MANY * most:
        raise too_many(left, floor)
    return group


def _grouped(matrix: Path, norms: np.ndarray, floor: float) -> np.ndarray:
    """The group of every row, -1 for none; int32."""
    # Both members may be off by the rounding of a product in float64.
    bound = float(np.cos(np.arccos(max(floor, -1.0)) / 2)) + 1e-9
    leaders = Sample.of(np.load(matrix, mmap_mode="r"), norms, floor, _MORE_LEFT).leaders(bound)
    if not len(leaders):
        return np.full(len(norms), -1, np.int32)
    leaders /= np.linalg.norm(leaders, axis=1, keepdims=True)
    starts = range(0, len(norms), _ROWS)
    work = Join(str(matrix), leaders, bound)
    joined = each(work, starts, stage="group", rows=lambda start: min(len(norms) - start, _ROWS))
    group = np.concatenate(joined)
    sizes = np.bincount(group + 1, minlength=len(leaders) + 1)
    group[sizes[group + 1] < 2] = -1
    return group


@dataclass(frozen=True)
class Join:
    """Task: the first leader that each of some rows is near to."""

    matrix: str
    leaders: np.ndarray
    bound: float

    def __call__(self, start: int) -> np.ndarray:
        """Int32; -1 where there is none."""
        values = np.load(self.matrix, mmap_mode="r")[start : start + _ROWS]
        found = np.full(len(values), -1, np.int32)
        for first in range(0, len(values), 4096):
            some = values[first : first + 4096].astype(np.float64)
            lengths = np.linalg.norm(some, axis=1)
            near = some @ self.leaders.T >= self.bound * lengths[:, None]
            near &= (lengths > 0)[:, None]
            joined = np.where(near.any(axis=1), near.argmax(axis=1), -1)
            found[first : first + len(some)] = joined
        return found


def _dense(values: np.ndarray, group: np.ndarray | None) -> Dense | None:
    if group is None or not (group >= 0).any():
        return None
    item = np.flatnonzero(group >= 0)
    item = item[np.argsort(group[item], kind="stable")]
    return Dense(item, group[item], "cosine", {"vectors": values[item]})


def _units(values: np.ndarray, norms: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return (picked(values, rows) / norms[rows][:, None]).astype(np.float32)
