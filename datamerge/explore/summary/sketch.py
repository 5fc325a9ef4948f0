"""How long things are: counts in bins that merge exactly, whatever order they come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

EXACT = 128  # lengths below this have a bin each; above, bins are 64 to a doubling
_FINE = 64
BINS = EXACT + _FINE * 34  # up to 2**41


@dataclass(eq=False)
class Lengths:
    """The distribution of a length: quantiles within 1.6%, everything else exact."""

    counts: Counter[int] = field(default_factory=Counter)  # rows by number of the bin
    rows: int = 0
    total: int = 0
    least: int | None = None
    most: int | None = None

    @classmethod
    def of(cls, values: np.ndarray) -> Lengths:
        """The distribution of some lengths, which are whole and not negative."""
        if not len(values):
            return cls()
        bins, rows = np.unique(_bin(values), return_counts=True)
        counts = Counter(dict(zip(bins.tolist(), rows.tolist(), strict=True)))
        return cls(counts, len(values), int(values.sum()), int(values.min()), int(values.max()))

    @classmethod
    def merged(cls, several: Iterable[Lengths]) -> Lengths:
        """One distribution of all."""
        made = cls()
        for each in several:
            made.counts.update(each.counts)
            made.rows += each.rows
            made.total += each.total
            if each.least is not None and each.most is not None:
                made.least = each.least if made.least is None else min(made.least, each.least)
                made.most = each.most if made.most is None else max(made.most, each.most)
        return made

    def quantile(self, share: float) -> int | None:
        """The length that this share of the rows do not exceed, within 1.6%."""
        if not self.rows or self.least is None or self.most is None:
            return None
        needed = max(int(np.ceil(share * self.rows)), 1)
        at = int(np.searchsorted(np.cumsum(self._dense()), needed))
        low, high = int(EDGES[at]), int(EDGES[at + 1]) - 1
        return min(max((low + high) // 2, self.least), self.most)

    def _dense(self) -> np.ndarray:
        counts = np.zeros(BINS, np.int64)
        counts[list(self.counts)] = list(self.counts.values())
        return counts

    def to_dict(self) -> dict[str, int | float | None]:
        """Rows, total, mean, extremes and quantiles."""
        return {
            "rows": self.rows,
            "total": self.total,
            "mean": round(self.total / self.rows, 2) if self.rows else None,
            "min": self.least,
            "p5": self.quantile(0.05),
            "median": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "max": self.most,
        }

    def coarse(self) -> list[tuple[int, int, int]]:
        """Bins for a picture, two to a doubling: first length, last length, rows."""
        if self.most is None or self.least is None:
            return []
        edges = [0, 1, 2, 3]
        while edges[-1] <= self.most:
            edges += [edges[-2] * 2, edges[-1] * 2]
        sums = np.concatenate([[0], np.cumsum(self._dense())])
        where = np.searchsorted(EDGES, edges)
        rows = np.diff(sums[where]).tolist()
        found = list(zip(edges, (edge - 1 for edge in edges[1:]), rows, strict=False))
        while found and found[-1][0] > self.most:
            found.pop()
        while found and found[0][1] < self.least:
            found.pop(0)
        return found


def _edges() -> np.ndarray:
    """The first length of each bin, and one beyond the last."""
    fine = [(_FINE + step) << (octave + 1) for octave in range(34) for step in range(_FINE)]
    return np.array([*range(EXACT), *fine, 1 << 62], np.int64)


EDGES = _edges()


def _bin(values: np.ndarray) -> np.ndarray:
    return np.minimum(np.searchsorted(EDGES, values, side="right") - 1, BINS - 1)
