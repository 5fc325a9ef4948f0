"""Which rows a map shows, drawn by their ids; texts are embedded where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..._arrays import one_chunk, strings
from ...embed import Encoder
from ...text import TextView, view
from ..frames.gather import gather
from ..frames.said import chats, readable
from ..frames.sample import keys
from .points import Points, together

EXCERPT = 500  # characters of a text that the map can show
_NAME = 200  # characters of an id, a source, a value that colours
_AT_ONCE = 1024  # texts given to an encoder at a time


def points(
    df: Any,
    *,
    text: TextView,
    color: str,
    encoder: Encoder | None,
    most: int,
    seed: int,
) -> Points:
    """At most ``most`` rows of the frame; with an encoder, their texts' vectors.

    Two passes: the first finds down to which draw rows are taken, the second takes them and
    embeds no other. Partitions are embedded where they lie.
    """
    census = _Census(most, seed)
    rows, lowest = gather(df, census, census.merge)
    cut = lowest[-1] if rows > most else 1.0  # draws are below one
    found = gather(df, _Take(text, color, encoder, seed, cut), together)
    return found.take(np.lexsort((found.place, found.drawn))[:most])


@dataclass(frozen=True)
class _Census:
    """How many rows there are, and the lowest ``most`` of their draws, ascending."""

    most: int
    seed: int

    def __call__(self, part: pd.DataFrame) -> tuple[int, np.ndarray]:
        return len(part), np.sort(keys(readable(part), self.seed))[: self.most]

    def merge(self, found: list[tuple[int, np.ndarray]]) -> tuple[int, np.ndarray]:
        drawn = np.sort(np.concatenate([lowest for _, lowest in found]))
        return sum(rows for rows, _ in found), drawn[: self.most]


@dataclass(frozen=True)
class _Take:
    """Partition function: the points of the rows drawn."""

    text: TextView
    color: str
    encoder: Encoder | None
    seed: int
    cut: float

    def __call__(self, part: pd.DataFrame) -> Points:
        rows = len(part)
        part = readable(part)
        drawn = keys(part, self.seed)
        place = np.flatnonzero(drawn <= self.cut)
        part = chats(part.iloc[place])
        texts = view(part, self.text)
        vectors, says = self._embedded(texts)
        found = Points(
            ids=one_chunk(pa.array(part["id"], from_pandas=True)),
            drawn=drawn[place],
            place=place,
            source=_column(part, "source"),
            reason=_column(part, "drop_reason"),
            detail=_column(part, "drop_detail"),
            text=_start(texts, EXCERPT),
            color=values(part, self.color),
            vectors=vectors,
            rows=rows,
            silent=int(len(part) - says.sum()),
        )
        return found if says.all() else found.take(np.flatnonzero(says))

    def _embedded(self, texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
        """Vectors, and which of them are not zero: those of texts that say something."""
        if self.encoder is None:
            return np.zeros((len(texts), 0), np.float32), np.ones(len(texts), bool)
        blocks = [self.encoder.encode(some) for some in _blocks(texts)]
        empty = np.zeros((0, self.encoder.dim), np.float32)
        vectors = np.concatenate([empty, *blocks], dtype=np.float32)
        return vectors, np.asarray(vectors.any(axis=1))


def _blocks(texts: pa.LargeStringArray) -> Iterator[list[str]]:
    for start in range(0, len(texts), _AT_ONCE):
        yield [text or "" for text in texts.slice(start, _AT_ONCE).to_pylist()]


def _column(part: pd.DataFrame, name: str) -> pa.LargeStringArray:
    """A column's strings, their beginnings; all null where there is no such column."""
    if name not in part.columns:
        return pa.nulls(len(part), pa.large_string())
    return _start(strings(part[name]), _NAME)


def values(part: pd.DataFrame, name: str) -> pa.Array:
    """What colours: numbers as float64, anything else as strings."""
    numeric = pd.api.types.is_numeric_dtype(part[name])
    if numeric and not pd.api.types.is_bool_dtype(part[name]):
        return one_chunk(pa.array(part[name], from_pandas=True)).cast(pa.float64(), safe=False)
    if isinstance(part[name].dtype, pd.CategoricalDtype):
        part = part.assign(**{name: part[name].astype(object)})
    return _start(strings(part[name]), _NAME)


def _start(texts: pa.LargeStringArray, most: int) -> pa.LargeStringArray:
    return pc.utf8_slice_codeunits(texts, 0, most)
