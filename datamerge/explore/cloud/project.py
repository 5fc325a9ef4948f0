"""From vectors to places on a plane: principal components, or UMAP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

Method = Literal["pca", "umap"]

LAST = 65_535  # the highest coordinate
_BLOCK = 8192  # rows in float64 at a time
_FOR_UMAP = 50  # components it is given: what is beyond them is mostly noise, and costs time


def project(vectors: np.ndarray, method: Method, seed: int) -> tuple[np.ndarray, float | None]:
    """Places ``[rows, 2]`` in float64, and for PCA the share of the variance they show."""
    if method == "pca":
        return principal(vectors, 2)
    return _umap(vectors, seed), None


def principal(vectors: np.ndarray, components: int) -> tuple[np.ndarray, float]:
    """The first principal components of rows, and the share of the variance they hold.

    Each is turned so that its largest weight is positive. Rows are taken in blocks, in their
    order, so the same rows give the same components.
    """
    rows, dim = vectors.shape
    places = np.zeros((rows, components))
    if not rows or not dim:
        return places, 1.0
    mean = sum(block.sum(axis=0) for _, block in _blocks(vectors)) / rows
    covariance = np.zeros((dim, dim))
    for _, block in _blocks(vectors):
        block -= mean
        covariance += block.T @ block
    variance, axes = np.linalg.eigh(covariance)
    axes = axes[:, ::-1][:, :components]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    for start, block in _blocks(vectors):
        places[start : start + len(block), : axes.shape[1]] = (block - mean) @ axes
    total = variance.clip(0).sum()
    shown = variance[::-1][:components].clip(0).sum()
    return places, float(shown / total) if total > 0 else 1.0


def _blocks(vectors: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(vectors), _BLOCK):
        yield start, vectors[start : start + _BLOCK].astype(np.float64)


def _umap(vectors: np.ndarray, seed: int) -> np.ndarray:
    try:
        from umap import UMAP
    except ImportError:
        raise ImportError(
            'method="umap" needs the package umap-learn: pip install "datamerge[umap]"'
        ) from None
    components = min(_FOR_UMAP, vectors.shape[1])
    if len(vectors) < 5:  # fewer than it can lay out
        return principal(vectors, 2)[0]
    reduced = principal(vectors, components)[0].astype(np.float32)
    neighbours = min(15, len(vectors) - 1)
    # One thread, or the places would differ from run to run.
    laid = UMAP(n_neighbors=neighbours, init="pca", random_state=seed % 2**32, n_jobs=1)
    return np.asarray(laid.fit_transform(reduced), np.float64)


def quantised(places: np.ndarray) -> np.ndarray:
    """Places as uint16, one scale for both axes: the longer one goes from 0 to 65,535."""
    if not len(places):
        return np.zeros((0, 2), np.uint16)
    low = places.min(axis=0)
    extent = float((places.max(axis=0) - low).max())
    scaled = (places - low) * (LAST / extent if extent > 0 else 0.0)
    return np.rint(scaled).astype(np.uint16)
