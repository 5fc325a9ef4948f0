"""The rows a map shows, each with its vector, its colour and some text."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa

from ..._arrays import one_chunk

_COUNTS = ("rows", "silent")


@dataclass(frozen=True)
class Points:
    """Rows drawn, in the order they were drawn: nothing of it depends on partitions.

    ``place`` is where a row stands in the frame, ``rows`` how many the frame has, ``silent`` how
    many of those drawn say nothing, and so have no vector and no point.
    """

    ids: pa.Array
    drawn: np.ndarray
    place: np.ndarray
    source: pa.LargeStringArray
    reason: pa.LargeStringArray
    detail: pa.LargeStringArray
    text: pa.LargeStringArray
    color: pa.Array
    vectors: np.ndarray
    rows: int
    silent: int

    def __len__(self) -> int:
        return len(self.drawn)

    def take(self, chosen: np.ndarray) -> Points:
        """Only these rows, in this order."""
        taken = {
            field.name: _taken(getattr(self, field.name), chosen)
            for field in fields(self)
            if field.name not in _COUNTS
        }
        return replace(self, **taken)


def together(found: list[Points]) -> Points:
    """Points of neighbouring partitions as those of one."""
    before = np.cumsum([0, *(part.rows for part in found)])
    places = [part.place + rows for part, rows in zip(found, before, strict=False)]
    joined = {
        field.name: _joined([getattr(part, field.name) for part in found])
        for field in fields(Points)
        if field.name not in (*_COUNTS, "place")
    }
    silent = sum(part.silent for part in found)
    return Points(place=np.concatenate(places), rows=int(before[-1]), silent=silent, **joined)


def _joined(values: list[Any]) -> Any:
    if isinstance(values[0], np.ndarray):
        return np.concatenate(values)
    return one_chunk(pa.chunked_array(values)) if len(values) > 1 else values[0]


def _taken(values: Any, chosen: np.ndarray) -> Any:
    return values[chosen] if isinstance(values, np.ndarray) else values.take(pa.array(chosen))
