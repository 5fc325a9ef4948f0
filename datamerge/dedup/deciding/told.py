"""Decisions as tables: the rows that go, each with its witness; clusters; counts by source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .by_hand import BY_HAND
from .decision import Decision
from .layers import Layers

By = Literal["size", "score", "doubt"]
BLOCK = 1 << 17  # rows that are told of at a time


def removals(layers: Layers, decision: Decision) -> pa.Table:
    """``id, source, witness, score, how`` of the rows that go; ``layer`` is the finder's number.

    ``against`` tells whether the witness is one of the rows compared against. Rows that were
    removed by hand have no witness.
    """
    return pa.concat_tables(in_blocks(layers, decision)).combine_chunks()


def in_blocks(layers: Layers, decision: Decision) -> Iterator[pa.Table]:
    """The same, some rows at a time; at least one table."""
    gone = decision.removed
    for first in range(0, max(len(gone), 1), BLOCK):
        yield _removed(layers, decision, gone[first : first + BLOCK])


def _removed(layers: Layers, decision: Decision, gone: np.ndarray) -> pa.Table:
    witness = decision.witness[gone]
    layer = decision.layer[gone]
    if len(decision.by_hand):
        layer = np.maximum(layer, 0)  # what goes by hand goes for the first finder's reason
    return pa.table(
        {
            "id": layers.id.take(pa.array(gone)),
            "source": layers.source.take(pa.array(gone)),
            "witness": layers.id.take(pa.array(witness, mask=witness < 0)),
            "score": decision.score[gone],
            "how": pc.fill_null(_how(layers, decision, gone), BY_HAND),
            "against": (witness < layers.olds) & (witness >= 0),
            "layer": layer,
        }
    )


def _how(layers: Layers, decision: Decision, rows: np.ndarray) -> pa.Array:
    names = [(found.how, found.how_same) for found in layers.found]
    flat = pa.array([name for pair in names for name in pair], pa.large_string())
    layer = decision.layer[rows].astype(np.int64)
    return flat.take(pa.array(2 * layer + decision.equal[rows], mask=layer < 0))


def clusters(
    layers: Layers,
    decision: Decision,
    thresholds: np.ndarray,
    *,
    by: By,
    most: int | None,
) -> pd.DataFrame:
    """Each kept row that is a witness, followed by the rows it is the witness for."""
    gone = decision.witnessed
    heads, of_gone, sizes = np.unique(
        decision.witness[gone], return_inverse=True, return_counts=True
    )
    order = _order(decision, gone, of_gone, sizes, thresholds, by)
    order = order[: len(order) if most is None else most]
    place = np.full(len(heads), -1, np.int64)
    place[order] = np.arange(len(order))
    chosen = place[of_gone] >= 0
    row = np.concatenate([heads[order], gone[chosen]])
    cluster = np.concatenate([np.arange(len(order)), place[of_gone[chosen]]])
    kept = np.arange(len(row)) < len(order)
    score = np.where(kept, np.nan, decision.score[row])
    lines = np.lexsort((row, -score, ~kept, cluster))
    row, cluster, kept, score = row[lines], cluster[lines], kept[lines], score[lines]
    table = {
        "cluster": cluster,
        "size": sizes[order][cluster] + 1,
        "id": layers.id.take(pa.array(row)).to_pandas(),
        "source": layers.source.take(pa.array(row)).to_pandas(),
        "kept": kept,
        "score": score,
        "how": _how(layers, decision, row).to_pandas(),
    }
    if any(found.about["old"] for found in layers.found):
        table["against"] = row < layers.olds
    return pd.DataFrame(table)


def by_source(layers: Layers, decision: Decision) -> Counter[str]:
    """How many rows of each source go."""
    gone, counts = decision.removed, Counter[str]()
    for first in range(0, len(gone), BLOCK):
        found = layers.source.take(pa.array(gone[first : first + BLOCK])).value_counts()
        counts.update({one["values"]: one["counts"] for one in found.to_pylist()})
    return counts


def summary(layers: Layers, decision: Decision) -> pd.DataFrame:
    """Per source: live rows, rows that would go, and their share; none compared against."""
    counts = by_source(layers, decision)
    alive = pd.Series(layers.alive, dtype="int64")
    removed = pd.Series({s: counts.get(s, 0) for s in layers.alive}, dtype="int64")
    return pd.DataFrame({"live": alive, "removed": removed, "share": removed / alive})


def _order(
    decision: Decision,
    gone: np.ndarray,
    of_gone: np.ndarray,
    sizes: np.ndarray,
    thresholds: np.ndarray,
    by: By,
) -> np.ndarray:
    """The clusters in the order in which to look at them; ties by the kept row."""
    if by == "size":
        return np.argsort(-sizes, kind="stable")
    score = np.nan_to_num(decision.score[gone], nan=-np.inf)
    if by == "score":
        highest = np.full(len(sizes), -np.inf)
        np.maximum.at(highest, of_gone, score)
        return np.argsort(-highest, kind="stable")
    above = score - thresholds[decision.layer[gone]]
    nearest = np.full(len(sizes), np.inf)
    np.minimum.at(
        nearest, of_gone, np.where(decision.equal[gone], np.inf, above)
    )  # equal: no doubt
    return np.argsort(nearest, kind="stable")
