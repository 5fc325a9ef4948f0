"""What became of the rows, and how right that is: the columns beside the seconds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from dedup_cosines import TIE, cosine_quality, near
from dedup_data import WHOLE, Inputs
from dedup_job import Job
from dedup_truth import Truth, jaccard_truth, pair_quality, quality

SAMPLE = 2000  # rows of which all pairs are sought, where all rows would take too long


class Checks:
    """The checks of each kind of job; what they need is kept beside the inputs."""

    def __init__(self, inputs: Inputs):
        self.inputs = inputs

    def near(self, job: Job) -> dict[str, Any]:
        truth = self._jaccard(job)
        found = quality(kept_rows(job), truth)
        said = {
            "removed": found.removed,
            "recall": round(found.recall, 4),
            "precision": round(found.precision, 4),
            "over": found.over,
        }
        if not job.options.get("save pairs"):
            return said
        pairs = found_pairs(job)
        if pairs is None:
            return said | {"pairs": None, "pair recall": None, "pair precision": None}
        count, recall, precision = pair_quality(*pairs, truth)
        return said | {
            "pairs": count,
            "pair recall": round(recall, 4),
            "pair precision": round(precision, 4),
        }

    def pairs(self, job: Job) -> dict[str, Any]:
        pairs = found_pairs(job)
        if pairs is None:
            return {"recall": None, "precision": None}
        vectors = np.load(job.source)
        recall, precision = cosine_quality(vectors, pairs, self._cosine(job), job.threshold)
        return {"recall": round(recall, 5), "precision": round(precision, 5)}

    def semantic(self, job: Job) -> dict[str, Any]:
        """Of the pairs of a sample, those found, and those of which one end is gone."""
        of_row, vectors = self._distinct(job.source)
        stays = np.zeros(len(of_row), bool)
        stays[kept_rows(job)] = True
        kept = np.zeros(len(vectors), bool)
        kept[of_row[stays]] = True
        sample = _sample(len(vectors), SAMPLE)
        row, other = near(vectors, sample, job.threshold)
        said = {"removed": int((~stays).sum())}
        said |= _found_of(found_pairs(job), of_row, row, other, len(vectors))
        resolved = ~(kept[row] & kept[other])
        gone = sample[~kept[sample]]
        row, other = near(vectors, gone, job.threshold - 2 * TIE)
        witnessed = np.unique(row[kept[other]])
        return said | {
            "resolved": round(float(resolved.mean()), 4) if len(resolved) else 1.0,
            "precision": round(len(witnessed) / max(1, len(gone)), 4),
        }

    def exact(self, job: Job) -> dict[str, Any]:
        texts = pq.read_table(job.source, columns=["text"])["text"].to_pylist()
        first: dict[str, int] = {}
        for row, text in enumerate(texts):
            first.setdefault(text, row)
        kept = kept_rows(job)
        wrong = np.setxor1d(kept, np.fromiter(first.values(), np.int64, len(first)))
        blank = sum(not texts[row].strip() for row in wrong)
        return {"kept": len(kept), "should stay": len(first), "wrong": len(wrong) - blank}

    def decide(self, job: Job) -> dict[str, Any]:
        return {}

    def _jaccard(self, job: Job) -> Truth:
        name = f"{job.source.stem}-{job.ngram}-{job.threshold}.npz"
        path = self.inputs.cache / f"truth-{name}"
        if not path.exists():
            self.inputs.say(f"the exact pairs of {job.source.stem}")
        texts = pq.read_table(job.source, columns=["text"])["text"].to_pylist()
        return jaccard_truth(texts, job.ngram, job.threshold, path)

    def _cosine(self, job: Job) -> tuple[np.ndarray, np.ndarray]:
        """All pairs; of many rows, the pairs of a sample with all."""
        path = self.inputs.cache / f"truth-{job.source.stem}-{job.threshold}.npz"
        if not path.exists():
            self.inputs.say(f"the exact pairs of {job.source.stem}")
            vectors = np.load(job.source)
            rows = _sample(len(vectors), len(vectors) if len(vectors) <= WHOLE else 5 * SAMPLE)
            row, other = near(vectors, rows, job.threshold)
            np.savez(path, row=row, other=other)
        kept = np.load(path)
        return kept["row"], kept["other"]

    def _distinct(self, source: Path) -> tuple[np.ndarray, np.ndarray]:
        """The number of each row's text among the distinct ones, and their vectors."""
        from datamerge.embed import StaticEncoder

        texts = pq.read_table(source, columns=["text"])["text"].to_pylist()
        known: dict[str, int] = {}
        of_row = np.array([known.setdefault(text, len(known)) for text in texts])
        path = self.inputs.cache / f"vectors-of-{source.stem}.npy"
        if not path.exists():
            np.save(path, StaticEncoder().encode(list(known)))
        return of_row, _unit(np.load(path))


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Zero rows become a direction of their own: they are like nothing."""
    zero = ~vectors.any(axis=1)
    if zero.any():
        vectors = np.pad(vectors, ((0, 0), (0, 1)))
        vectors[zero, -1] = np.where(np.arange(zero.sum()) % 2, 1.0, -1.0)
    return vectors


def _sample(rows: int, count: int) -> np.ndarray:
    some = np.random.default_rng(0).choice(rows, min(rows, count), replace=False)
    return np.sort(some)


def _found_of(
    pairs: tuple[np.ndarray, np.ndarray] | None,
    of_row: np.ndarray,
    row: np.ndarray,
    other: np.ndarray,
    n: int,
) -> dict[str, Any]:
    if pairs is None:
        return {"pairs": None, "pair recall": None}
    left, right = of_row[pairs[0]], of_row[pairs[1]]
    apart = left != right
    found = np.unique(np.minimum(left, right)[apart] * n + np.maximum(left, right)[apart])
    true = np.unique(np.minimum(row, other) * n + np.maximum(row, other))
    recall = len(np.intersect1d(true, found)) / max(1, len(true))
    return {"pairs": len(found), "pair recall": round(recall, 4)}


def kept_rows(job: Job) -> np.ndarray:
    """The numbers of the rows that are left."""
    merged = job.out / "merged" / "data"
    if merged.is_dir():
        return np.concatenate([positions(column) for column in _columns(merged, "id")])
    return np.concatenate([column.to_numpy() for column in _columns(job.kept, "row")])


def found_pairs(job: Job) -> tuple[np.ndarray, np.ndarray] | None:
    """Pairs of rows, where the tool tells them."""
    if (job.out / "pairs.npz").exists():
        kept = np.load(job.out / "pairs.npz")
        return kept["left"].astype(np.int64), kept["right"].astype(np.int64)
    merged = job.out / "merged" / "pairs"
    if not merged.is_dir():
        return None
    left, right = (
        np.concatenate([positions(column) for column in _columns(merged, name)])
        for name in ("id", "other")
    )
    return left, right


def _columns(folder: Path, name: str) -> Iterable[pa.ChunkedArray]:
    return [pq.read_table(path, columns=[name])[name] for path in sorted(folder.rglob("*.parquet"))]


def positions(ids: pa.ChunkedArray) -> np.ndarray:
    """Where a row of datamerge stands in its file: ``lines#17`` is 17."""
    if not len(ids):
        return np.zeros(0, np.int64)
    parts = pc.split_pattern(ids.combine_chunks(), "#", max_splits=1, reverse=True)
    return pc.list_element(parts, 1).cast(pa.int64()).to_numpy()
