"""Witnesses where rows were decided by hand: what the compiled pass can't tell."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .by_hand import STAYS, Fates
from .decision import Decision

if TYPE_CHECKING:
    from .independent import Independent


class Witnesses:
    """Looks witnesses up among the rows that stay, for those that the pass left out."""

    def __init__(self, of: Independent, fates: Fates):
        self.of, self.fates = of, fates

    def told(self, result: Decision) -> Decision:
        """The decision with what is said of rows that were decided by hand, or beside such."""
        for row in self.fates.special:
            if not self.of.kept[row]:
                found = self._witness_of(row, self.fates.apart[row])
                result.witness[row], result.score[row] = found[:2]
                result.layer[row], result.equal[row] = found[2:]
        gone = self.fates.by_hand
        result.witness[gone], result.score[gone], result.layer[gone] = -1, np.nan, -1
        result.equal[gone] = False
        return Decision(
            result.witness, result.score, result.layer, result.equal, gone,
            tuple(sorted(self._clashes())),
        )  # fmt: skip

    def _witness_of(
        self, row: int, apart: Iterable[int], among: np.ndarray | None = None
    ) -> tuple[int, float, int, bool]:
        """The row that stays and is most like a row, of those that count, as for all others."""
        barred = {row, *apart}
        for layer, node in enumerate(self.of.layers.nodes[:, row].tolist()):
            if node < 0:
                continue
            alike, scores = self.of.alike(layer, row)
            held = self.of.best[alike] >= 0
            near = [(node, 2.0)]  # of one class: before all others
            near += zip(alike[held].tolist(), scores[held].tolist(), strict=True)
            known = [
                (-score, self.of.rank[one], one)
                for other, score in near
                for one in self._held(layer, other, barred, among)
            ]
            if known:
                score, _, one = min(known)
                return one, min(-score, 1.0), layer, score == -2.0
        return -1, np.nan, -1, False

    def _held(self, layer: int, node: int, barred: set[int], among: np.ndarray | None) -> list[int]:
        """The rows of a node that stay; more than one only where not every pair counts."""
        first = int(self.of.best[node])
        rows = {first, *self._more[layer].get(node, ())} - barred if first >= 0 else set()
        return [row for row in rows if among is None or among[row]]

    @cached_property
    def _more(self) -> list[dict[int, list[int]]]:
        """For each layer the rows that stay beside the first of their node that does."""
        found: list[dict[int, list[int]]] = []
        rows = np.flatnonzero(self.of.kept)
        for nodes in self.of.layers.nodes[:, rows]:
            more = np.flatnonzero((nodes >= 0) & (self.of.best[nodes] != rows))
            found.append({})
            for node, row in zip(nodes[more].tolist(), rows[more].tolist(), strict=True):
                found[-1].setdefault(node, []).append(row)
        return found

    def _clashes(self) -> set[tuple[int, int]]:
        """Rows that both stay because someone said so, though they are alike."""
        stays = (self.fates.of_row & STAYS) != 0
        found = set()
        for row in self.fates.kept.tolist() if len(self.fates.kept) > 1 else ():
            other = self._witness_of(row, self.fates.apart.get(row, ()), stays)[0]
            if other >= 0:
                found.add((min(row, other), max(row, other)))
        return found
