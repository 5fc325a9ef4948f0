"""What rows say, as the explorer's page asks for it: beginnings, and two rows side by side."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ...dedup.duplicates import Duplicates
from ..widgets.questions import is_number
from .rows import Rows
from .words import Said, alone, beside, excerpt

BEGINNINGS = 50  # told at a time
AHEAD = 25  # rows read because they may be looked at next


class Texts:
    """Texts of rows, by their numbers; the frame is not touched before one is asked for."""

    def __init__(self, dups: Duplicates, df: Any):
        self._dups, self._df = dups, df
        self._count = len(dups._stack)
        self._rows: Rows | None = None
        self._lock = threading.Lock()

    def _said(self, rows: Sequence[int]) -> dict[int, Said]:
        with self._lock:
            if self._rows is None:
                self._rows = Rows(self._dups, self._df)
            return self._rows.get(rows)

    def _known(self, rows: Any, most: int) -> list[int]:
        given = rows[:most] if isinstance(rows, list) else []
        return [row for row in given if is_number(row, self._count)]

    def beginnings(self, about: dict[str, Any]) -> dict[str, Any]:
        """The beginnings of a few rows."""
        rows = self._known(about.get("rows"), BEGINNINGS)
        found = self._said(rows)
        return {"texts": [[row, excerpt(found[row])] for row in rows if row in found]}

    def pair(self, about: dict[str, Any]) -> dict[str, Any]:
        """A kept row and one that goes, with what differs; others that may be next are read too."""
        pair = self._known([about.get("row"), about.get("other")], 2)
        if not is_number(about.get("row"), self._count):
            return {}
        found = self._said([*pair, *self._known(about.get("next"), AHEAD)])
        if any(row not in found for row in pair):
            return {"sides": [None if row not in found else alone(found[row]) for row in pair]}
        if len(pair) == 1:
            return {"sides": [alone(found[pair[0]])]}
        return {"sides": list(beside(found[pair[0]], found[pair[1]]))}
