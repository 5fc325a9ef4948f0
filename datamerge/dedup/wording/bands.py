"""Bands and rows of MinHash signatures: which pairs become candidates, and which are missed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

# What is missed of the pairs that are exactly at the threshold; above it, it is less.
MOST_MISSED = 0.01


@dataclass(frozen=True)
class Bands:
    """Signatures cut into ``bands`` of ``rows`` places; equal in one band makes a candidate.

    A pair of Jaccard similarity ``s`` is a candidate with the probability
    ``1 - (1 - s**rows)**bands``, the S-curve (Leskovec, Rajaraman and Ullman, *Mining of Massive
    Datasets*, chapter 3).

    Examples
    --------
    >>> bands = Bands.for_threshold(0.8, 128)
    >>> bands
    Bands(bands=21, rows=6)
    >>> bands.curve([0.5, 0.7, 0.8, 0.9]).round(3).values.tolist()
    [[0.5, 0.282, 0.718], [0.7, 0.928, 0.072], [0.8, 0.998, 0.002], [0.9, 1.0, 0.0]]
    """

    bands: int
    rows: int

    @classmethod
    def for_threshold(cls, threshold: float, num_perm: int) -> Bands:
        """The most selective bands that miss at most one in a hundred pairs at the threshold."""
        for rows in range(num_perm, 1, -1):
            bands = cls(num_perm // rows, rows)
            if bands.missed(threshold) <= MOST_MISSED:
                return bands
        return cls(num_perm, 1)

    def found(self, similarity: float) -> float:
        """The probability that a pair of this similarity is found."""
        return 1 - self.missed(similarity)

    def missed(self, similarity: float) -> float:
        """The probability that a pair of this similarity is missed: the false negatives."""
        return float((1 - similarity**self.rows) ** self.bands)

    def told(self, threshold: float) -> str:
        """What they are and miss, in words.

        >>> Bands(21, 6).told(0.8)
        '21 bands of 6 rows, which miss 0.17% of the pairs at 0.8'
        """
        missed = f"{100 * self.missed(threshold):.2g}% of the pairs at {threshold:g}"
        return f"{self.bands} bands of {self.rows} rows, which miss {missed}"

    def curve(self, similarities: list[float] | None = None) -> pd.DataFrame:
        """The S-curve as columns ``similarity``, ``found``, ``missed``."""
        steps = np.linspace(0, 1, 21) if similarities is None else np.array(similarities)
        missed = np.array([self.missed(s) for s in steps.tolist()])
        return pd.DataFrame({"similarity": steps, "found": 1 - missed, "missed": missed})
