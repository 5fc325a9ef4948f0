"""Cosines in float64, all pairs of some rows, and how far a tool's pairs are from them."""

from __future__ import annotations

import numpy as np
from dedup_truth import CELLS, share

TIE = 1e-6


def cosines(vectors: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of pairs of rows, in float64."""
    found = np.empty(len(left))
    for start in range(0, len(left), 1 << 16):
        some = slice(start, start + (1 << 16))
        a, b = vectors[left[some]].astype(np.float64), vectors[right[some]].astype(np.float64)
        norms = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
        found[some] = (a * b).sum(axis=1) / norms
    return found


def near(vectors: np.ndarray, rows: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of some rows with any other, surely at or above the floor: (row, other)."""
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    step = max(1, CELLS // len(vectors))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        place, other = np.nonzero(vectors[some] @ vectors.T >= np.float32(floor - 1e-5))
        sure = cosines(vectors, some[place], other) >= floor + TIE
        sure &= some[place] != other
        found.append((some[place][sure], other[sure]))
    row, other = zip(*found, strict=True)
    return np.concatenate(row), np.concatenate(other)


def cosine_quality(
    vectors: np.ndarray,
    found: tuple[np.ndarray, np.ndarray],
    true: tuple[np.ndarray, np.ndarray],
    floor: float,
) -> tuple[float, float]:
    """Recall of the true pairs, precision of a million of those found; ties are free."""
    n = len(vectors)
    keys = _keys(*found, n)
    some = keys if len(keys) <= 1_000_000 else keys[:: len(keys) // 1_000_000]
    right = int((cosines(vectors, some // n, some % n) >= floor - TIE).sum())
    wanted = _keys(*true, n)
    return share(len(np.intersect1d(wanted, keys)), len(wanted)), share(right, len(some))


def _keys(left: np.ndarray, right: np.ndarray, n: int) -> np.ndarray:
    return np.unique(np.minimum(left, right).astype(np.int64) * n + np.maximum(left, right))
