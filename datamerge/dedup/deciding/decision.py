"""What was decided: for every row the one that makes it go."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Decision:
    """For each row the row that makes it go (-1: none does), and how similar they are.

    ``score`` is NaN where ``components`` removes a row for one it has no pair with; ``layer``
    tells which finder says so, and ``equal`` whether both are of one class there. Rows
    ``by_hand`` go without a witness; ``clashes`` are pairs of rows that stay by hand all the same.
    """

    witness: np.ndarray
    score: np.ndarray
    layer: np.ndarray
    equal: np.ndarray
    by_hand: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    clashes: tuple[tuple[int, int], ...] = ()

    @classmethod
    def nothing(cls, rows: int) -> Decision:
        """All rows stay."""
        return cls(
            np.full(rows, -1, np.int32),
            np.full(rows, np.nan),
            np.full(rows, -1, np.int8),
            np.zeros(rows, bool),
        )

    @property
    def removed(self) -> np.ndarray:
        """The numbers of the rows that go."""
        if not len(self.by_hand):
            return self.witnessed
        return np.union1d(self.witnessed, self.by_hand)

    @property
    def witnessed(self) -> np.ndarray:
        """The numbers of the rows that go because of another one."""
        return np.flatnonzero(self.witness >= 0)
