"""The compiled loops of the language model.

Both its tables are larger than a core's cache (39 and 58 MB), and each is quick only while its
hot part stays there: a block of texts is walked through the one before the other is touched.
"""

from __future__ import annotations

import math

import numba
import numpy as np

BLOCK_BYTES = 1 << 22


@numba.njit(nogil=True, cache=True)
def spans(letters, starts, max_chars):
    """Where each text ends, whether it is all upper case, and whether it goes beyond ASCII."""
    n = len(starts) - 1
    stops = starts[1:].copy()
    upper = np.zeros(n, np.int64)
    left = np.zeros(n, np.bool_)
    if max_chars < 0:
        return stops, upper, left
    for i in range(n):
        stops[i] = min(stops[i], starts[i] + max_chars)
        upper[i], left[i] = _look(letters, starts[i], stops[i])
        if left[i]:
            stops[i] = starts[i]
    return stops, upper, left


@numba.njit(nogil=True, cache=True)
def _look(letters, start, stop):
    upper = lower = False
    for j in range(start, stop):
        byte = letters[j]
        if byte >= 128:
            return 0, True
        upper |= 65 <= byte <= 90
        lower |= 97 <= byte <= 122
    return int(upper and not lower), False


@numba.njit(nogil=True, cache=True)
def classify_spans(
    letters, starts, stops, upper, moves, states, weights, prior, group, best, probability
):
    visits = np.empty(0, np.int32)
    counts = np.zeros(len(weights), np.int32)
    scores = np.zeros(weights.shape[1], np.float32)
    shares = np.empty(group.max() + 1, np.float64)
    logs = np.log1p(np.arange(256).astype(np.float32))
    first = 0
    while first < len(starts):
        last, size = first, 0
        while last < len(starts) and size < BLOCK_BYTES:
            size += stops[last] - starts[last]
            last += 1
        if size > len(visits):
            visits = np.empty(size, np.int32)
        passed = _walk_block(
            letters, starts[first:last], stops[first:last], upper[first:last], moves, states, visits
        )
        end = 0
        for i in range(first, last):
            begin, end = end, end + stops[i] - starts[i]
            seen = visits[begin : begin + passed[i - first]]
            if len(seen):
                _add_up(seen[: _count(seen, counts)], counts, logs, weights, prior, scores)
                temperature = math.sqrt(stops[i] - starts[i])
                best[i], probability[i] = _decide(scores, temperature, group, shares)
        first = last


@numba.njit(nogil=True, cache=True)
def _walk_block(letters, starts, stops, upper, moves, states, visits):
    """The n-grams that each text passes, written at its place in ``visits``; returns how many.

    Each step waits for the memory, so two texts are walked side by side.
    """
    as_lower = _byte_table()
    passed = np.zeros(len(starts), np.int64)
    begin = 0
    for i in range(0, len(starts), 2):
        k = min(i + 1, len(starts) - 1)
        a, b = starts[i], starts[k]
        size_a = stops[i] - a
        size_b = stops[k] - b if k > i else 0
        at_a, at_b = begin, begin + size_a
        base_a = base_b = states[0, 0]
        up_a, up_b = upper[i], upper[k]
        for j in range(min(size_a, size_b)):
            state_a = moves[base_a + as_lower[up_a, letters[a + j]]]
            state_b = moves[base_b + as_lower[up_b, letters[b + j]]]
            base_a, base_b = states[state_a, 0], states[state_b, 0]
            visits[at_a], visits[at_b] = states[state_a, 1], states[state_b, 1]
            at_a += states[state_a, 1] >= 0
            at_b += states[state_b, 1] >= 0
        for j in range(size_b, size_a):
            state_a = moves[base_a + as_lower[up_a, letters[a + j]]]
            base_a = states[state_a, 0]
            visits[at_a] = states[state_a, 1]
            at_a += states[state_a, 1] >= 0
        for j in range(size_a, size_b):
            state_b = moves[base_b + as_lower[up_b, letters[b + j]]]
            base_b = states[state_b, 0]
            visits[at_b] = states[state_b, 1]
            at_b += states[state_b, 1] >= 0
        passed[i] = at_a - begin
        if k > i:
            passed[k] = at_b - begin - size_a
        begin += size_a + size_b
    return passed


@numba.njit(nogil=True, cache=True)
def _byte_table():
    """Bytes as they are, and with lower case for upper."""
    table = np.empty((2, 256), np.int64)
    for byte in range(256):
        table[0, byte] = byte
        table[1, byte] = byte + 32 if 65 <= byte <= 90 else byte
    return table


@numba.njit(nogil=True, cache=True)
def _count(seen, counts):
    """Count n-grams; the different ones come to the front, returns how many they are."""
    found = 0
    for m in range(len(seen)):
        feature = seen[m]
        times = counts[feature]
        counts[feature] = times + 1
        seen[found] = feature
        found += times == 0
    return found


@numba.njit(nogil=True, cache=True)
def _add_up(seen, counts, logs, weights, prior, scores):
    """Log posterior of each class; leaves ``counts`` all zero. Four rows a time: fewer stores."""
    scores[: len(prior)] = prior
    m, n = 0, len(seen)
    while m + 4 <= n:
        a, b, c, d = seen[m], seen[m + 1], seen[m + 2], seen[m + 3]
        wa, wb = _log(counts[a], logs), _log(counts[b], logs)
        wc, wd = _log(counts[c], logs), _log(counts[d], logs)
        for q in range(len(scores)):
            scores[q] += (
                wa * weights[a, q] + wb * weights[b, q] + wc * weights[c, q] + wd * weights[d, q]
            )
        m += 4
    while m < n:
        a = seen[m]
        wa = _log(counts[a], logs)
        for q in range(len(scores)):
            scores[q] += wa * weights[a, q]
        m += 1
    for m in range(n):
        counts[seen[m]] = 0


@numba.njit(nogil=True, cache=True)
def _log(count, logs):
    return logs[count] if count < len(logs) else np.log1p(np.float32(count))


@numba.njit(nogil=True, cache=True)
def _decide(scores, temperature, group, shares):
    """The most probable group and its probability: a softmax at the model's temperature."""
    top = scores[: len(group)].max()
    shares[:] = 0
    total = 0.0
    for q in range(len(group)):
        share = math.exp((scores[q] - top) / temperature)
        shares[group[q]] += share
        total += share
    winner = shares.argmax()
    return winner, shares[winner] / total
