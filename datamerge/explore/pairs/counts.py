"""Rows that would go, in all and by source, and how the scores of pairs are spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...dedup.deciding.layers import Layers
from ...dedup.deciding.marking import MUCH
from ...dedup.evidence import listing
from ..html.escape import bounded

BINS = 60
SOURCES = 12  # told of one by one
NAME = 120
VANISHES = 0.9  # a source that loses so much is all but gone
FEW = 10  # rows that any source may lose


@dataclass(frozen=True)
class Sources:
    """The sources, the largest first: their live rows, and of each row the number of its source."""

    names: list[str]
    live: np.ndarray
    of_row: np.ndarray

    @classmethod
    def of(cls, layers: Layers) -> Sources:
        """The sources of the rows compared."""
        coded, alive = layers.source.dictionary_encode(), layers.alive
        names = sorted(alive, key=lambda name: (-alive[name], name))
        number = {name: at for at, name in enumerate(names)}
        of_code = [number.get(name, len(names)) for name in coded.dictionary.to_pylist()]
        codes = np.array([*of_code, 0], np.int32)[coded.indices.to_numpy()]
        return cls(names, np.array([alive[name] for name in names], np.int64), codes)

    def gone(self, stays: np.ndarray) -> np.ndarray:
        """How many rows of each source go."""
        return np.bincount(self.of_row[~stays], minlength=len(self.names))[: len(self.names)]

    def told(self, gone: np.ndarray) -> dict[str, Any]:
        """The counts in all, and of those sources that lose too much or are the largest."""
        share = gone / np.maximum(self.live, 1)
        level = np.where(share >= VANISHES, 2, np.where(share > MUCH, 1, 0)) * (gone > FEW)
        chosen = np.sort(np.lexsort((np.arange(len(level)), -level))[:SOURCES])
        told = [
            {
                "name": named(self.names[at]),
                "live": int(self.live[at]),
                "removed": int(gone[at]),
                "level": int(level[at]),
            }
            for at in chosen.tolist()
        ]
        return {
            "live": int(self.live.sum()),
            "removed": int(gone.sum()),
            "sources": told,
            "others": len(self.names) - len(told),
            "vanishing": int((level == 2).sum()),
        }


def about(layers: Layers, floors: Mapping[str, float]) -> dict[str, Any]:
    """What was found, and for each finder how many pairs have which score."""
    finders = []
    for (name, floor), found in zip(floors.items(), layers.found, strict=True):
        finders.append(
            {
                "name": name,
                "floor": floor,
                "bins": listing.histogram(found, BINS)["pairs"].tolist(),
                "pairs": found.graph.pairs,
                "copies": len(found.copies),
                "grouped": found.groups.pairs if found.groups is not None else 0,
            }
        )
    compared = max(found.about["compared"] for found in layers.found)
    return {"finders": finders, "compared": compared, "old": layers.olds}


def named(text: str | None, most: int = NAME) -> str:
    """A name as the page shows it: bounded, and nothing in it unseen."""
    return bounded(text or "", most)
