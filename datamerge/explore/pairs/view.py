"""Duplicates as the explorer knows them: under thresholds that move, with decisions upon them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...dedup.deciding import by_hand, clusters
from ...dedup.deciding import keep as keeping
from ...dedup.deciding.by_hand import Made
from ...dedup.deciding.decision import Decision
from ...dedup.duplicates import Duplicates
from .counts import Sources, about, named
from .listed import Listed


class View:
    """What goes and stays now; the clusters are listed once, until that is asked for anew."""

    def __init__(self, dups: Duplicates, made: Iterable[Made], keep: keeping.Keep):
        self.layers = dups._stack
        self.names = list(dups.thresholds)
        self.floors = {n: float(s.about["floor"]) for n, s, _ in dups._layers}
        self.thresholds = dict(dups.thresholds)
        df = dups._target(None, keep) if keeping.is_column(keep) else None
        self.order = keeping.priority(self.layers, keep, df)
        self.by = "size"
        self._listed: Listed | None = None
        self._listed_with: tuple[Made, ...] = ()
        self.made: tuple[Made, ...] = ()
        self.fates: by_hand.Fates | None = None
        self.decide(made)

    def move(self, name: str, value: float) -> float:
        """Another threshold for a finder, within its bounds."""
        self.thresholds[name] = min(max(float(value), self.floors[name]), 1.0)
        self._listed = None
        return self.thresholds[name]

    def decide(self, made: Iterable[Made]) -> None:
        """Other decisions by hand; the clusters stay listed as they are."""
        self.made = tuple(made)
        self.fates = by_hand.fates(self.layers, self.made) if self.made else None

    @property
    def _values(self) -> list[float]:
        return [self.thresholds[name] for name in self.names]

    # ---- counts ----------------------------------------------------------------------------

    @cached_property
    def _sources(self) -> Sources:
        return Sources.of(self.layers)

    def counts(self) -> dict[str, Any]:
        """Rows that would go, in all and by source; quick enough for a slider."""
        stays = clusters.staying(self.layers, self._values, self.order, self.fates)
        return {**self._sources.told(self._sources.gone(stays)), "decided": len(self.made)}

    def about(self) -> dict[str, Any]:
        """What does not change while one looks."""
        return about(self.layers, self.floors)

    # ---- clusters --------------------------------------------------------------------------

    @property
    def listed(self) -> Listed:
        """The clusters in the order asked for last."""
        if self._listed is None:
            decision = clusters.decide(self.layers, self._values, self.order, fates=self.fates)
            self._listed = Listed.of(decision, np.array(self._values), self.by)
            self._listed_with = self.made
        return self._listed

    @property
    def is_stale(self) -> bool:
        """Whether other decisions were made since the clusters were listed."""
        return self._listed is not None and set(self._listed_with) != set(self.made)

    def list_anew(self, by: str) -> None:
        """Forget how the clusters are listed."""
        self._listed, self.by = None, by

    def cluster_with(self, ids: Sequence[Any]) -> int | None:
        """The cluster of the first of these rows that is in one; an error for unknown ones."""
        try:
            rows = self.rows_with(ids)
        except (TypeError, ValueError, OverflowError):
            rows = self.rows_with([])
        rows = rows[rows >= 0]
        if not len(rows):
            more = f" or of {len(ids) - 1:,} others" if len(ids) > 1 else ""
            raise LookupError(f"nothing was found of a row with the id {ids[0]!r}{more}")
        found = self.listed.clusters_of(rows)
        return next(iter(found[found >= 0].tolist()), None)

    def ids_of(self, cluster: int) -> tuple[Any, ...]:
        """The ids of a cluster's rows, the kept one first."""
        rows = pa.array(self.listed.rows_of(cluster), pa.int64())
        return tuple(self.layers.id.take(rows).to_pylist())

    # ---- rows ------------------------------------------------------------------------------

    def told(self, row: int) -> dict[str, Any]:
        """What a row is called."""
        return {
            "row": row,
            "id": named(str(self.layers.id[row].as_py())),
            "source": named(self.layers.source[row].as_py()),
            "old": row < self.layers.olds,
        }

    def id(self, row: int) -> Any:
        """The id of a row."""
        return self.layers.id[row].as_py()

    def rows_with(self, ids: Sequence[Any]) -> np.ndarray:
        """The row with each id, -1 for none; one compared against only where there is no other."""
        wanted, known = pa.array(ids, self.layers.id.type), self.layers.id
        rows = np.flatnonzero(pc.is_in(known, value_set=wanted).to_numpy(zero_copy_only=False))
        # Rows compared against come first, so that others take their places here.
        row_of = dict(zip(known.take(pa.array(rows)).to_pylist(), rows.tolist(), strict=True))
        return np.array([row_of.get(one, -1) for one in wanted.to_pylist()], np.int64)

    def how(self, decision: Decision, row: int) -> str:
        """What found that a row goes."""
        layer = int(decision.layer[row])
        found = self.layers.found[layer]
        return found.how_same if decision.equal[row] else self.names[layer]

    def verdict(self, row: int, head: int | None = None) -> str | None:
        """What was decided by hand of a row, or of the pair it is in."""
        if self.fates is None:
            return None
        fate = self.fates.of_row[row]
        if fate & (by_hand.STAYS | by_hand.GOES):
            return "keep" if fate & by_hand.STAYS else "remove"
        return "distinct" if head in self.fates.apart.get(row, ()) else None
