"""The graphs of all layers as compiled loops take them, and the dense groups beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..evidence.graph import frozen
from ..evidence.within import Scorer
from .layers import Layers


class Nodes:
    """What both rules work on: the layers, their dense groups, and which nodes are in one."""

    def __init__(self, layers: Layers, thresholds: Sequence[float], priority: np.ndarray):
        self.layers, self.csr = layers, _csr(layers, thresholds)
        self.priority = frozen(priority.astype(np.int64, copy=False))
        self.thresholds: np.ndarray = self.csr[1]
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

    def alike(self, layer: int, row: int) -> tuple[np.ndarray, np.ndarray]:
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


def _csr(layers: Layers, thresholds: Sequence[float]) -> tuple:
    graphs = [one.graph for one in layers.found]
    return (
        frozen(layers.offsets),
        np.asarray(thresholds, np.float64),
        tuple(graph.starts for graph in graphs),
        tuple(graph.neighbours for graph in graphs),
        tuple(graph.scores for graph in graphs),
    )
