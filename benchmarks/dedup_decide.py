"""From ten million scored pairs in memory to who stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from dedup_job import Job, Work


@dataclass(frozen=True)
class Graph:
    """Pairs as datamerge keeps them: written once a search, then decided as often as one likes."""

    folder: Path
    rows: int

    def write(self, left: Any, right: Any, score: Any) -> None:
        from datamerge.dedup.evidence import graph
        from datamerge.dedup.evidence.pairs import PAIR

        found = np.empty(len(left), PAIR)
        found["left"], found["right"], found["score"] = left, right, score
        graph.write(self.folder, self.rows, found, np.arange(self.rows, dtype=np.int32))

    def kept(self, rule: str, threshold: float) -> np.ndarray:
        from datamerge.dedup.deciding import clusters
        from datamerge.dedup.deciding.layers import stacked
        from datamerge.dedup.evidence import Evidence, graph

        rows = np.arange(self.rows, dtype=np.int32)
        ids, sources = pa.array(rows, pa.int64()), pa.nulls(self.rows, pa.large_string())
        about: dict[str, Any] = {"alive": {}, "how": "semantic"}
        found = Evidence(ids, sources, rows, rows, 0, graph.load(self.folder), None, about)
        layers = stacked([found], [None])
        return clusters.decide(layers, [threshold], np.arange(self.rows), rule=rule).witness < 0


def datamerge(job: Job, rule: str, *, again: bool = False) -> Work:
    """From pairs in memory to who stays; ``again``: once their graph is there."""
    (job.out / "graph").mkdir()
    (job.out / "small").mkdir()
    small = Graph(job.out / "small", 3)  # what is compiled is loaded before the clock starts
    small.write(np.arange(2), np.arange(1, 3), np.array([0.5, 0.6]))
    small.kept(rule, 0.0)

    def decided(nodes: int, left: Any, right: Any, score: Any) -> np.ndarray:
        pairs = Graph(job.out / "graph", nodes)
        if not again:
            pairs.write(left, right, score)
        return pairs.kept(rule, 0.0)

    def prepare(nodes: int, left: Any, right: Any, score: Any) -> None:
        if again:
            Graph(job.out / "graph", nodes).write(left, right, score)

    return _work(job, decided, prepare)


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


def _work(
    job: Job,
    decided: Callable[..., np.ndarray],
    prepare: Callable[..., None] = lambda *graph: None,
) -> Work:
    graph = np.load(job.source)
    nodes, left, right, score = (graph[name] for name in ("nodes", "left", "right", "score"))
    prepare(int(nodes), left, right, score)

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
    "datamerge witness, again": lambda job: datamerge(job, "witness", again=True),
    "datamerge components": lambda job: datamerge(job, "components"),
    "scipy components": scipy,
}
