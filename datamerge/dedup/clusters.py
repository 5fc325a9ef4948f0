"""From pairs to who stays: the witness rule, in one compiled pass over the pairs.

Rows of the same text are one class, of which at most its best row stays. Classes are visited
in order of priority; one that no kept class reaches stays and takes its neighbours out. So no
two kept rows reach the threshold, and every removed row reaches it with a row that is kept.
(Connected components alone break the second half: in a chain A~B~C they remove C because of
B, which is gone.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

Rule = Literal["witness", "components"]


@dataclass(frozen=True)
class Decision:
    """For each row the row that makes it go (-1: it stays), and their similarity.

    ``score`` is NaN where ``components`` removes a row for one it has no pair with.
    """

    witness: np.ndarray
    score: np.ndarray

    @property
    def removed(self) -> np.ndarray:
        """The numbers of the rows that go."""
        return np.flatnonzero(self.witness >= 0)


def decide(
    same: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    score: np.ndarray,
    priority: np.ndarray,
    *,
    rule: Rule = "witness",
) -> Decision:
    """Decide which of ``n`` rows stay.

    Parameters
    ----------
    same : int64 [n]
        For each row the first row of the same text (itself, if there is none before it).
    left, right : int64 [m]
        Pairs of rows at or above the threshold; either end may stand for its whole class.
    score : float64 [m]
        Their similarities.
    priority : int64 [n]
        The rows, the one to keep most of all first.
    rule : {"witness", "components"}
        A maximal independent set in order of priority, or one row a connected component.

    Examples
    --------
    >>> chain = decide(np.arange(3), np.array([0, 1]), np.array([1, 2]),
    ...                np.array([0.96, 0.97]), np.arange(3))
    >>> chain.witness.tolist()  # the middle one goes, so nothing speaks against the last one
    [-1, 2, -1]
    """
    rank = np.empty(len(priority), np.int64)
    rank[priority] = np.arange(len(priority))
    best = _best_of_class(same, rank)
    u, v = best[left], best[right]
    apart = u != v
    u, v, score = u[apart], v[apart], score[apart]
    run = _kernels()
    if rule == "components":
        witness, scores = run.components(len(same), u, v, score, priority)
    else:
        starts, neighbours, weights = run.adjacency(len(same), u, v, score)
        witness, scores = run.independent(starts, neighbours, weights, priority, rank, best)
    return _whole_classes(best, witness, scores)


def _best_of_class(same: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """For each row the row of its class with the highest priority."""
    order = np.argsort(rank, kind="stable")
    best = np.full(len(same), -1, np.int64)
    best[same[order[::-1]]] = order[::-1]  # the last assignment, the highest priority, wins
    return best[same]


def _whole_classes(best: np.ndarray, witness: np.ndarray, score: np.ndarray) -> Decision:
    """What was decided for the best row of each class, said of all its rows."""
    rows = np.arange(len(best))
    of_class, of_score = witness[best], score[best]
    second = (of_class < 0) & (best != rows)
    return Decision(np.where(second, best, of_class), np.where(second, 1.0, of_score))


@cache
def _kernels() -> Any:
    from . import _kernels as compiled

    return compiled
