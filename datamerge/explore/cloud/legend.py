"""What the colours of a map mean: categories by their number of rows, numbers in bands."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..html.escape import short, unmarked

MOST = 12  # hues an eye can tell apart
BANDS = 8
LABEL = 60

KEPT, MISSING = "kept", "missing"
# Reasons begin with what looks least like the green of what is kept.
_OF_REASONS = (1, 3, 4, 5, 0, 9, 10, 8, 11, 7, 6, 2)


@dataclass(frozen=True)
class Legend:
    """A colour for every point: ``codes`` are places in ``entries``.

    An entry has a ``label``, safe to show, a ``count`` and a ``hue``: ``0`` to ``11``, ``s0`` to
    ``s7`` for bands of numbers, ``kept``, ``missing`` or ``other``.
    """

    codes: np.ndarray
    entries: list[dict[str, Any]]


def legend(values: pa.Array, missing: str) -> Legend:
    """The legend of the values that colour; ``missing`` names what null means."""
    if pa.types.is_floating(values.type):
        numbers = values.to_numpy(zero_copy_only=False)
        finite = numbers[np.isfinite(numbers)]
        if len(np.unique(finite)) > MOST:
            return _banded(numbers, finite, missing)
        finite_only = pc.if_else(pc.is_finite(values), values, pa.scalar(None, values.type))
        values = pc.add(finite_only, pa.scalar(0, values.type))  # Arrow tells -0.0 from 0.0
        return _named(values, missing, ordered=True)
    return _named(values, missing, ordered=False)


def _named(values: pa.Array, missing: str, *, ordered: bool) -> Legend:
    """One entry a value, the frequent ones first; numbers in their order."""
    encoded = values.dictionary_encode()
    numbers = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    distinct = encoded.dictionary.to_pylist()
    counts = np.bincount(numbers[numbers >= 0], minlength=len(distinct))
    ranked = sorted(range(len(distinct)), key=lambda i: (-counts[i], distinct[i]))
    shown = ranked if len(ranked) <= MOST else ranked[: MOST - 1]
    if ordered:
        shown = sorted(shown, key=lambda i: distinct[i])
    hues = _OF_REASONS if missing == KEPT else range(MOST)
    entries = [
        _entry(_label(distinct[i]), counts[i], str(hue))
        for hue, i in zip(hues, shown, strict=False)
    ]
    other = len(entries)
    if len(shown) < len(ranked):
        rest = [counts[i] for i in ranked[len(shown) :]]
        entries.append(_entry(f"{len(rest):,} others", sum(rest), "other"))
    code = np.full(len(distinct) + 1, other)
    code[shown] = np.arange(len(shown))
    return _with_missing(code[numbers], numbers < 0, entries, missing)


def _banded(numbers: np.ndarray, finite: np.ndarray, missing: str) -> Legend:
    """Bands with about as many rows each."""
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, BANDS + 1), method="nearest"))
    codes = np.searchsorted(edges[1:-1], numbers, side="right")
    absent = ~np.isfinite(numbers)
    counts = np.bincount(codes[~absent], minlength=len(edges) - 1)
    labels = [f"{_number(low)} to {_number(high)}" for low, high in pairwise(edges)]
    steps = np.linspace(0, BANDS - 1, len(labels)).round().astype(int)
    entries = [
        _entry(label, count, f"s{step}")
        for label, count, step in zip(labels, counts, steps, strict=True)
    ]
    return _with_missing(codes, absent, entries, missing)


def _with_missing(
    codes: np.ndarray, absent: np.ndarray, entries: list[dict[str, Any]], missing: str
) -> Legend:
    if absent.any():
        codes = np.where(absent, len(entries), codes)
        hue = KEPT if missing == KEPT else MISSING
        entries.append(_entry(missing, absent.sum(), hue))
    return Legend(codes.astype(np.uint8), entries)


def _entry(label: str, count: int, hue: str) -> dict[str, Any]:
    return {"label": label, "count": int(count), "hue": hue}


def _label(value: Any) -> str:
    if isinstance(value, float):
        return _number(value)
    return unmarked(short(" ".join(value.split()), LABEL)) or '""'


def _number(value: float) -> str:
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"
