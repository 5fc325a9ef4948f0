"""What became of the rows of each source: kept, removed and why, malformed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SOURCES, OUTCOMES = 10, 14  # the rest is shown together

Counts = dict[tuple[str, str], int]


@dataclass(frozen=True)
class Flow:
    """Rows from sources to outcomes; ``kinds`` says kept, removed or malformed of each outcome."""

    sources: list[str]
    outcomes: list[str]
    kinds: dict[str, str]
    rows: Counts

    def of_source(self, name: str) -> int:
        """Rows that were read from a source."""
        return sum(self.rows.get((name, outcome), 0) for outcome in self.outcomes)

    def of_outcome(self, name: str) -> int:
        """Rows that ended here."""
        return sum(self.rows.get((source, name), 0) for source in self.sources)


def flow_of(sources: Mapping[str, Mapping[str, Any]], total: Mapping[str, Any]) -> Flow:
    """What went where; small sources, and the last reasons where they are many, put together."""
    by_rows = sorted(sources, key=lambda name: (-sources[name]["read"], name))
    shown = set(by_rows if len(by_rows) <= SOURCES else by_rows[: SOURCES - 1])
    reasons = [reason for reason, rows in total["removed"].items() if rows]
    apart = reasons if len(reasons) <= OUTCOMES else reasons[: OUTCOMES - 1]
    others = f"{len(by_rows) - len(shown):,} other sources"
    rest = f"{len(reasons) - len(apart):,} other reasons"
    rows: Counts = {}

    def add(source: str, outcome: str, count: int) -> None:
        key = (source if source in shown else others, outcome)
        rows[key] = rows.get(key, 0) + count

    for name, entry in sources.items():
        add(name, "kept", entry["kept"])
        add(name, "malformed", entry["malformed"])
        for reason, count in entry["removed"].items():
            add(name, f"removed:{reason}" if reason in apart else "removed:", count)
    names = [name for name in sources if name in shown] + [others] * (len(shown) < len(by_rows))
    outcomes = ["kept", *(f"removed:{reason}" for reason in apart)]
    outcomes += ["removed:"] * (len(apart) < len(reasons)) + ["malformed"] * bool(
        total["malformed"]
    )
    kinds = {outcome: outcome.removeprefix("removed:") or rest for outcome in outcomes}
    return Flow(names, outcomes, kinds, rows)
