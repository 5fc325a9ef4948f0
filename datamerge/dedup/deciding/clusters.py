"""From pairs to who stays: the witness rule, in one compiled pass over the graph.

Rows are visited in order of priority; one that no kept row reaches stays and takes its
neighbours out. So no two kept rows reach the threshold, and every removed row reaches it with a
row that is kept. (Connected components alone break the second half: in a chain A~B~C they
remove C because of B, which is gone.) With several finders, rows are neighbours where any of
them says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ..evidence.graph import frozen, kernels
from ..evidence.within import Scorer
from .by_hand import APART, STAYS, Fates
from .layers import Layers

Rule = Literal["witness", "components"]


@dataclass(frozen=True)
class Decision:
    """For each row the row that makes it go (-1: none does), and how similar they are.

    ``score`` is NaN where ``components`` removes a row for one it has no pair with; ``layer``
    tells which finder says so, and ``equal`` whether both are of one class there. Rows
    ``by_hand`` go without a witness; ``clashes`` are pairs of rows that stay by hand all the same.
    """

    witness: np.ndarray
    score: np.ndarray
    layer: np.ndarray
    equal: np.ndarray
    by_hand: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    clashes: tuple[tuple[int, int], ...] = ()

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
        if not len(self.by_hand):
            return self.witnessed
        return np.union1d(self.witnessed, self.by_hand)

    @property
    def witnessed(self) -> np.ndarray:
        """The numbers of the rows that go because of another one."""
        return np.flatnonzero(self.witness >= 0)


def decide(
    layers: Layers,
    thresholds: Sequence[float],
    priority: np.ndarray,
    *,
    rule: Rule = "witness",
    fates: Fates | None = None,
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
    fates : Fates, optional
        What was decided by hand; by the first rule only.
    """
    if rule == "components":
        assert fates is None
        return _Components(layers, _csr(layers, thresholds), _frozen(priority)).decision()
    return _independent(layers, thresholds, priority, fates).decision()


def staying(
    layers: Layers, thresholds: Sequence[float], priority: np.ndarray, fates: Fates | None = None
) -> np.ndarray:
    """Which rows stay by the rule of witnesses, without looking for the witnesses."""
    return _independent(layers, thresholds, priority, fates).kept


def _independent(
    layers: Layers, thresholds: Sequence[float], priority: np.ndarray, fates: Fates | None
) -> _Independent:
    if fates is not None and len(fates.kept):
        olds, rest = priority[: layers.olds], priority[layers.olds :]
        stays = (fates.of_row[rest] & STAYS) != 0
        priority = np.concatenate([olds, rest[stays], rest[~stays]])
    return _Independent(layers, _csr(layers, thresholds), _frozen(priority), fates)


def _csr(layers: Layers, thresholds: Sequence[float]) -> tuple:
    graphs = [one.graph for one in layers.found]
    return (
        frozen(layers.offsets),
        np.asarray(thresholds, np.float64),
        tuple(graph.starts for graph in graphs),
        tuple(graph.neighbours for graph in graphs),
        tuple(graph.scores for graph in graphs),
    )


def _frozen(priority: np.ndarray) -> np.ndarray:
    return frozen(priority.astype(np.int64, copy=False))


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
    """The maximal independent set in order of priority; made when it is asked for."""

    def __init__(self, layers: Layers, csr: tuple, priority: np.ndarray, fates: Fates | None):
        super().__init__(layers, csr, priority)
        self.fates = fates
        self.fate = np.zeros(0, np.int8) if fates is None else fates.of_row
        special = fates is not None and len(fates.apart) > 0
        self.state = np.zeros(self.count, np.int8)
        self.solid = np.zeros(self.count if special else 0, np.int8)
        self.best = np.full(self.count, -1, np.int32)
        self.held_apart: list[int] = []  # rows that stay, and for which some pair does not count

    @cached_property
    def kept(self) -> np.ndarray:
        """Which rows stay."""
        kept = np.zeros(len(self.layers), bool)
        at, rows, in_group = 0, len(self.layers), self.place >= 0
        run, graph = self._pass()
        while at < rows:
            at = run(
                at, self.priority, self.layers.olds, *graph, in_group,
                self.fate, self.state, self.solid, self.best, kept,
            )  # fmt: skip
            if at < rows:
                row = int(self.priority[at])
                if len(self.fate) and self.fate[row] & APART:
                    kept[row] = self._stays_apart(row, in_group)
                else:
                    self._mark_groups(row)
            at += 1
        return kept

    def _pass(self) -> tuple[Any, tuple[Any, ...]]:
        """The compiled pass, and the graph as it takes it."""
        if len(self.nodes) > 1:
            return kernels().greedy, (self.nodes, *self.csr)
        (graph,) = (one.graph for one in self.layers.found)
        alone = (self.thresholds[0], graph.starts, graph.neighbours, graph.scores)
        return kernels().greedy_alone, (self.nodes[0], *alone)

    def decision(self) -> Decision:
        """Who goes, and why."""
        kept = self.kept
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
        return result if self.fates is None else self._by_hand(result, self.fates)

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
        return _rank(self.priority)

    # ---- dense groups ----------------------------------------------------------------------

    def _mark_groups(self, row: int) -> None:
        """Do for a kept row's dense groups what the compiled pass does for listed pairs."""
        whole = len(self.solid) > 0 and not self.fate[row] & APART
        for layer, place, nodes, (first, last) in self.grouped(row):
            threshold = float(self.thresholds[layer])
            if whole:
                least = np.full(last - first, threshold)
                where, _ = self.scorers[layer].reaching(place, first, last, least)
                some = nodes[where - first]
                self.solid[some[self.solid[some] == 0]] = kernels().HIT
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

    # ---- decisions by hand: few, and looked at one by one -----------------------------------

    def _stays_apart(self, row: int, in_group: np.ndarray) -> bool:
        """Decide about a row for which some pair does not count; mark its neighbours."""
        stays = row < self.layers.olds or bool(self.fate[row] & STAYS)
        if not stays and self._is_reached(row):
            return False
        self.held_apart.append(row)
        if kernels().mark(
            row, False, self.nodes, *self.csr, in_group, self.state, self.solid, self.best
        ):
            self._mark_groups(row)
        return True

    def _is_reached(self, row: int) -> bool:
        """Whether a row that stays reaches this one by a pair that counts."""
        assert self.fates is not None
        nodes = self.layers.nodes[:, row]
        if any(node >= 0 and self.solid[node] for node in nodes.tolist()):
            return True
        others = [one for one in self.held_apart if one not in self.fates.apart[row]]
        for layer in range(len(nodes)) if others else ():
            if nodes[layer] >= 0:
                of_others = self.layers.nodes[layer, others]
                alike, _ = self._alike(layer, row)
                if (of_others == nodes[layer]).any() or np.isin(of_others, alike).any():
                    return True
        return False

    def _alike(self, layer: int, row: int) -> tuple[np.ndarray, np.ndarray]:
        """The nodes that reach the threshold with a row's node, and their scores."""
        offset, threshold = int(self.layers.offsets[layer]), float(self.thresholds[layer])
        graph, local = self.layers.found[layer].graph, int(self.layers.nodes[layer, row]) - offset
        span = slice(int(graph.starts[local]), int(graph.starts[local + 1]))
        near = graph.scores[span] >= threshold
        nodes, scores = [graph.neighbours[span][near] + offset], [graph.scores[span][near]]
        for other, place, members, (first, last) in self.grouped(row):
            if other == layer:
                least = np.full(last - first, threshold)
                least[place - first] = np.inf
                where, score = self.scorers[layer].reaching(place, first, last, least)
                nodes, scores = [*nodes, members[where - first]], [*scores, score]
        return np.concatenate(nodes), np.concatenate(scores)

    def _by_hand(self, result: Decision, fates: Fates) -> Decision:
        """The decision with what is said of rows that were decided by hand, or beside such."""
        for row in fates.special:
            if not self.kept[row]:
                found = self._witness_of(row, fates.apart[row])
                result.witness[row], result.score[row] = found[:2]
                result.layer[row], result.equal[row] = found[2:]
        gone = fates.by_hand
        result.witness[gone], result.score[gone], result.layer[gone] = -1, np.nan, -1
        result.equal[gone] = False
        return Decision(
            result.witness, result.score, result.layer, result.equal, gone,
            tuple(sorted(self._clashes(fates))),
        )  # fmt: skip

    def _witness_of(
        self, row: int, apart: Iterable[int], among: np.ndarray | None = None
    ) -> tuple[int, float, int, bool]:
        """The row that stays and is most like a row, of those that count, as for all others."""
        barred = {row, *apart}
        for layer, node in enumerate(self.layers.nodes[:, row].tolist()):
            if node < 0:
                continue
            alike, scores = self._alike(layer, row)
            held = self.best[alike] >= 0
            known = [(-2.0, self.rank[one], one) for one in self._held(layer, node, barred, among)]
            for other, score in zip(alike[held].tolist(), scores[held].tolist(), strict=True):
                found = self._held(layer, other, barred, among)
                known += [(-score, self.rank[one], one) for one in found]
            if known:
                score, _, one = min(known)
                return one, min(-score, 1.0), layer, score == -2.0
        return -1, np.nan, -1, False

    def _held(self, layer: int, node: int, barred: set[int], among: np.ndarray | None) -> list[int]:
        """The rows of a node that stay; more than one only where not every pair counts."""
        first = int(self.best[node])
        rows = {first, *self._more[layer].get(node, ())} - barred if first >= 0 else set()
        return [row for row in rows if among is None or among[row]]

    @cached_property
    def _more(self) -> list[dict[int, list[int]]]:
        """For each layer the rows that stay beside the first of their node that does."""
        found: list[dict[int, list[int]]] = []
        rows = np.flatnonzero(self.kept)
        for nodes in self.layers.nodes[:, rows]:
            more = np.flatnonzero((nodes >= 0) & (self.best[nodes] != rows))
            found.append({})
            for node, row in zip(nodes[more].tolist(), rows[more].tolist(), strict=True):
                found[-1].setdefault(node, []).append(row)
        return found

    def _clashes(self, fates: Fates) -> set[tuple[int, int]]:
        """Rows that both stay because someone said so, though they are alike."""
        stays = (fates.of_row & STAYS) != 0
        found = set()
        for row in fates.kept.tolist() if len(fates.kept) > 1 else ():
            other = self._witness_of(row, fates.apart.get(row, ()), stays)[0]
            if other >= 0:
                found.add((min(row, other), max(row, other)))
        return found


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
