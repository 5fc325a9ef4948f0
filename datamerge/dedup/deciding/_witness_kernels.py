"""Compiled loops of the rule of witnesses. Imported when first needed: numba takes a while.

Nodes are classes of equal rows. With several finders the nodes of one layer stand behind those
of the one before: ``nodes[l, row]`` is the row's node in layer ``l``, -1 where it has none, and
``offsets[l]`` the layer's first. Neighbours of a node are sorted by score, the highest first.
"""

from __future__ import annotations

from numba import njit

from ._pointers import float64s, int32s, int64s

HELD, HIT = 1, 2  # a node holds a kept row; a kept neighbour reaches it
STAYS, GOES, APART = 1, 2, 4  # decided by hand; APART: some pair of the row's does not count


@njit(cache=True, nogil=True)
def greedy(
    first, priority, olds, nodes, offsets, thresholds, graphs, grouped,
    fate, state, solid, best, kept,
):  # fmt: skip
    """The maximal independent set in order of priority, from the ``first`` place on.

    Returns the place of a row that the caller has to do something about before it goes on behind
    it, or the number of rows. ``fate`` is what was decided by hand of each row, or empty. Then
    ``solid`` is like ``state``, but of what rows do whose every pair counts; a row that is APART
    (4) is the caller's to decide. Otherwise it is one whose node is in a dense group, whose
    neighbours there are the caller's to mark. ``graphs`` are the addresses of each layer's.

    One loop, since a call inside costs more than a step: compiled code counts who holds arrays.
    """
    for i in range(first, len(priority)):
        row = priority[i]
        stays, whole = row < olds, False
        if len(fate) > 0:
            if fate[row] & GOES:
                continue
            if fate[row] & APART:
                return i
            stays |= (fate[row] & STAYS) != 0
            whole = len(solid) > 0
        free = True
        for layer in range(len(nodes)):
            node = nodes[layer, row]
            if node >= 0 and state[node] != 0:
                free = False
        if not free and not stays:
            continue
        kept[row] = True
        waits = False
        for layer in range(len(nodes)):
            node = nodes[layer, row]
            if node < 0 or (best[node] >= 0 and not (whole and solid[node] != HELD)):
                continue
            if best[node] < 0:
                state[node], best[node] = HELD, row
            if whole:
                solid[node] = HELD
            base, threshold = offsets[layer], thresholds[layer]
            starts, neighbours = int64s(graphs[layer, 0]), int32s(graphs[layer, 1])
            scores = float64s(graphs[layer, 2])
            for k in range(starts[node - base], starts[node - base + 1]):
                if scores[k] < threshold:
                    break
                other = base + neighbours[k]
                if state[other] == 0:
                    state[other] = HIT
                if whole and solid[other] == 0:
                    solid[other] = HIT
            waits |= len(grouped) > 0 and grouped[node]
        if waits:
            return i
    return len(priority)


@njit(cache=True, nogil=True)
def nearest(base, threshold, starts, neighbours, scores, state, best, rank, witness, similarity):
    """For each node of a layer that was hit, its kept neighbour with the highest score.

    ``witness`` and ``similarity`` hold the best of its dense group so far, -1 where none.
    """
    for local in range(len(starts) - 1):
        node = base + local
        if state[node] != HIT:
            continue
        held, most = witness[node], similarity[node]
        for k in range(starts[local], starts[local + 1]):
            value = scores[k]
            if value < threshold or (held >= 0 and value < most):
                break
            row = best[base + neighbours[k]]
            if row < 0:
                continue
            if held < 0 or value > most or rank[row] < rank[held]:
                held, most = row, value
        witness[node], similarity[node] = held, most


@njit(cache=True, nogil=True)
def spread(nodes, kept, best, witness, similarity, of_row, score, layer_of, equal):
    """What was found of the nodes, told of the rows: in the first layer that has a witness."""
    for row in range(nodes.shape[1]):
        if kept[row]:
            continue
        for layer in range(len(nodes)):
            node = nodes[layer, row]
            if node < 0:
                continue
            if best[node] >= 0:
                of_row[row], score[row], layer_of[row] = best[node], 1.0, layer
                equal[row] = True
                break
            if witness[node] >= 0:
                of_row[row], score[row] = witness[node], similarity[node]
                layer_of[row] = layer
                break
