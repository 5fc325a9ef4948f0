"""The rule of witnesses: the maximal independent set in order of priority.

Listed pairs are walked by one compiled pass; it stops where a row is in a dense group, or was
decided about by hand, and what those need is done here and in :mod:`.apart`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np

from ..evidence.graph import addresses, frozen
from .apart import Apart
from .by_hand import APART, Fates
from .decision import Decision
from .layers import Layers
from .nodes import Nodes
from .witness import Witnesses


class Independent(Nodes):
    """The maximal independent set in order of priority; made when it is asked for."""

    def __init__(
        self,
        layers: Layers,
        thresholds: Sequence[float],
        priority: np.ndarray,
        fates: Fates | None = None,
    ):
        super().__init__(layers, thresholds, priority)
        self.fates = fates
        self.fate = np.zeros(0, np.int8) if fates is None else fates.of_row
        special = fates is not None and len(fates.apart) > 0
        self.state = np.zeros(self.count, np.int8)
        self.solid = np.zeros(self.count if special else 0, np.int8)
        self.best = np.full(self.count, -1, np.int32)

    @cached_property
    def kept(self) -> np.ndarray:
        """Which rows stay."""
        kept = np.zeros(len(self.layers), bool)
        at, rows = 0, len(self.layers)
        apart = None if self.fates is None else Apart(self, self.fates)
        while at < rows:
            at = self._run(at, self.priority, self.layers.olds, self.fate, kept)
            if at < rows:
                row = int(self.priority[at])
                if apart is not None and self.fate[row] & APART:
                    kept[row] = apart.stays(row)
                else:
                    self.mark_groups(row)
            at += 1
        return kept

    def _run(
        self, at: int, priority: np.ndarray, olds: int, fate: np.ndarray, kept: np.ndarray
    ) -> int:
        """The compiled pass over rows in order of priority, to the next that is looked at here."""
        stopped: int = _kernels().greedy(
            at, priority, olds, self.nodes, *self._graphs, fate,
            self.state, self.solid, self.best, kept,
        )  # fmt: skip
        return stopped

    @cached_property
    def _graphs(self) -> tuple[np.ndarray, ...]:
        """Offsets, thresholds, where in memory the graphs are, and which nodes are in a group."""
        where = addresses([one.graph for one in self.layers.found])
        return *self.csr[:2], where, self.place >= 0

    def decision(self) -> Decision:
        """Who goes, and why."""
        kept = self.kept
        offsets, thresholds, *graphs = self.csr
        for layer in range(len(self.nodes)):
            _kernels().nearest(
                offsets[layer], thresholds[layer], *(arrays[layer] for arrays in graphs),
                self.state, self.best, self.rank, self.witness, self.score,
            )  # fmt: skip
        result = Decision.nothing(len(self.layers))
        _kernels().spread(
            self.nodes, kept, self.best, self.witness, self.score,
            result.witness, result.score, result.layer, result.equal,
        )  # fmt: skip
        return result if self.fates is None else Witnesses(self, self.fates).told(result)

    @cached_property
    def witness(self) -> np.ndarray:
        """For each node the row in its dense group that is most like it, of those that stay."""
        return np.full(self.count, -1, np.int32)

    @cached_property
    def score(self) -> np.ndarray:
        """How similar that row is."""
        return np.full(self.count, -2.0)

    @cached_property
    def rank(self) -> np.ndarray:
        """The place of each row in the order of priority."""
        rank = np.empty(len(self.priority), np.int64)
        rank[self.priority] = np.arange(len(self.priority))
        return rank

    def mark_groups(self, row: int) -> None:
        """Do for a kept row's dense groups what the compiled pass does for listed pairs."""
        whole = len(self.solid) > 0 and not self.fate[row] & APART
        for layer, place, nodes, (first, last) in self.grouped(row):
            threshold = float(self.thresholds[layer])
            if whole:
                least = np.full(last - first, threshold)
                where, _ = self.scorers[layer].reaching(place, first, last, least)
                some = nodes[where - first]
                self.solid[some[self.solid[some] == 0]] = _kernels().HIT
            if self.best[nodes[place - first]] != row:
                continue  # another row that stays, of the same class, has done it
            held = self.score[nodes]
            least = np.where(held < threshold, threshold, np.nextafter(held, np.inf))
            least[place - first] = np.inf

            def later(count: int, nodes: np.ndarray = nodes, first: int = first) -> np.ndarray:
                return self._open(nodes, count) + first

            where, score = self.scorers[layer].reaching(place, first, last, least, later)
            reached = nodes[where - first]
            self.witness[reached], self.score[reached] = row, score
            self.state[reached[self.state[reached] == 0]] = _kernels().HIT

    def _open(self, nodes: np.ndarray, count: int) -> np.ndarray:
        """The members of a group that nothing has reached yet, the next ones in line first."""
        still = np.flatnonzero(self.state[nodes] == 0)
        rows = self._line[nodes[still]]
        return still[np.argsort(rows, kind="stable")[:count]]

    @cached_property
    def _line(self) -> np.ndarray:
        """For each node the rank of its first row in line."""
        first = np.full(self.count, len(self.priority), np.int64)
        for layer in range(len(self.nodes)):
            known = np.flatnonzero(self.nodes[layer] >= 0)
            np.minimum.at(first, self.nodes[layer][known], self.rank[known])
        return first

    def mark(self, row: int) -> None:
        """Take out the neighbours of a row that stays, for which some pair does not count."""
        alone, kept = frozen(np.array([row], np.int64)), np.zeros(len(self.layers), bool)
        if self._run(0, alone, row + 1, self.fate[:0], kept) < 1:
            self.mark_groups(row)


@cache
def _kernels() -> Any:
    from . import _witness_kernels as compiled

    return compiled
