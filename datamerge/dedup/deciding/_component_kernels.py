"""Compiled loops over connected components. Imported when first needed: numba takes a while.

Nodes are those of the rule of witnesses (see :mod:`._witness_kernels`).
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def root_of(parent, node):
    """The root of a node's tree; the way there is halved."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@njit(cache=True, nogil=True)
def join(parent, a, b):
    """Make one tree of two nodes' trees."""
    a, b = root_of(parent, a), root_of(parent, b)
    if a < b:
        parent[b] = a
    elif b < a:
        parent[a] = b


@njit(cache=True, nogil=True)
def join_all(parent, one, others):
    """Make one tree of a node's and all of the others'."""
    for other in others:
        join(parent, one, other)


@njit(cache=True, nogil=True)
def connect(nodes, offsets, thresholds, starts, neighbours, scores, parent, linked):
    """Join what reaches the thresholds, and the nodes of one row; tells which nodes are linked."""
    for layer in range(len(nodes)):
        base, threshold = offsets[layer], thresholds[layer]
        for local in range(len(starts[layer]) - 1):
            for k in range(starts[layer][local], starts[layer][local + 1]):
                if scores[layer][k] < threshold:
                    break
                linked[base + local] = True
                if neighbours[layer][k] > local:
                    join(parent, base + local, base + neighbours[layer][k])
    for row in range(nodes.shape[1]):
        held = -1
        for layer in range(len(nodes)):
            node = nodes[layer, row]
            if node >= 0 and held >= 0:
                join(parent, held, node)
            if node >= 0:
                held = node


@njit(cache=True, nogil=True)
def tops(priority, nodes, offsets, thresholds, starts, neighbours, scores, parent, top, direct):
    """The first row of each component, and the scores of its neighbours with it."""
    for i in range(len(priority)):
        row = priority[i]
        root = -1
        for layer in range(len(nodes)):
            if nodes[layer, row] >= 0:
                root = root_of(parent, nodes[layer, row])
        if top[root] >= 0:
            continue
        top[root] = row
        for layer in range(len(nodes)):
            node = nodes[layer, row]
            if node < 0:
                continue
            base = offsets[layer]
            for k in range(starts[layer][node - base], starts[layer][node - base + 1]):
                if scores[layer][k] < thresholds[layer]:
                    break
                direct[base + neighbours[layer][k]] = scores[layer][k]


@njit(cache=True, nogil=True)
def crowd(priority, nodes, olds, crowded, holder):
    """How many rows each node stands for, and the first old one of them."""
    for i in range(len(priority)):
        row = priority[i]
        for layer in range(len(nodes)):
            node = nodes[layer, row]
            if node >= 0:
                crowded[node] += 1
                if row < olds and holder[node] < 0:
                    holder[node] = row


@njit(cache=True, nogil=True)
def one_each(
    nodes, olds, parent, top, direct, linked, crowded, holder, of_row, score, layer_of, equal
):  # fmt: skip
    """The rows that go where one row a component stays, with the score, if they have one."""
    for row in range(olds, nodes.shape[1]):
        root = -1
        for layer in range(len(nodes)):
            if nodes[layer, row] >= 0:
                root = root_of(parent, nodes[layer, row])
        first = top[root]
        if first == row:
            continue
        of_row[row] = first
        for layer in range(len(nodes)):
            node = nodes[layer, row]
            if node < 0:
                continue
            if holder[node] >= 0 or nodes[layer, first] == node:
                if holder[node] >= 0:
                    of_row[row] = holder[node]
                score[row], layer_of[row], equal[row] = 1.0, layer, True
                break
            if not np.isnan(direct[node]):
                score[row], layer_of[row] = direct[node], layer
                break
        for layer in range(len(nodes)):
            node = nodes[layer, row]
            if layer_of[row] < 0 and node >= 0 and (linked[node] or crowded[node] > 1):
                layer_of[row] = layer
