"""The language model of py3langid, read for many texts at once by compiled code.

The model is a naive Bayes classifier over byte n-grams: an automaton walks the UTF-8 bytes and
counts the n-grams it passes, ``log1p(count)`` weighs each n-gram's row of log probabilities. The
package does this one text at a time in Python; here its own tables go through compiled loops
that hold no lock, so that threads run side by side. Labels are the same, tests see to that.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ._naive_bayes_kernels import classify_spans, spans

LINE = 16  # floats in a cache line: rows of weights are filled up to whole lines


@dataclass(frozen=True, eq=False)
class Model:
    """Tables of the classifier; ``moves[states[state, 0] + byte]`` is the next state.

    ``states[state, 1]`` is the n-gram that a state completes, or -1.
    """

    moves: np.ndarray
    states: np.ndarray
    weights: np.ndarray
    prior: np.ndarray
    labels: tuple[str, ...]


@lru_cache(maxsize=1)
def model() -> Model:
    """The tables of the installed model; loading takes about half a second, once a process."""
    from py3langid.langid import MODEL_DIR, MODEL_FILE
    from py3langid.modelio import load_model

    weights, prior, labels, moves, rows, features = load_model(MODEL_DIR / MODEL_FILE)
    states = np.column_stack([np.asarray(rows).astype(np.int32) << 8, features])
    return Model(
        moves=np.asarray(moves),
        states=np.ascontiguousarray(states, np.int32),
        weights=_in_lines(weights),
        prior=np.asarray(prior, np.float32),
        labels=tuple(labels),
    )


def _in_lines(weights: np.ndarray) -> np.ndarray:
    """The weights with rows that begin and end at a cache line: no load straddles two."""
    shape = (len(weights), -(-weights.shape[1] // LINE) * LINE)
    floats = np.zeros(shape[0] * shape[1] + LINE, np.float32)
    first = -floats.ctypes.data % (4 * LINE) // 4
    padded = floats[first : first + shape[0] * shape[1]].reshape(shape)
    padded[:, : weights.shape[1]] = weights
    return padded


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
    stops, upper, left = spans(letters, starts, max_chars)
    classify_spans(
        letters, starts[:-1], stops, upper, tables.moves, tables.states,
        tables.weights, tables.prior, group, best, probability,
    )  # fmt: skip
    return np.flatnonzero(left)
