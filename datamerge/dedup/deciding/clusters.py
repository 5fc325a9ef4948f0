"""From pairs to who stays: the witness rule, in one compiled pass over the graph.

Rows are visited in order of priority; one that no kept row reaches stays and takes its
neighbours out. So no two kept rows reach the threshold, and every removed row reaches it with a
row that is kept. (Connected components alone break the second half: in a chain A~B~C they
remove C because of B, which is gone.) With several finders, rows are neighbours where any of
them says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from .by_hand import STAYS, Fates
from .components import Components
from .decision import Decision
from .independent import Independent
from .layers import Layers

Rule = Literal["witness", "components"]


def decide(
    layers: Layers,
    thresholds: Sequence[float],
    priority: np.ndarray,
    *,
    rule: Rule = "witness",
    fates: Fates | None = None,
) -> Decision:
    """Decide which rows stay.

    Parameters
    ----------
    layers : Layers
        What the finders found.
    thresholds : sequence of float
        For each finder the similarity from which on two rows are duplicates.
    priority : int64 [n]
        The rows, the one to keep most of all first; those compared against before all others.
    rule : {"witness", "components"}
        A maximal independent set in order of priority, or one row a connected component.
    fates : Fates, optional
        What was decided by hand; by the first rule only.
    """
    if rule == "components":
        assert fates is None
        return Components(layers, thresholds, priority).decision()
    return _independent(layers, thresholds, priority, fates).decision()


def staying(
    layers: Layers, thresholds: Sequence[float], priority: np.ndarray, fates: Fates | None = None
) -> np.ndarray:
    """Which rows stay by the rule of witnesses, without looking for the witnesses."""
    return _independent(layers, thresholds, priority, fates).kept


def _independent(
    layers: Layers, thresholds: Sequence[float], priority: np.ndarray, fates: Fates | None
) -> Independent:
    if fates is not None and len(fates.kept):
        olds, rest = priority[: layers.olds], priority[layers.olds :]
        stays = (fates.of_row[rest] & STAYS) != 0
        priority = np.concatenate([olds, rest[stays], rest[~stays]])
    return Independent(layers, thresholds, priority, fates)
