"""Clusters of duplicates in an order to look at them: by size, by score, by doubt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...dedup.deciding.decision import Decision

ORDERS = ("size", "score", "doubt")


@dataclass(frozen=True)
class Listed:
    """Clusters in the order in which to look at them: a kept row each, and the rows that go."""

    decision: Decision
    heads: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, decision: Decision, thresholds: np.ndarray, by: str) -> Listed:
        """The clusters of a decision."""
        gone = decision.witnessed
        witness = decision.witness[gone]
        rows = gone[np.argsort(witness, kind="stable")]
        counts = np.bincount(witness, minlength=1)
        heads = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts[heads])])
        return cls(decision, heads, starts, rows, _order(decision, rows, starts, thresholds, by))

    def __len__(self) -> int:
        return len(self.heads)

    def size(self, cluster: int) -> int:
        """How many rows a cluster has, the kept one among them."""
        return int(self.starts[cluster + 1] - self.starts[cluster]) + 1

    def members(self, cluster: int) -> np.ndarray:
        """The rows that go, the most similar first."""
        rows = self.rows[self.starts[cluster] : self.starts[cluster + 1]]
        return rows[np.lexsort((rows, -self.decision.score[rows]))]

    def clusters_of(self, rows: np.ndarray) -> np.ndarray:
        """The cluster each row is in; -1 for none."""
        witness = self.decision.witness[rows]
        heads = np.where(witness < 0, rows, witness)
        at = np.searchsorted(self.heads, heads)
        known = at < len(self.heads)
        known[known] = self.heads[at[known]] == heads[known]
        return np.where(known, at, -1)

    def cluster_of(self, row: int) -> int | None:
        """The cluster a row is in."""
        found = int(self.clusters_of(np.array([row]))[0])
        return None if found < 0 else found

    def place_of(self, cluster: int) -> int:
        """Where a cluster stands in the order."""
        return int((self.order == cluster).argmax())

    def rows_of(self, cluster: int) -> list[int]:
        """All rows of a cluster, the kept one first."""
        return [int(self.heads[cluster]), *self.members(cluster).tolist()]

    def scores(self, cluster: int) -> tuple[float, float]:
        """The lowest and the highest score in a cluster."""
        score = self.decision.score[self.rows[self.starts[cluster] : self.starts[cluster + 1]]]
        return float(score.min()), float(score.max())


def _order(
    decision: Decision, rows: np.ndarray, starts: np.ndarray, thresholds: np.ndarray, by: str
) -> np.ndarray:
    """The clusters in order; ties by the kept row."""
    sizes = np.diff(starts)
    if by == "size" or not len(sizes):
        return np.argsort(-sizes, kind="stable")
    score = decision.score[rows]
    if by == "score":
        return np.argsort(-np.maximum.reduceat(score, starts[:-1]), kind="stable")
    doubt = score - thresholds[decision.layer[rows]]
    return np.argsort(np.minimum.reduceat(doubt, starts[:-1]), kind="stable")
