"""Exact duplicates: rows whose normalised text has the same 128-bit hash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._version import __version__
from ..text import TextView
from . import evidence
from .compared.digest import Normal
from .compared.rows import Extract, extract
from .evidence.pairs import Pairs


@dataclass(frozen=True)
class Exact:
    """Rows whose normalised text has the same 128-bit hash."""

    text: TextView
    normal: Normal

    how = "exact"
    word = "same text"
    floor = 1.0

    def find(self, df: Any, folder: Path, against: Any = None) -> Any:
        """Find the pairs and keep them in the folder; returns the frame to mark."""
        kept, rows = extract(df, Extract(self.text, self.normal), stage="exact", against=against)
        evidence.save(folder, rows, rows.first_of_same(), Pairs.none(), self._about())
        return kept

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the step was called with."""
        return {"text": self.text, "normalise": self.normal}

    def _about(self) -> dict[str, Any]:
        return {
            "how": self.how,
            "text": self.text,
            "normalise": self.normal,
            "floor": self.floor,
            "datamerge": __version__,
        }
