"""The language model of py3langid, read for many texts at once by compiled code.

The model is a naive Bayes classifier over byte n-grams: an automaton walks the UTF-8 bytes and
counts the n-grams it passes, ``log1p(count)`` weighs each n-gram's row of log probabilities. The
package does this one text at a time in Python; here its own tables go through one compiled loop
that holds no lock, so that threads run side by side. Labels are the same, tests see to that.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, eq=False)
class Model:
    """Tables of the classifier; ``moves[rows[state] + byte]`` is the next state."""

    moves: np.ndarray
    rows: np.ndarray
    features: np.ndarray
    weights: np.ndarray
    prior: np.ndarray
    labels: tuple[str, ...]


@lru_cache(maxsize=1)
def model() -> Model:
    """The tables of the installed model; loading takes about half a second, once a process."""
    from py3langid.langid import MODEL_DIR, MODEL_FILE
    from py3langid.modelio import load_model

    weights, prior, labels, moves, rows, features = load_model(MODEL_DIR / MODEL_FILE)
    return Model(
        moves=np.asarray(moves),
        rows=np.asarray(rows).astype(np.int32) << 8,
        features=np.asarray(features, np.int32),
        weights=np.ascontiguousarray(weights, np.float32),
        prior=np.asarray(prior, np.float32),
        labels=tuple(labels),
    )


def classify(
    texts: pa.LargeStringArray, max_chars: int, counts_as: Mapping[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """Label and probability of each text's first ``max_chars`` characters, [n] and [n].

    ``counts_as`` adds the probability of one label to another's. A text in which the model knows
    no n-gram at all has the label ``und`` and probability 0.
    """
    tables = model()
    groups = [counts_as.get(label, label) for label in tables.labels]
    names = [*dict.fromkeys(groups), "und"]
    group = np.array([names.index(name) for name in groups])
    best = np.full(len(texts), len(names) - 1)
    probability = np.zeros(len(texts), np.float32)
    todo = _walk(texts, max_chars, tables, group, best, probability)
    if len(todo):  # what the bytes alone cannot prepare: upper case and NFC beyond ASCII
        prepared = _prepare(texts.take(pa.array(todo)), max_chars)
        label, score = best[todo], probability[todo]
        _walk(prepared, -1, tables, group, label, score)
        best[todo], probability[todo] = label, score
    return np.array(names, object)[best], probability


def _prepare(texts: pa.LargeStringArray, max_chars: int) -> pa.LargeStringArray:
    """The start of each text as the model was trained to see it."""
    starts = pc.utf8_slice_codeunits(texts, 0, max_chars).to_pylist()
    lowered = (start.lower() if start.isupper() else start for start in starts)
    return pa.array([unicodedata.normalize("NFC", text) for text in lowered], pa.large_string())


def _walk(
    texts: pa.LargeStringArray,
    max_chars: int,
    tables: Model,
    group: np.ndarray,
    best: np.ndarray,
    probability: np.ndarray,
) -> np.ndarray:
    """Fill ``best`` and ``probability``; returns the rows left out because they are not ASCII."""
    _, offsets, data = texts.buffers()
    if not len(texts):
        return np.zeros(0, np.int64)
    starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    letters = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    left = np.zeros(len(texts), np.bool_)
    _classify(
        letters, starts, max_chars, tables.moves, tables.rows, tables.features,
        tables.weights, tables.prior, group, best, probability, left,
    )  # fmt: skip
    return np.flatnonzero(left)


@numba.njit(nogil=True, cache=True)
def _classify(
    letters, starts, max_chars, moves, rows, features,
    weights, prior, group, best, probability, left,
):  # fmt: skip
    counts = np.zeros(len(weights), np.int32)
    seen = np.empty(len(weights), np.int32)
    scores = np.empty(len(prior), np.float32)
    shares = np.empty(group.max() + 1, np.float64)
    for i in range(len(starts) - 1):
        start, stop = starts[i], starts[i + 1]
        lower = False
        if max_chars >= 0:
            stop = min(stop, start + max_chars)
            lower, left[i] = _look(letters, start, stop)
            if left[i]:
                continue
        found = _count(letters, start, stop, lower, moves, rows, features, counts, seen)
        if found:
            _add_up(counts, seen, found, weights, prior, scores)
            best[i], probability[i] = _decide(scores, math.sqrt(stop - start), group, shares)


@numba.njit(nogil=True, cache=True)
def _look(letters, start, stop):
    """Is the text all in upper case, and does it go beyond ASCII?"""
    upper = lower = False
    for j in range(start, stop):
        byte = letters[j]
        if byte >= 128:
            return False, True
        upper |= 65 <= byte <= 90
        lower |= 97 <= byte <= 122
    return upper and not lower, False


@numba.njit(nogil=True, cache=True)
def _count(letters, start, stop, lower, moves, rows, features, counts, seen):
    """Count the n-grams of a text; returns how many different ones were seen."""
    state = 0
    found = 0
    for j in range(start, stop):
        byte = letters[j]
        if lower and 65 <= byte <= 90:
            byte += 32
        state = moves[rows[state] + byte]
        feature = features[state]
        if feature >= 0:
            if counts[feature] == 0:
                seen[found] = feature
                found += 1
            counts[feature] += 1
    return found


@numba.njit(nogil=True, cache=True)
def _add_up(counts, seen, found, weights, prior, scores):
    """Log posterior of each class; leaves ``counts`` all zero. Four rows a time: fewer stores."""
    scores[:] = prior
    m = 0
    while m < found:
        a = seen[m]
        b, c, d = (
            seen[min(m + 1, found - 1)],
            seen[min(m + 2, found - 1)],
            seen[min(m + 3, found - 1)],
        )
        wa = np.log1p(np.float32(counts[a]))
        wb = np.log1p(np.float32(counts[b])) if m + 1 < found else np.float32(0)
        wc = np.log1p(np.float32(counts[c])) if m + 2 < found else np.float32(0)
        wd = np.log1p(np.float32(counts[d])) if m + 3 < found else np.float32(0)
        for q in range(len(scores)):
            scores[q] += (
                wa * weights[a, q] + wb * weights[b, q] + wc * weights[c, q] + wd * weights[d, q]
            )
        m += 4
    for m in range(found):
        counts[seen[m]] = 0


@numba.njit(nogil=True, cache=True)
def _decide(scores, temperature, group, shares):
    """The most probable group and its probability: a softmax at the model's temperature."""
    top = scores.max()
    shares[:] = 0
    total = 0.0
    for q in range(len(scores)):
        share = math.exp((scores[q] - top) / temperature)
        shares[group[q]] += share
        total += share
    winner = shares.argmax()
    return winner, shares[winner] / total
