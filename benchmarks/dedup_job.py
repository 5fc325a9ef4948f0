"""One job for one tool: what it reads, where it writes, and what is asked of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CORES = 2

# What is timed. It may return facts for the table, and functions to be called off the clock.
Work = Callable[[], "dict[str, Any] | None"]


@dataclass(frozen=True)
class Job:
    """``options`` are the job's own: ``ngram``, ``threshold``, ``share``, ``model``."""

    source: Path
    out: Path
    options: dict[str, Any]

    @property
    def kept(self) -> Path:
        """Where peers write the rows they keep."""
        return self.out / "kept"

    @property
    def threshold(self) -> float:
        return self.options["threshold"]

    @property
    def ngram(self) -> int:
        return self.options["ngram"]

    def spoken(self, kind: str, tool: str) -> str:
        """As one argument of a command line."""
        spec = {"kind": kind, "tool": tool, "source": str(self.source), "out": str(self.out)}
        return json.dumps(spec | {"options": self.options})

    @classmethod
    def heard(cls, text: str) -> tuple[str, str, Job]:
        spec = json.loads(text)
        job = cls(Path(spec["source"]), Path(spec["out"]), spec["options"])
        return spec["kind"], spec["tool"], job
