"""Scores inside dense groups, whose pairs were not listed: computed when a decision asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .graph import kernels, mapped
from .pairs import Dense, Measure

PRODUCTS = 8_000_000  # float32 products of a group that are held at a time
_ARRAYS = {"cosine": ("vectors",), "jaccard": ("hashes", "starts")}


@dataclass(frozen=True)
class Groups:
    """Groups of rows whose pairs among themselves all reach the floor, and were not listed.

    ``member`` [k] are rows, group after group, in order of rows in each; group ``g`` is from
    ``starts[g]`` to ``starts[g + 1]``. ``arrays`` are those of :class:`Dense`, in that order.
    """

    member: np.ndarray
    starts: np.ndarray
    measure: Measure
    arrays: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def pairs(self) -> int:
        """How many pairs were not listed."""
        sizes = np.diff(self.starts)
        return int((sizes * (sizes - 1) // 2).sum())

    def spans(self) -> np.ndarray:
        """For each member the first and the last place of its group, and one more."""
        sizes = np.diff(self.starts)
        ends = np.column_stack([self.starts[:-1], self.starts[1:]])
        return np.repeat(ends, sizes, axis=0)

    def scorer(self) -> Scorer:
        """What computes scores."""
        return Scorer(self)


Later = Callable[[int], np.ndarray]


class Scorer:
    """Computes scores of one member with its group; keeps the products of those to come."""

    def __init__(self, groups: Groups):
        self.groups = groups
        self._norms: np.ndarray | None = None
        self._rough: dict[int, np.ndarray] = {}
        self._ahead: dict[int, int] = {}

    def reaching(
        self, one: int, first: int, last: int, least: np.ndarray, later: Later | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which of the places ``[first, last)`` reach their ``least`` with ``one``, and how.

        ``later(n)`` tells the next ``n`` places of the group that are likely to be asked for.
        """
        if self.groups.measure == "cosine":
            return self._cosine(one, first, last, least, later)
        score = np.empty(last - first)
        hashes, starts = self.groups.arrays
        kernels().reaching(hashes, starts, one, first, last, least, score)
        good = np.flatnonzero(score >= least)
        return good + first, score[good]

    def _cosine(
        self, one: int, first: int, last: int, least: np.ndarray, later: Later | None
    ) -> tuple[np.ndarray, np.ndarray]:
        from ..cosine._screen_kernels import score as cosines

        vectors = self.groups.arrays[0]
        # The error of a float32 dot product of unit vectors of dimension d is below
        # (d + 2) * 2**-24; as much again for the rounding of lengths.
        margin = 2 * (vectors.shape[1] + 4) * 2.0**-24
        far = self._products(one, first, last, later) < least - margin
        near = np.flatnonzero(~far) + first
        score = np.empty(len(near))
        cosines(vectors, self.norms, np.full(len(near), one), near, score)
        good = score >= least[near - first]
        return near[good], score[good]

    @property
    def norms(self) -> np.ndarray:
        """The lengths of the vectors."""
        if self._norms is None:
            from ..cosine.vectors import measured

            self._norms = measured(self.groups.arrays[0])
        return self._norms

    def _products(self, one: int, first: int, last: int, later: Later | None) -> np.ndarray:
        """Float32 products of one member with its group, of as many as were asked for ahead."""
        held = self._rough.pop(one, None)
        if held is not None:
            return held
        ahead = self._ahead.get(first, 1)
        self._ahead[first] = min(ahead * 2, max(PRODUCTS // (last - first), 1))
        wanted = np.array([one]) if later is None or ahead == 1 else later(ahead)
        if one not in wanted:
            wanted = np.append(wanted, one)
        vectors = self.groups.arrays[0]
        units = (vectors[wanted] / self.norms[wanted, None]).astype(np.float32)
        products = units @ vectors[first:last].T
        products /= self.norms[first:last].astype(np.float32)
        self._rough = dict(zip(wanted.tolist(), products, strict=True))
        return self._rough.pop(one)


def write(folder: Path, dense: Dense, where: np.ndarray) -> None:
    """Write the groups in order; item ``i`` is row ``where[i]``."""
    rows = where[dense.item].astype(np.int32)
    order = np.lexsort((rows, dense.group))
    sizes = np.unique(dense.group, return_counts=True)[1]
    arrays = dict(dense.arrays)
    if not np.array_equal(order, np.arange(len(order))):
        arrays = _ordered(arrays, order)
    arrays |= {"member": rows[order], "groups": np.concatenate([[0], np.cumsum(sizes)])}
    for name, array in arrays.items():
        np.save(folder / f"dense-{name}.npy", array, allow_pickle=False)


def _ordered(arrays: dict[str, np.ndarray], order: np.ndarray) -> dict[str, np.ndarray]:
    if "vectors" in arrays:
        return {"vectors": np.asarray(arrays["vectors"])[order]}
    sizes = np.diff(arrays["starts"])[order]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    take = np.repeat(arrays["starts"][:-1][order] - starts[:-1], sizes) + np.arange(starts[-1])
    return {"hashes": np.asarray(arrays["hashes"])[take], "starts": starts}


def load(folder: Path, measure: Measure) -> Groups:
    """The groups of a folder, mapped."""
    arrays = tuple(mapped(folder / f"dense-{name}.npy") for name in _ARRAYS[measure])
    member, starts = (mapped(folder / f"dense-{name}.npy") for name in ("member", "groups"))
    return Groups(member, starts, measure, arrays)


def sound(groups: Groups, rows: int) -> bool:
    """Whether the arrays are such groups among so many rows, whoever wrote them."""
    member, starts = groups.member, groups.starts
    if (member.dtype, starts.dtype) != (np.int32, np.int64) or not _runs(starts, len(member)):
        return False
    if len(member) and not (member.min() >= 0 and member.max() < rows):
        return False
    if len(np.unique(member)) != len(member):
        return False
    if groups.measure == "cosine":
        vectors = groups.arrays[0]
        return vectors.dtype == np.float32 and vectors.ndim == 2 and len(vectors) == len(member)
    hashes, ends = groups.arrays
    known = hashes.dtype == np.uint64 and hashes.ndim == 1 and ends.dtype == np.int64
    return known and len(ends) == len(member) + 1 and _runs(ends, len(hashes))


def _runs(starts: np.ndarray, length: int) -> bool:
    """Whether these are the ends of runs that cover so much."""
    if starts.ndim != 1 or not len(starts) or starts[0] != 0 or starts[-1] != length:
        return False
    return bool((np.diff(starts) >= 0).all())
