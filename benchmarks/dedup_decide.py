"""From ten million scored pairs to who stays, in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from dedup_job import Job, Work


def decide(nodes: int, left: Any, right: Any, score: Any, rule: str) -> np.ndarray:
    """datamerge's own decision: the one place that knows how it is called."""
    from datamerge.dedup import clusters

    rows = np.arange(nodes)
    return clusters.decide(rows, left, right, score, rows, rule=rule).witness < 0


def datamerge(job: Job, rule: str) -> Work:
    some = np.arange(2)
    decide(3, some, some + 1, some / 2, rule)  # what is compiled is loaded before the clock starts
    return _work(job, lambda *graph: decide(*graph, rule))


def scipy(job: Job) -> Work:
    """One row a connected component stays: not the witness rule."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    def first_of_component(nodes: int, left: Any, right: Any, score: Any) -> np.ndarray:
        graph = coo_matrix((np.ones(len(left), np.int8), (left, right)), (nodes, nodes))
        _, group = connected_components(graph, directed=False)
        keep = np.zeros(nodes, bool)
        keep[np.unique(group, return_index=True)[1]] = True
        return keep

    return _work(job, first_of_component)


def _work(job: Job, decided: Callable[..., np.ndarray]) -> Work:
    graph = np.load(job.source)
    nodes, left, right, score = (graph[name] for name in ("nodes", "left", "right", "score"))

    def work() -> dict[str, Any]:
        keep = decided(int(nodes), left, right, score)
        return {"facts": lambda: judged(keep, left, right)}

    return work


def judged(keep: np.ndarray, left: np.ndarray, right: np.ndarray) -> dict[str, int]:
    """Kept and removed rows; pairs of which both are kept; removed rows without a kept one."""
    near = np.zeros(len(keep), bool)
    near[left[keep[right]]] = True
    near[right[keep[left]]] = True
    return {
        "kept": int(keep.sum()),
        "removed": int((~keep).sum()),
        "both kept": int((keep[left] & keep[right]).sum()),
        "no witness": int((~keep & ~near).sum()),
    }


TOOLS: dict[str, Callable[[Job], Work]] = {
    "datamerge witness": lambda job: datamerge(job, "witness"),
    "datamerge components": lambda job: datamerge(job, "components"),
    "scipy components": scipy,
}
