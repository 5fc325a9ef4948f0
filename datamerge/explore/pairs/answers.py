"""What the page of the explorer asks of counts, clusters and decisions, and what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...dedup.deciding.by_hand import Made
from ..widgets.questions import is_number, number
from .counts import named
from .listed import ORDERS
from .made import changed

if TYPE_CHECKING:
    from .widget import DuplicatesExplorer

CLUSTERS = 25  # told at a time
MEMBERS = 25
DECISIONS = 50


class Answers:
    """Answers about an explorer, each a small dict; some of them move it."""

    def __init__(self, explorer: DuplicatesExplorer):
        self._explorer, self._view = explorer, explorer._view
        self._rows = len(self._view.layers)

    def counts(self, about: dict[str, Any]) -> dict[str, Any]:
        """Counts, once the threshold is where it is asked to be."""
        explorer = self._explorer
        if about.get("finder") in self._view.names:
            explorer.finder = about["finder"]
        if type(about.get("threshold")) in (int, float):
            explorer.threshold = float(about["threshold"])
        at = {"finder": explorer.finder, "threshold": explorer.threshold}
        return {**at, "counts": self._view.counts()}

    # ---- clusters --------------------------------------------------------------------------

    def clusters(self, about: dict[str, Any]) -> dict[str, Any]:
        """Clusters in their order; made anew where the threshold, the order or the page says so."""
        by = about.get("by") if about.get("by") in ORDERS else self._view.by
        if about.get("fresh") or by != self._view.by:
            self._view.list_anew(str(by))
        listed, opened = self._view.listed, self._opened()
        start = number(about.get("start"), len(listed))
        if about.get("around"):
            start = listed.place_of(opened) // CLUSTERS * CLUSTERS if opened is not None else 0
        chosen = listed.order[start : start + CLUSTERS].tolist()
        told = [self._in_list(one, one == opened) for one in chosen]
        count, stale = len(listed), self._view.is_stale
        return {"start": start, "count": count, "clusters": told, "by": by, "stale": stale}

    def _opened(self) -> int | None:
        row = self._explorer._open
        return self._view.listed.cluster_of(row) if row >= 0 else None

    def _in_list(self, cluster: int, is_open: bool) -> dict[str, Any]:
        listed = self._view.listed
        low, high = listed.scores(cluster)
        told = {"size": listed.size(cluster), "low": low, "high": high, "open": is_open}
        return {**told, **self._view.told(int(listed.heads[cluster]))}

    def cluster(self, about: dict[str, Any]) -> dict[str, Any]:
        """The kept row of a cluster, and some of the rows that go because of it."""
        listed, row = self._view.listed, about.get("row")
        cluster = listed.cluster_of(row) if is_number(row, self._rows) else None
        if cluster is None:
            return {"members": [], "count": 0}
        if about.get("open"):
            self._explorer._show(cluster)
        head, members = int(listed.heads[cluster]), listed.members(cluster)
        start = number(about.get("start"), len(members)) // MEMBERS * MEMBERS
        return {
            "head": {**self._view.told(head), "verdict": self._view.verdict(head)},
            "start": start,
            "count": len(members),
            "members": [self._member(row, head) for row in members[start:][:MEMBERS].tolist()],
        }

    def _member(self, row: int, head: int) -> dict[str, Any]:
        decision = self._view.listed.decision
        told = {"score": float(decision.score[row]), "how": self._view.how(decision, row)}
        return {**self._view.told(row), **told, "verdict": self._view.verdict(row, head)}

    # ---- decisions -------------------------------------------------------------------------

    def decide(self, about: dict[str, Any]) -> dict[str, Any]:
        """Decide about a row or a pair; what was decided so before is taken back."""
        one = self._one(about)
        if one is None:
            return {}
        if about["row"] < self._view.layers.olds:
            return {"error": "rows compared against always stay"}
        taken = one in self._view.made
        self._explorer._decide(changed(self._view.made, one))
        return {"taken": taken, "counts": self._view.counts()}

    def _one(self, about: dict[str, Any]) -> Made | None:
        decision, row, other = about.get("decision"), about.get("row"), about.get("other")
        if not is_number(row, self._rows):
            return None
        if decision in ("keep", "remove"):
            return Made(decision, self._view.id(row))
        if decision == "distinct" and is_number(other, self._rows):
            is_old = other < self._view.layers.olds
            return Made("distinct", self._view.id(row), self._view.id(other), is_old)
        return None

    def undo(self, about: dict[str, Any]) -> dict[str, Any]:
        """Take the last change back."""
        return {"done": self._explorer._undo(), "counts": self._view.counts()}

    def decisions(self, about: dict[str, Any]) -> dict[str, Any]:
        """The last decisions, the latest first; one is taken back where its number is given."""
        made, drop = self._view.made, about.get("drop")
        if is_number(drop, len(made)):
            self._explorer._decide(made[:drop] + made[drop + 1 :])
            made = self._view.made
        told = [
            {
                "at": at,
                "decision": one.decision,
                "id": named(str(one.id)),
                "other": None if one.other is None else named(str(one.other)),
            }
            for at, one in list(enumerate(made))[-DECISIONS:][::-1]
        ]
        unknown = len(self._view.fates.unknown) if self._view.fates else 0
        undo = len(self._explorer._written.undone)
        return {"count": len(made), "decisions": told, "unknown": unknown, "undo": undo}
