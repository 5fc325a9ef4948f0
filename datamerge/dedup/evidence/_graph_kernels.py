"""Compiled loops over the graph of pairs. Imported when first needed: numba takes a while.

Nodes are classes of equal rows. With several finders the nodes of one layer stand behind those
of the one before: ``nodes[l, row]`` is the row's node in layer ``l``, -1 where it has none, and
``offsets[l]`` the layer's first. Neighbours of a node are sorted by score, the highest first.
"""

from __future__ import annotations

import numpy as np
from numba import njit

HELD, HIT = 1, 2  # a node holds a kept row; a kept neighbour reaches it
STAYS, GOES, APART = 1, 2, 4  # decided by hand; APART: some pair of the row's does not count


@njit(cache=True, nogil=True)
def count_ends(ends, counts):
    """How many pairs each item is in; ``ends`` [m, 4] begin with the two items."""
    for i in range(len(ends)):
        counts[ends[i, 0]] += 1
        counts[ends[i, 1]] += 1


@njit(cache=True, nogil=True)
def fill(ends, score, where, low, high, fill_at, neighbours, scores):
    """Put both directions of each pair into the slices of the rows ``[low, high)``."""
    for i in range(len(ends)):
        a, b = where[ends[i, 0]], where[ends[i, 1]]
        if low <= a < high:
            k = fill_at[a - low]
            neighbours[k], scores[k] = b, score[i, 1]
            fill_at[a - low] = k + 1
        if low <= b < high:
            k = fill_at[b - low]
            neighbours[k], scores[k] = a, score[i, 1]
            fill_at[b - low] = k + 1


@njit(cache=True, nogil=True)
def sort_slices(starts, low, high, neighbours, scores):
    """Sort the slices of the rows ``[low, high)`` in place: score downwards, then neighbour."""
    base = starts[low]
    for row in range(low, high):
        first, last = starts[row] - base, starts[row + 1] - base
        if last - first > 48:
            order = np.argsort(neighbours[first:last])
            some, values = neighbours[first:last][order], scores[first:last][order]
            order = np.argsort(-values, kind="mergesort")
            neighbours[first:last], scores[first:last] = some[order], values[order]
            continue
        for i in range(first + 1, last):
            one, value, j = neighbours[i], scores[i], i
            while j > first and (
                scores[j - 1] < value or (scores[j - 1] == value and neighbours[j - 1] > one)
            ):
                neighbours[j], scores[j] = neighbours[j - 1], scores[j - 1]
                j -= 1
            neighbours[j], scores[j] = one, value


@njit(cache=True, nogil=True)
def sound(starts, neighbours, scores):
    """Whether the arrays are a graph as it is written here: nothing points outside."""
    n = len(starts) - 1
    if n < 0 or starts[0] != 0 or starts[n] != len(neighbours) or starts[n] != len(scores):
        return False
    for row in range(n):
        if starts[row + 1] < starts[row] or starts[row + 1] > len(neighbours):
            return False
        for k in range(starts[row], starts[row + 1]):
            if neighbours[k] < 0 or neighbours[k] >= n or np.isnan(scores[k]):
                return False
            if k > starts[row] and scores[k] > scores[k - 1]:
                return False
    return True


@njit(cache=True, nogil=True)
def greedy(
    first, priority, olds, nodes, offsets, thresholds, starts, neighbours, scores, grouped,
    fate, state, solid, best, kept,
):  # fmt: skip
    """The maximal independent set in order of priority, from the ``first`` place on.

    Returns the place of a row that the caller has to do something about before it goes on behind
    it, or the number of rows. ``fate`` is what was decided by hand of each row, or empty. Then
    ``solid`` is like ``state``, but of what rows do whose every pair counts; a row that is APART
    (4) is the caller's to decide. Otherwise it is one whose node is in a dense group, whose
    neighbours there are the caller's to mark.
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
        if mark(
            row, whole, nodes, offsets, thresholds, starts, neighbours, scores, grouped,
            state, solid, best,
        ):  # fmt: skip
            return i
    return len(priority)


@njit(cache=True, nogil=True)
def greedy_alone(
    first, priority, olds, nodes, threshold, starts, neighbours, scores, grouped,
    fate, state, solid, best, kept,
):  # fmt: skip
    """What :func:`greedy` does, where there is one layer: a third of the time."""
    for i in range(first, len(priority)):
        row = priority[i]
        node, stays, whole = nodes[row], row < olds, False
        if len(fate) > 0:
            if fate[row] & GOES:
                continue
            if fate[row] & APART:
                return i
            stays |= (fate[row] & STAYS) != 0
            whole = len(solid) > 0
        if state[node] != 0 and not stays:
            continue
        kept[row] = True
        if best[node] >= 0 and not (whole and solid[node] != HELD):
            continue
        if best[node] < 0:
            state[node], best[node] = HELD, row
        if whole:
            solid[node] = HELD
        for k in range(starts[node], starts[node + 1]):
            if scores[k] < threshold:
                break
            other = neighbours[k]
            if state[other] == 0:
                state[other] = HIT
            if whole and solid[other] == 0:
                solid[other] = HIT
        if len(grouped) > 0 and grouped[node]:
            return i
    return len(priority)


@njit(cache=True, nogil=True, inline="always")
def mark(
    row, whole, nodes, offsets, thresholds, starts, neighbours, scores, grouped,
    state, solid, best,
):  # fmt: skip
    """Take out the neighbours of a row that stays; tells whether it has any in a dense group.

    ``whole`` rows leave their marks on ``solid`` too.
    """
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
        begins, others, values = starts[layer], neighbours[layer], scores[layer]  # once a row
        for k in range(begins[node - base], begins[node - base + 1]):
            if values[k] < threshold:
                break
            other = base + others[k]
            if state[other] == 0:
                state[other] = HIT
            if whole and solid[other] == 0:
                solid[other] = HIT
        waits |= len(grouped) > 0 and grouped[node]
    return waits


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


@njit(cache=True, nogil=True)
def reaching(hashes, starts, one, first, last, least, score):
    """Jaccard of a set with the sets ``[first, last)``; -1 where it is below what is asked."""
    begin, end = starts[one], starts[one + 1]
    size = end - begin
    for other in range(first, last):
        other_size = starts[other + 1] - starts[other]
        wanted = least[other - first]
        both_sizes = size + other_size
        # Bounds are computed in floating point, and may err to the safe side only.
        need = wanted / (1 + wanted) * both_sizes - 1e-6
        i, j, both = begin, starts[other], 0
        stop = starts[other + 1]
        score[other - first] = -1.0
        while i < end and j < stop and both + min(end - i, stop - j) >= need:
            if hashes[i] == hashes[j]:
                both += 1
                i += 1
                j += 1
            elif hashes[i] < hashes[j]:
                i += 1
            else:
                j += 1
        if (i == end or j == stop) and both_sizes > 0:
            value = both / (both_sizes - both)
            if value >= wanted:
                score[other - first] = value
