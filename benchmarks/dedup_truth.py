"""What is true, found the plain slow way, and how far a tool's outcome is from it.

Nothing of datamerge is used here: shingles are made in Python, pairs counted by scipy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash
from dedup_near import shingles
from scipy import sparse

CELLS = 20_000_000  # of a product of sparse matrices, at a time


@dataclass(frozen=True)
class Truth:
    """Rows with equal shingle sets are one class; pairs are of classes.

    ``of_row`` is -1 for a row without a word. ``left < right`` index the classes, which are
    numbered by their first row.
    """

    of_row: np.ndarray
    left: np.ndarray
    right: np.ndarray

    @property
    def classes(self) -> int:
        return int(self.of_row.max(initial=-1)) + 1

    def graph(self) -> sparse.csr_matrix:
        ones = np.ones(len(self.left), np.int8)
        half = sparse.coo_matrix((ones, (self.left, self.right)), (self.classes, self.classes))
        return (half + half.T).tocsr()


def jaccard_truth(texts: list[str], ngram: int, threshold: float, cache: Path) -> Truth:
    """All pairs at or above the threshold; kept in the file ``cache``."""
    if not cache.exists():
        found = _jaccard(texts, ngram, threshold)
        with cache.with_suffix(".half").open("wb") as file:
            np.savez(file, of_row=found.of_row, left=found.left, right=found.right)
        cache.with_suffix(".half").rename(cache)
    kept = np.load(cache)
    return Truth(kept["of_row"], kept["left"], kept["right"])


def _jaccard(texts: list[str], ngram: int, threshold: float) -> Truth:
    of_row, sets = _classes(texts, ngram)
    sets = _rare_first(sets)
    left, right = _candidates(sets, threshold)
    if len(sets.indptr) <= 20_001:  # the prefixes lose nothing: checked against all with all
        every = _at_least(sets, *_pairs_of(sets), threshold)
        assert set(zip(*every, strict=True)) == set(
            zip(*_at_least(sets, left, right, threshold), strict=True)
        )
    return Truth(of_row, *_at_least(sets, left, right, threshold))


def _classes(texts: list[str], ngram: int) -> tuple[np.ndarray, sparse.csr_matrix]:
    """The class of each row, and a matrix of ones: classes by shingles."""
    of_row = np.full(len(texts), -1, np.int64)
    known: dict[bytes, int] = {}
    sets: list[np.ndarray] = []
    for row, text in enumerate(texts):
        hashes = {xxhash.xxh3_64_intdigest(shingle.encode()) for shingle in shingles(text, ngram)}
        if not hashes:
            continue
        one = np.sort(np.fromiter(hashes, np.uint64, len(hashes)))
        of_row[row] = known.setdefault(one.tobytes(), len(sets))
        if of_row[row] == len(sets):
            sets.append(one)
    flat = np.concatenate([*sets, np.zeros(0, np.uint64)])
    _, column = np.unique(flat, return_inverse=True)
    starts = np.concatenate([[0], np.cumsum([len(one) for one in sets])]).astype(np.int64)
    shape = (len(sets), int(column.max(initial=-1)) + 1)
    return of_row, sparse.csr_matrix((np.ones(len(flat), np.int32), column, starts), shape)


def _rare_first(sets: sparse.csr_matrix) -> sparse.csr_matrix:
    """Shingles numbered from the rarest on, and in that order in every set."""
    counts = np.bincount(sets.indices, minlength=sets.shape[1])
    rank = np.empty(sets.shape[1], np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(sets.shape[1])
    made = sparse.csr_matrix((sets.data, rank[sets.indices], sets.indptr), sets.shape)
    made.sort_indices()
    return made


def _candidates(sets: sparse.csr_matrix, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs with a shingle in common among the rarest of both.

    Of sets of sizes s, at least ceil(threshold * s) shingles are shared: one of the first
    s - ceil(threshold * s) + 1 of both is.
    """
    sizes = np.diff(sets.indptr)
    length = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    within = np.arange(sets.nnz) - np.repeat(sets.indptr[:-1], sizes)
    keep = within < np.repeat(length, sizes)
    starts = np.concatenate([[0], np.cumsum(length)])
    prefixes = sparse.csr_matrix((sets.data[keep], sets.indices[keep], starts), sets.shape)
    left, right = _pairs_of(prefixes)
    small, large = np.minimum(sizes[left], sizes[right]), np.maximum(sizes[left], sizes[right])
    near = small >= threshold * large - 1e-9
    return left[near], right[near]


def _pairs_of(sets: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Rows that have a column in common, left before right."""
    counts = np.bincount(sets.indices, minlength=sets.shape[1])
    work = np.concatenate([[0], np.cumsum(counts[sets.indices])])[sets.indptr]
    across = sets.T.tocsr()
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for start, stop in _blocks(work):
        product = (sets[start:stop] @ across).tocoo()
        row, column = product.row.astype(np.int64) + start, product.col.astype(np.int64)
        found.append((row[row < column], column[row < column]))
    left, right = zip(*found, strict=True)
    return np.concatenate(left), np.concatenate(right)


def _blocks(work: np.ndarray) -> Iterator[tuple[int, int]]:
    start, last = 0, len(work) - 1
    while start < last:
        stop = int(np.searchsorted(work, work[start] + CELLS, side="right")) - 1
        stop = min(max(stop, start + 1), last)
        yield start, stop
        start = stop


def _at_least(
    sets: sparse.csr_matrix, left: np.ndarray, right: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.diff(sets.indptr).astype(np.int64)
    shared = np.empty(len(left), np.int64)
    step = max(1, CELLS // max(1, int(sizes.max(initial=1))))
    for start in range(0, len(left), step):
        some = slice(start, start + step)
        shared[some] = sets[left[some]].multiply(sets[right[some]]).sum(axis=1).ravel()
    together = sizes[left] + sizes[right] - shared
    good = shared >= threshold * together - 1e-9
    return left[good], right[good]


@dataclass(frozen=True)
class Quality:
    """How an outcome compares; see the README for the words."""

    removed: int
    recall: float
    precision: float
    over: int


def should_go(truth: Truth) -> int:
    return _still_to_go(np.ones(len(truth.of_row), bool), truth)


def quality(kept: np.ndarray, truth: Truth) -> Quality:
    """``kept`` holds the numbers of the rows that a tool kept."""
    stays = np.zeros(len(truth.of_row), bool)
    stays[kept] = True
    alive = np.bincount(truth.of_row[stays & (truth.of_row >= 0)], minlength=truth.classes)
    near = truth.graph().astype(np.int64) @ (alive > 0) + alive
    gone = truth.of_row[~stays]
    witnessed = int((near[gone[gone >= 0]] > 0).sum())
    return Quality(
        removed=len(gone),
        recall=1 - _still_to_go(stays, truth) / max(1, should_go(truth)),
        precision=share(witnessed, len(gone)),
        over=_lost_clusters(alive, truth),
    )


def _still_to_go(stays: np.ndarray, truth: Truth) -> int:
    """How many of these rows the rule would remove, going through them in their order."""
    living = truth.of_row[stays & (truth.of_row >= 0)]
    classes, first, count = np.unique(living, return_index=True, return_counts=True)
    graph = truth.graph()
    open_ = np.zeros(truth.classes, bool)
    open_[classes] = True
    removed = int((count - 1).sum())
    for one in classes[np.argsort(first)].tolist():
        start, stop = graph.indptr[one], graph.indptr[one + 1]
        if start == stop or not open_[one]:
            continue
        near = graph.indices[start:stop]
        removed += int(open_[near].sum())
        open_[near] = False
    return removed


def _lost_clusters(alive: np.ndarray, truth: Truth) -> int:
    """Connected groups of two rows or more of which none is left."""
    _, group = sparse.csgraph.connected_components(truth.graph(), directed=False)
    rows = np.bincount(group, np.bincount(truth.of_row[truth.of_row >= 0], minlength=len(group)))
    return int(((rows > 1) & (np.bincount(group, alive) == 0)).sum())


def pair_quality(left: np.ndarray, right: np.ndarray, truth: Truth) -> tuple[int, float, float]:
    """Pairs of classes found, and their recall and precision; rows of one class count once."""
    a, b = truth.of_row[left], truth.of_row[right]
    apart = (a != b) & (a >= 0) & (b >= 0)
    a, b = np.minimum(a, b)[apart], np.maximum(a, b)[apart]
    found = np.unique(a * truth.classes + b)
    true = truth.left * truth.classes + truth.right
    right_ = len(np.intersect1d(found, true))
    return len(found), share(right_, len(true)), share(right_, len(found))


def share(some: int, every: int) -> float:
    return some / every if every else 1.0
