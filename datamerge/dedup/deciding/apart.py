"""Rows for which some pair does not count, since someone said so: few, and decided one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .by_hand import STAYS, Fates

if TYPE_CHECKING:
    from .independent import Independent


class Apart:
    """Decides such rows, in order of priority, and marks the neighbours of those that stay."""

    def __init__(self, of: Independent, fates: Fates):
        self.of, self.fates = of, fates
        self.held: list[int] = []  # those that stay

    def stays(self, row: int) -> bool:
        """Decide about a row for which some pair does not count; mark its neighbours."""
        stays = row < self.of.layers.olds or bool(self.of.fate[row] & STAYS)
        if not stays and self._is_reached(row):
            return False
        self.held.append(row)
        self.of.mark(row)
        return True

    def _is_reached(self, row: int) -> bool:
        """Whether a row that stays reaches this one by a pair that counts."""
        nodes = self.of.layers.nodes[:, row]
        if any(node >= 0 and self.of.solid[node] for node in nodes.tolist()):
            return True
        others = [one for one in self.held if one not in self.fates.apart[row]]
        for layer in range(len(nodes)) if others else ():
            if nodes[layer] >= 0:
                of_others = self.of.layers.nodes[layer, others]
                alike, _ = self.of.alike(layer, row)
                if (of_others == nodes[layer]).any() or np.isin(of_others, alike).any():
                    return True
        return False
