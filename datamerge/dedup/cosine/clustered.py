"""Comparing only rows that share a cluster, and saying how much that misses.

Spherical k-means on the leading components of a sample; every row joins the few clusters whose
centres are nearest. Within a cluster the search is the exact one, so what is missed are the pairs
that share none. How many: some rows are compared with all others, and their pairs counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ...compute import each
from ...compute.shortage import noting
from ...workdir import arrays, sealed
from ..evidence.pairs import PAIR
from .compare import MOST_TASKS, arithmetic_for, square
from .int8 import Turn, unit_rows
from .screen import Arithmetic, make
from .vectors import Vectors
from .written import gather, write_pairs

# Components that rows are assigned by, and rounds of k-means.
_DIMS, _ROUNDS = 64, 6
_SAMPLE_PER_CLUSTER, _MOST_SAMPLE = 32, 1 << 16
# Rows that are compared with all others to measure the recall.
MEASURED = 1000
_ROWS = 1 << 16


@dataclass(frozen=True)
class Nearest:
    """The search among rows that share one of their nearest clusters."""

    clusters: int | None = None
    probes: int = 8

    def __call__(self, vectors: Vectors, most: int) -> tuple[np.ndarray, dict[str, Any]]:
        """The pairs, and the measured share of all pairs that they are."""
        arithmetic = arithmetic_for(vectors)
        made = Clusters.of(vectors, self.clusters, self.probes)
        found = made.search(arithmetic, most)
        about = made.recall(arithmetic)
        print(
            f"datamerge: {made.clusters:,} clusters, {made.probes} probes: recall "
            f"{about['recall']:.4f} of the {about['recall_pairs']:,} pairs of "
            f"{about['recall_rows']:,} rows"
        )
        return found, {"clusters": made.clusters, "probes": made.probes, **about}


def nearest(mode: str, clusters: int | None, probes: int) -> Nearest | None:
    """The search that is asked for; none means the exact one."""
    if mode not in ("exact", "clustered"):
        raise ValueError(f"mode={mode!r}; it is one of exact, clustered")
    if probes < 1 or (clusters is not None and clusters < 1):
        raise ValueError(f"need at least one cluster and probe, got {clusters=} and {probes=}")
    return None if mode == "exact" else Nearest(clusters, probes)


def count_for(rows: int) -> int:
    """How many clusters suit so many rows."""
    return max(1, min(round(4 * rows**0.5), rows // 64))


@dataclass(frozen=True)
class Clusters:
    """Rows of each cluster, and clusters of each row, in files beside those of the vectors."""

    vectors: Vectors
    clusters: int
    probes: int

    @classmethod
    def of(cls, vectors: Vectors, clusters: int | None, probes: int) -> Clusters:
        """Find the centres, and let every row join its nearest.

        What of this is there stays: it might come out otherwise in its last bits. Pairs go by the
        rows of clusters, and are others where these are.
        """
        folder = Path(vectors.folder)
        clusters = min(clusters or count_for(vectors.rows), vectors.rows)
        probes = min(probes, clusters)
        centres = folder / f"centres-{vectors.key}-{clusters}"
        arrays.once(centres, lambda: _found(vectors, clusters))
        work = Join(vectors, str(centres), arrays.told(arrays.load(centres, "centres")), probes)
        starts = range(0, vectors.rows, _ROWS)
        each(work, starts, stage="cluster", rows=work.count)
        nearest = _nearest(folder, [work.path(start) for start in starts], vectors.rows, probes)
        blocks = (nearest[start : start + _ROWS] for start in starts)
        vectors = replace(vectors, key=f"{vectors.key}-{arrays.told_of(blocks)}")
        _join(folder, nearest, clusters)
        return cls(vectors, clusters, probes)

    def search(self, arithmetic: Arithmetic, most: int | None) -> np.ndarray:
        """The pairs of rows that share a cluster."""
        work = CompareClusters(self.vectors, arithmetic, most)
        return gather(work, shares(np.diff(self.vectors.column("starts"))))

    def recall(self, arithmetic: Arithmetic) -> dict[str, Any]:
        """The share of true pairs of some rows that share a cluster."""
        every = np.arange(self.vectors.rows, dtype=np.int32)
        rows = np.random.default_rng(0).permutation(every)[:MEASURED]
        del every
        work = CompareSome(self.vectors, arithmetic, np.sort(rows))
        blocks = range(self.vectors.blocks)
        parts = each(work, blocks, stage="recall", rows=self.vectors.count)
        found = np.unique(np.concatenate(parts))
        near = self.vectors.column("nearest")
        shared = _shared(near[found["left"]], near[found["right"]]) >= 0
        recall = float(shared.mean()) if len(found) else 1.0
        return {"recall": recall, "recall_rows": len(rows), "recall_pairs": len(found)}


def shares(sizes: np.ndarray) -> list[tuple[int, int]]:
    """The clusters of each task, with about equal numbers of pairs."""
    cost = np.cumsum(sizes.astype(np.float64) ** 2)
    tasks = int(min(MOST_TASKS, len(sizes), 8 + cost[-1] / 1e9))
    cuts = np.searchsorted(cost, cost[-1] * np.arange(1, tasks) / tasks)
    return list(pairwise(np.unique([0, *(cuts + 1).tolist(), len(sizes)]).tolist()))


def _found(vectors: Vectors, clusters: int) -> dict[str, np.ndarray]:
    turn = Turn.of(vectors.values, vectors.column("norms"), vectors.floor)
    basis = np.ascontiguousarray(turn.basis[:, :_DIMS])
    return {"basis": basis, "centres": _centres(vectors, basis, clusters)}


def _centres(vectors: Vectors, basis: np.ndarray, clusters: int) -> np.ndarray:
    """Unit centres, ``[clusters, dims]`` float32."""
    most = min(vectors.rows, max(clusters, min(_SAMPLE_PER_CLUSTER * clusters, _MOST_SAMPLE)))
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(np.arange(vectors.rows, dtype=np.int32))[:most])
    sample = _leading(vectors, basis, rows)
    centres = sample[np.sort(rng.permutation(most)[:clusters])]
    for _ in range(_ROUNDS):
        joined = np.concatenate(
            [(sample[a : a + 4096] @ centres.T).argmax(axis=1) for a in range(0, most, 4096)]
        )
        sums = np.zeros_like(centres)
        np.add.at(sums, joined, sample)
        lengths = np.linalg.norm(sums, axis=1)
        centres = np.where(lengths[:, None] > 0, sums / np.maximum(lengths, 1e-9)[:, None], centres)
    return centres


def _leading(vectors: Vectors, basis: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return unit_rows(vectors.values, vectors.column("norms"), rows) @ basis


def _nearest(folder: Path, paths: Sequence[Path], rows: int, probes: int) -> np.ndarray:
    """The nearest clusters of all rows, each row's in order, in a file that is mapped."""
    found = sealed.mapped(folder / "nearest.npy", np.int32, (rows, probes))
    for first, path in zip(range(0, rows, _ROWS), paths, strict=True):
        found[first : first + _ROWS] = np.sort(arrays.load(path, "nearest"), axis=1)
    found.flush()  # workers read it, maybe elsewhere
    return found


def _join(folder: Path, nearest: np.ndarray, clusters: int) -> None:
    """Keep the rows of each cluster, which rise, cluster behind cluster, and where they start."""
    rows, probes = nearest.shape
    starts = np.zeros(clusters + 1, np.int64)
    for first in range(0, rows, _ROWS):
        some = np.array(nearest[first : first + _ROWS]).ravel()
        starts[1:] += np.bincount(some, minlength=clusters)
    np.cumsum(starts, out=starts)
    joined = sealed.mapped(folder / "joined.npy", np.int32, (rows * probes,))
    filled = starts[:-1].copy()
    for first in range(0, rows, _ROWS):
        some = np.array(nearest[first : first + _ROWS]).ravel()
        order, sizes = np.argsort(some, kind="stable"), np.bincount(some, minlength=clusters)
        begins = np.cumsum(sizes) - sizes
        at = np.arange(len(some)) + np.repeat(filled - begins, sizes)
        joined[at] = order // probes + first
        filled += sizes
    joined.flush()
    np.save(folder / "starts.npy", starts)


@dataclass(frozen=True)
class Join:
    """Task: the nearest clusters of some rows, ``[rows, probes]`` int32."""

    vectors: Vectors
    centres: str
    key: str  # tells these centres from others
    probes: int

    def count(self, start: int) -> int:
        """How many rows these are."""
        return min(self.vectors.rows - start, _ROWS)

    def path(self, start: int) -> Path:
        """Where those from row ``start`` on are."""
        return Path(self.vectors.folder) / f"nearest-{self.key}-{self.probes}-{start:010d}"

    def __call__(self, start: int) -> None:
        """Write them to a file, if it is not there."""
        arrays.once(self.path(start), lambda: {"nearest": self._nearest(start)})

    def _nearest(self, start: int) -> np.ndarray:
        from ._screen_kernels import highest

        basis, centres = (arrays.load(Path(self.centres), name) for name in ("basis", "centres"))
        stop = start + self.count(start)
        nearest = np.empty((stop - start, self.probes), np.int32)
        for a in range(start, stop, 2048):
            rows = np.arange(a, min(a + 2048, stop), dtype=np.int32)
            near = _leading(self.vectors, basis, rows) @ centres.T
            highest(near, nearest[a - start : a - start + len(rows)])
        return nearest


@dataclass(frozen=True)
class CompareClusters:
    """Task: the pairs within some clusters; one that shares several comes from the first."""

    vectors: Vectors
    arithmetic: Arithmetic
    most: int | None

    def __call__(self, some: tuple[int, int]) -> int:
        """Write the pairs of these clusters to a file; returns how many there are."""
        with noting(self.vectors.folder, "compare"):
            return write_pairs(self, some)

    def pairs(self, some: tuple[int, int]) -> Any:
        """The pairs, a few at a time."""
        of = self.vectors
        screen = make(self.arithmetic, of)
        starts, joined = of.column("starts"), of.column("joined")
        near, place = of.column("nearest"), np.empty(of.rows, np.int32)
        place[of.column("order")] = np.arange(of.rows, dtype=np.int32)
        for cluster in range(*some):
            rows = np.array(joined[starts[cluster] : starts[cluster + 1]])
            rows = rows[np.argsort(place[rows], kind="stable")]  # old ones first, by group
            first_new = int((place[rows] < of.first_new).sum())
            cuts = range(0, len(rows), of.size)
            blocks = [screen.made(rows[a : a + of.size]) for a in cuts]
            for i, left in enumerate(blocks):
                for j in range(i, len(blocks)):
                    new = max(0, first_new - j * of.size)
                    for found in square(of, screen, left, blocks[j], i == j, new):
                        shared = _shared(near[found["left"]], near[found["right"]])
                        yield found[shared == cluster]


@dataclass(frozen=True)
class CompareSome:
    """Task: some rows against a block of all."""

    vectors: Vectors
    arithmetic: Arithmetic
    rows: np.ndarray

    def __call__(self, number: int) -> np.ndarray:
        """Their pairs."""
        of = self.vectors
        screen = make(self.arithmetic, of)
        left, right = screen.made(self.rows), screen.made(of.members(number))
        found = [np.zeros(0, PAIR)]
        for pairs in square(of, screen, left, right, False, 0):
            found.append(pairs[pairs["left"] != pairs["right"]])
        both = np.concatenate(found)
        if of.first_new:  # pairs of old rows are not sought
            old = np.zeros(of.rows, bool)
            old[of.column("order")[: of.first_new]] = True
            both = both[~(old[both["left"]] & old[both["right"]])]
        return both


def _shared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The lowest cluster in both of each two rows, which are sorted; -1 where there is none."""
    found = np.full(len(one), -1, np.int32)
    for place in reversed(range(one.shape[1])):
        here = (other == one[:, place : place + 1]).any(axis=1)
        found[here] = one[here, place]
    return found
