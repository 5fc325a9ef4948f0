"""Compiled loops over the graph of pairs. Imported when first needed: numba takes a while."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def adjacency(n, left, right, score):
    """Neighbour lists of an undirected graph: starts [n + 1], neighbours and scores [2 m]."""
    starts = np.zeros(n + 1, np.int64)
    for i in range(len(left)):
        starts[left[i] + 1] += 1
        starts[right[i] + 1] += 1
    for i in range(n):
        starts[i + 1] += starts[i]
    fill = starts[:-1].copy()
    neighbours = np.empty(2 * len(left), np.int64)
    scores = np.empty(2 * len(left), np.float64)
    for i in range(len(left)):
        a, b = left[i], right[i]
        neighbours[fill[a]], scores[fill[a]] = b, score[i]
        neighbours[fill[b]], scores[fill[b]] = a, score[i]
        fill[a] += 1
        fill[b] += 1
    return starts, neighbours, scores


@njit(cache=True, nogil=True)
def independent(starts, neighbours, scores, priority, rank, best):
    """The maximal independent set in order of priority; each removed row with its best witness.

    Only rows that are the best of their class take part.
    """
    n = len(priority)
    state = np.zeros(n, np.int8)  # 0 open, 1 kept, 2 removed
    for i in range(n):
        row = priority[i]
        if best[row] != row or state[row] != 0:
            continue
        state[row] = 1
        for k in range(starts[row], starts[row + 1]):
            state[neighbours[k]] = 2
    witness = np.full(n, -1, np.int64)
    similarity = np.full(n, np.nan)
    for row in range(n):
        if state[row] != 2:
            continue
        for k in range(starts[row], starts[row + 1]):
            other = neighbours[k]
            if state[other] != 1:
                continue
            held = witness[row]
            closer = held < 0 or scores[k] > similarity[row]
            if closer or (scores[k] == similarity[row] and rank[other] < rank[held]):
                witness[row], similarity[row] = other, scores[k]
    return witness, similarity


@njit(cache=True, nogil=True)
def components(n, left, right, score, priority):
    """One row a connected component: the one with the highest priority."""
    parent = np.arange(n)
    for i in range(len(left)):
        a, b = left[i], right[i]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a != b:
            parent[max(a, b)] = min(a, b)
    top = np.full(n, -1, np.int64)
    witness = np.full(n, -1, np.int64)
    similarity = np.full(n, np.nan)
    for i in range(n):
        row = priority[i]
        root = row
        while parent[root] != root:
            root = parent[root]
        if top[root] < 0:
            top[root] = row
        else:
            witness[row] = top[root]
    for i in range(len(left)):
        a, b = left[i], right[i]
        if witness[a] == b:
            similarity[a] = score[i]
        if witness[b] == a:
            similarity[b] = score[i]
    return witness, similarity
