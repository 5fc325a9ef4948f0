"""All pairs of vectors at or above a cosine, in each tool: a matrix in, pairs out.

Tools that compare all with all return exactly these pairs; indexes return some of them.
A tool whose whole job would take many minutes does a share of it, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from dedup_job import CORES, Job, Work

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]
NEIGHBOURS = 100
TILE = 4096


def all_pairs(matrix: np.ndarray, floor: float) -> Pairs:
    """datamerge's own search: the one place that knows how it is called."""
    from datamerge.dedup import cosine

    found = cosine.all_pairs(matrix, floor)
    return found["left"], found["right"], found["score"]


def timed(search: Callable[[np.ndarray, float], Pairs]) -> Callable[[Job], Work]:
    """The work of a search that does the whole job; the matrix is in memory before the clock."""

    def tool(job: Job) -> Work:
        matrix = np.load(job.source)

        def work() -> dict[str, Any]:
            left, right, _ = search(matrix, job.threshold)
            return {"found": len(left), "pairs": lambda: (left, right)}

        return work

    return tool


def shared(search: Callable[[np.ndarray, float, float], tuple[Pairs, float]]) -> Any:
    """The same for a search that may do a share of the job; it returns how much it did."""

    def tool(job: Job) -> Work:
        matrix = np.load(job.source)
        share = job.options.get("share", 1.0)

        def work() -> dict[str, Any]:
            (left, right, _), done = search(matrix, job.threshold, share)
            facts: dict[str, Any] = {"found": len(left), "share": done}
            return facts | ({"pairs": lambda: (left, right)} if done == 1 else {})

        return work

    return tool


def kernel(job: Job) -> Work:
    all_pairs(np.eye(8, dtype=np.float32), 0.5)  # what is compiled is loaded before the clock
    return timed(all_pairs)(job)


@dataclass(frozen=True)
class LookUp:
    """An encoder that knows the vectors already: a text is the number of its row."""

    path: str
    dim: int
    fingerprint: str

    def encode(self, texts: Any) -> np.ndarray:
        matrix = np.load(self.path, mmap_mode="r")
        return matrix[np.array([int(text) for text in texts], np.int64)]


def semantic(job: Job) -> Work:
    """The public way: a frame of row numbers, an encoder that looks vectors up, the decision."""
    import dask
    import pandas as pd

    import datamerge as dm

    dask.config.set(num_workers=CORES)
    rows, dim = np.load(job.source, mmap_mode="r").shape
    encoder = LookUp(str(job.source), dim, f"looked-up-{job.source.name}")
    texts = pd.DataFrame({"text": [str(row) for row in range(rows)]})

    def work() -> dict[str, Any]:
        df = dm.read(texts, name="rows")
        found = dm.dedup.semantic(
            df, threshold=job.threshold, floor=job.threshold, text="text", encoder=encoder
        )
        found.decisions()
        pairs = found.pairs
        return {"found": len(pairs), "pairs": lambda: (_row(pairs["id"]), _row(pairs["other"]))}

    return work


def _row(ids: Any) -> np.ndarray:
    return ids.str.rpartition("#")[2].astype("int64").to_numpy()


def numpy_blocks(matrix: np.ndarray, floor: float, share: float) -> tuple[Pairs, float]:
    """The upper triangle, stripe by stripe, in float32."""
    found = []
    stripes, done = _stripes(len(matrix), share)
    for start in stripes:
        block = matrix[start : start + TILE]
        for column in range(start, len(matrix), TILE):
            product = block @ matrix[column : column + TILE].T
            left, right = np.nonzero(product >= floor)
            score = product[left, right]
            left, right = left + start, right + column
            upper = left < right
            found.append((left[upper], right[upper], score[upper]))
    return _joined(found), done


def torch_bfloat16(matrix: np.ndarray, floor: float, share: float) -> tuple[Pairs, float]:
    """Products in bfloat16 say what may be a pair, float32 decides."""
    import torch

    torch.set_num_threads(CORES)
    small = torch.from_numpy(matrix).to(torch.bfloat16)
    found = []
    stripes, done = _stripes(len(matrix), share)
    for start in stripes:
        block = small[start : start + TILE]
        for column in range(start, len(matrix), TILE):
            product = block @ small[column : column + TILE].T
            left, right = torch.nonzero(product >= floor - 0.01, as_tuple=True)
            left, right = left.numpy() + start, right.numpy() + column
            upper = left < right
            left, right = left[upper], right[upper]
            score = np.einsum("ij,ij->i", matrix[left], matrix[right])
            good = score >= floor
            found.append((left[good], right[good], score[good]))
    return _joined(found), done


def _stripes(rows: int, share: float) -> tuple[list[int], float]:
    """Starts of stripes of the triangle, evenly spread; and the part of it they cover."""
    starts = np.arange(0, rows, TILE)
    chosen = starts[:: max(1, round(1 / share))] if share < 1 else starts
    done = float((rows - chosen).sum() / (rows - starts).sum())
    return chosen.tolist(), done


def faiss_flat(matrix: np.ndarray, floor: float, share: float) -> tuple[Pairs, float]:
    """Range search of rows against all."""
    import faiss

    faiss.omp_set_num_threads(CORES)
    index = faiss.IndexFlatIP(matrix.shape[1])
    index.add(matrix)
    queries = matrix[: max(1, round(len(matrix) * share))]
    return _ranges(index, queries, floor), len(queries) / len(matrix)


def faiss_ivf(matrix: np.ndarray, floor: float) -> Pairs:
    import faiss

    faiss.omp_set_num_threads(CORES)
    lists = int(4 * np.sqrt(len(matrix)))
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(matrix.shape[1]), matrix.shape[1], lists, faiss.METRIC_INNER_PRODUCT
    )
    index.train(matrix[:: max(1, len(matrix) // (40 * lists))])
    index.add(matrix)
    index.nprobe = max(8, lists // 40)
    return _ranges(index, matrix, floor)


def _ranges(index: Any, queries: np.ndarray, floor: float) -> Pairs:
    limits, scores, others = index.range_search(queries, np.nextafter(np.float32(floor), 0))
    rows = np.repeat(np.arange(len(queries)), np.diff(limits).astype(np.int64))
    upper = rows < others
    return rows[upper], others[upper], scores[upper]


def faiss_hnsw(matrix: np.ndarray, floor: float) -> Pairs:
    import faiss

    faiss.omp_set_num_threads(CORES)
    index = faiss.IndexHNSWFlat(matrix.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efSearch = NEIGHBOURS
    index.add(matrix)
    scores, others = index.search(matrix, NEIGHBOURS)
    return _nearest(others, scores, floor)


def usearch(matrix: np.ndarray, floor: float) -> Pairs:
    from usearch.index import Index

    index = Index(ndim=matrix.shape[1], metric="cos")
    index.add(np.arange(len(matrix)), matrix, threads=CORES)
    found = index.search(matrix, NEIGHBOURS, threads=CORES)
    return _nearest(found.keys.astype(np.int64), 1 - found.distances, floor)


def _nearest(others: np.ndarray, scores: np.ndarray, floor: float) -> Pairs:
    """Of the nearest of each row those that are near enough, each pair once."""
    rows, place = np.nonzero((scores >= floor) & (others >= 0))
    other = others[rows, place].astype(np.int64)
    apart = rows != other
    small, large = np.minimum(rows, other)[apart], np.maximum(rows, other)[apart]
    keys, first = np.unique(small * len(others) + large, return_index=True)
    return keys // len(others), keys % len(others), scores[rows, place][apart][first]


def _joined(found: list[Pairs]) -> Pairs:
    left, right, score = (np.concatenate(part) for part in zip(*found, strict=True))
    return left, right, score


TOOLS: dict[str, Callable[[Job], Work]] = {
    "datamerge kernel": kernel,
    "datamerge semantic": semantic,
    "faiss flat": shared(faiss_flat),
    "faiss IVF": timed(faiss_ivf),
    "faiss HNSW": timed(faiss_hnsw),
    "usearch": timed(usearch),
    "torch bfloat16": shared(torch_bfloat16),
    "numpy": shared(numpy_blocks),
}
