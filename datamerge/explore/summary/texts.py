"""A few texts of each source, drawn by their ids, whose words are counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ...text import view
from ..frames.sample import keys

TEXTS = 200  # of a source, drawn by their ids, whose words are counted
LETTERS = 4_000  # of each of them
SOURCES = 50  # sources of which texts are kept; of more, those drawn by their names

Drawn = list[tuple[float, str]]


def draw(part: pd.DataFrame, source: np.ndarray, alive: np.ndarray) -> dict[str, Drawn]:
    """Of the live rows of each source the texts that are drawn first, cut."""
    drawn = keys(part, 0)
    order = np.argsort(drawn, kind="stable")
    places: dict[str, list[int]] = {name: [] for name in _some(source[alive])}
    for at in order[alive[order]].tolist():
        chosen = places.get(source[at])
        if chosen is not None and len(chosen) < TEXTS:
            chosen.append(at)
    taken = pa.array([at for chosen in places.values() for at in chosen], pa.int64())
    texts = pc.fill_null(view(part, "chat").take(taken), "")
    cut = iter(pc.utf8_slice_codeunits(texts, 0, LETTERS).to_pylist())
    return {
        name: [(float(drawn[at]), next(cut)) for at in chosen] for name, chosen in places.items()
    }


def first(texts: Mapping[str, Drawn]) -> dict[str, Drawn]:
    """Of what several partitions drew, the texts that are drawn first."""
    return {name: sorted(texts[name])[:TEXTS] for name in _some(texts)}


def _some(sources: Iterable[str]) -> list[str]:
    """All sources; of very many the same few, whatever their order."""
    names = sorted(set(sources))
    if len(names) <= SOURCES:
        return names
    index = pd.DataFrame({"id": pd.array(names, "string[pyarrow]")})
    return sorted(names[at] for at in np.argsort(keys(index, 0), kind="stable")[:SOURCES])
