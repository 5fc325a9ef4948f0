"""One row a connected component, where that is the rule."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .decision import Decision
from .nodes import Nodes


class Components(Nodes):
    """One row a connected component, the first in order of priority; old rows stay."""

    def decision(self) -> Decision:
        """Who goes, and why."""
        run = _kernels()
        parent = np.arange(self.count, dtype=np.int32)
        linked = np.zeros(self.count, bool)
        run.connect(self.nodes, *self.csr, parent, linked)
        for layer in self.scorers:
            self._connect_groups(layer, parent, linked)
        top, direct = np.full(self.count, -1, np.int32), np.full(self.count, np.nan)
        run.tops(self.priority, self.nodes, *self.csr, parent, top, direct)
        if self.scorers:
            for row in top[top >= 0].tolist():
                self._scores_of(row, direct)
        crowded, holder = np.zeros(self.count, np.int32), np.full(self.count, -1, np.int32)
        run.crowd(self.priority, self.nodes, self.layers.olds, crowded, holder)
        result = Decision.nothing(len(self.layers))
        run.one_each(
            self.nodes, self.layers.olds, parent, top, direct, linked, crowded, holder,
            result.witness, result.score, result.layer, result.equal,
        )  # fmt: skip
        return result

    def _connect_groups(self, layer: int, parent: np.ndarray, linked: np.ndarray) -> None:
        """Walk each group breadth first over the scores that reach the threshold."""
        groups = self.layers.found[layer].groups
        assert groups is not None
        for first, last in zip(
            groups.starts[:-1].tolist(), groups.starts[1:].tolist(), strict=True
        ):
            nodes = groups.member[first:last] + self.layers.offsets[layer]
            least = np.full(last - first, float(self.thresholds[layer]))
            old = groups.member[first:last] < self.layers.found[layer].olds
            waiting: list[int] = []
            for start in range(first, last):
                if least[start - first] < np.inf:
                    waiting.append(start)
                    least[start - first] = np.inf
                while waiting:
                    one = waiting.pop()
                    if not (least < np.inf).any():
                        break
                    wanted = np.where(old, np.inf, least) if old[one - first] else least
                    where, _ = self.scorers[layer].reaching(one, first, last, wanted)
                    least[where - first] = np.inf
                    waiting.extend(where.tolist())
                    if len(where):
                        linked[nodes[where - first]] = linked[nodes[one - first]] = True
                        _kernels().join_all(parent, nodes[one - first], nodes[where - first])

    def _scores_of(self, row: int, direct: np.ndarray) -> None:
        for layer, place, nodes, (first, last) in self.grouped(row):
            least = np.full(last - first, float(self.thresholds[layer]))
            least[place - first] = np.inf
            where, score = self.scorers[layer].reaching(place, first, last, least)
            direct[nodes[where - first]] = score


@cache
def _kernels() -> Any:
    from . import _component_kernels as compiled

    return compiled
