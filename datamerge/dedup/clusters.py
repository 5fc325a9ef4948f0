"""From pairs to who stays: the witness rule, in one compiled pass over the graph.

Rows are visited in order of priority; one that no kept row reaches stays and takes its
neighbours out. So no two kept rows reach the threshold, and every removed row reaches it with a
row that is kept. (Connected components alone break the second half: in a chain A~B~C they
remove C because of B, which is gone.) With several finders, rows are neighbours where any of
them says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .graph import frozen, kernels
from .layers import Layers
from .within import Scorer

Rule = Literal["witness", "components"]


@dataclass(frozen=True)
class Decision:
    """For each row the row that makes it go (-1: it stays), and how similar they are.

    ``score`` is NaN where ``components`` removes a row for one it has no pair with; ``layer``
    tells which finder says so, and ``equal`` whether both are of one class there.
    """

    witness: np.ndarray
    score: np.ndarray
    layer: np.ndarray
    equal: np.ndarray

    @classmethod
    def nothing(cls, rows: int) -> Decision:
        """All rows stay."""
        return cls(
            np.full(rows, -1, np.int32),
            np.full(rows, np.nan),
            np.full(rows, -1, np.int8),
            np.zeros(rows, bool),
        )

    @property
    def removed(self) -> np.ndarray:
        """The numbers of the rows that go."""
        return np.flatnonzero(self.witness >= 0)


def decide(
    layers: Layers,
    thresholds: Sequence[float],
    priority: np.ndarray,
    *,
    rule: Rule = "witness",
) -> Decision:
    """Decide which rows stay.

    Parameters
    ----------
    layers : Layers
        What the finders found.
    thresholds : sequence of float
        For each finder the similarity from which on two rows are duplicates.
    priority : int64 [n]
        The rows, the one to keep most of all first; those compared against before all others.
    rule : {"witness", "components"}
        A maximal independent set in order of priority, or one row a connected component.
    """
    graphs = [one.graph for one in layers.found]
    csr = (
        frozen(layers.offsets),
        np.asarray(thresholds, np.float64),
        tuple(graph.starts for graph in graphs),
        tuple(graph.neighbours for graph in graphs),
        tuple(graph.scores for graph in graphs),
    )
    search = _Components if rule == "components" else _Independent
    return search(layers, csr, frozen(priority.astype(np.int64, copy=False))).decision()


class _Search:
    """What both rules work on: the layers, their dense groups, and which nodes are in one."""

    def __init__(self, layers: Layers, csr: tuple, priority: np.ndarray):
        self.layers, self.csr, self.priority = layers, csr, priority
        self.thresholds = csr[1]
        self.nodes = frozen(layers.nodes)
        self.count = int(layers.offsets[-1])
        self.scorers: dict[int, Scorer] = {}
        self.spans: dict[int, np.ndarray] = {}
        self.place = np.zeros(0, np.int32)
        for layer, found in enumerate(layers.found):
            if found.groups is not None and len(found.groups):
                if not len(self.place):
                    self.place = np.full(self.count, -1, np.int32)
                self.scorers[layer] = found.groups.scorer()
                self.spans[layer] = found.groups.spans()
                at = found.groups.member + layers.offsets[layer]
                self.place[at] = np.arange(len(at))

    def grouped(self, row: int) -> list[tuple[int, int, np.ndarray, tuple[int, int]]]:
        """The dense groups of a row: layer, place in its groups, the members' nodes, the span."""
        found = []
        for layer in self.scorers:
            node = int(self.layers.nodes[layer, row])
            place = int(self.place[node]) if node >= 0 else -1
            if place >= 0:
                found.append((layer, place, *self._group(layer, place)))
        return found

    def _group(self, layer: int, place: int) -> tuple[np.ndarray, tuple[int, int]]:
        groups = self.layers.found[layer].groups
        assert groups is not None
        first, last = self.spans[layer][place].tolist()
        return groups.member[first:last] + self.layers.offsets[layer], (first, last)


class _Independent(_Search):
    """The maximal independent set in order of priority."""

    def decision(self) -> Decision:
        state = np.zeros(self.count, np.int8)
        best = np.full(self.count, -1, np.int32)
        kept = np.zeros(len(self.layers), bool)
        self.state, self.best = state, best
        self.witness, self.score = np.full(self.count, -1, np.int32), np.full(self.count, -2.0)
        at, rows, in_group = 0, len(self.layers), self.place >= 0
        self.rank = _rank(self.priority)
        while at < rows:
            at = kernels().greedy(
                at, self.priority, self.layers.olds, self.nodes, *self.csr, in_group,
                state, best, kept,
            )  # fmt: skip
            if at < rows:
                self._mark_groups(int(self.priority[at]))
            at += 1
        return self._witnesses(kept)

    def _mark_groups(self, row: int) -> None:
        """Do for a kept row's dense groups what the compiled pass does for listed pairs."""
        for layer, place, nodes, (first, last) in self.grouped(row):
            if self.best[nodes[place - first]] != row:
                continue  # another row compared against, of the same class, has done it
            threshold = float(self.thresholds[layer])
            held = self.score[nodes]
            least = np.where(held < threshold, threshold, np.nextafter(held, np.inf))
            least[place - first] = np.inf

            def later(count: int, nodes: np.ndarray = nodes, first: int = first) -> np.ndarray:
                return self._open(nodes, count) + first

            where, score = self.scorers[layer].reaching(place, first, last, least, later)
            reached = nodes[where - first]
            self.witness[reached], self.score[reached] = row, score
            self.state[reached[self.state[reached] == 0]] = kernels().HIT

    def _open(self, nodes: np.ndarray, count: int) -> np.ndarray:
        """The members of a group that nothing has reached yet, the next ones in line first."""
        still = np.flatnonzero(self.state[nodes] == 0)
        rows = self._line()[nodes[still]]
        return still[np.argsort(rows, kind="stable")[:count]]

    def _line(self) -> np.ndarray:
        """For each node the rank of its first row in line."""
        if not hasattr(self, "_first"):
            self._first = np.full(self.count, len(self.priority), np.int64)
            for layer in range(len(self.nodes)):
                known = np.flatnonzero(self.nodes[layer] >= 0)
                np.minimum.at(self._first, self.nodes[layer][known], self.rank[known])
        return self._first

    def _witnesses(self, kept: np.ndarray) -> Decision:
        offsets, thresholds, *graphs = self.csr
        for layer in range(len(self.nodes)):
            kernels().nearest(
                offsets[layer], thresholds[layer], *(arrays[layer] for arrays in graphs),
                self.state, self.best, self.rank, self.witness, self.score,
            )  # fmt: skip
        result = Decision.nothing(len(self.layers))
        kernels().spread(
            self.nodes, kept, self.best, self.witness, self.score,
            result.witness, result.score, result.layer, result.equal,
        )  # fmt: skip
        return result


class _Components(_Search):
    """One row a connected component, the first in order of priority; old rows stay."""

    def decision(self) -> Decision:
        run = kernels()
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
                        kernels().join_all(parent, nodes[one - first], nodes[where - first])

    def _scores_of(self, row: int, direct: np.ndarray) -> None:
        for layer, place, nodes, (first, last) in self.grouped(row):
            least = np.full(last - first, float(self.thresholds[layer]))
            least[place - first] = np.inf
            where, score = self.scorers[layer].reaching(place, first, last, least)
            direct[nodes[where - first]] = score


def _rank(priority: np.ndarray) -> np.ndarray:
    """The place of each row in the order of priority."""
    rank = np.empty(len(priority), np.int64)
    rank[priority] = np.arange(len(priority))
    return rank
