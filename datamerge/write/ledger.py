"""The account of a run: per source and per step, what came in, what left and why, what stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from .._version import __version__
from ..audit import MALFORMED, Passed, Step


@dataclass(frozen=True)
class Tally:
    """What :func:`datamerge.write` did; also ``ledger.json`` in the output folder.

    Attributes
    ----------
    path : str
        The output folder.
    sources : dict
        ``{name: {"read", "kept", "removed": {reason: rows}, "malformed"}}``, in rows; with
        ``"tokens": {"read", "kept", "removed": {reason: tokens}}`` where tokens were counted.
    total : dict
        The same over all sources.
    steps : list of dict
        ``{"step", "arguments", "reason", "sources": {name: {"in", "removed", "out"}}}``; the
        reasons of a step that combines finders of duplicates are joined by commas. Where memory
        did not suffice to find duplicates, ``"short_of_memory"`` tells by reason and stage which
        devices lacked it, and what was done instead.
    """

    path: str
    sources: dict[str, dict[str, Any]]
    total: dict[str, Any]
    steps: list[dict[str, Any]] = field(default_factory=list)

    def __str__(self) -> str:
        return table(self.sources, self.total)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from ..explore.flow.page import page  # what is shown is built on what is written

        return page(self)

    def to_dict(self) -> dict[str, Any]:
        """The content of ``ledger.json``."""
        return {
            "datamerge": __version__,
            "sources": self.sources,
            "total": self.total,
            "steps": self.steps,
        }

    @classmethod
    def from_dict(cls, path: str, ledger: Mapping[str, Any]) -> Tally:
        """From the content of ``ledger.json``."""
        return cls(path, ledger["sources"], ledger["total"], ledger["steps"])


def ledger_of(
    tallies: Iterable[Mapping[str, Any]],
    lineage: Sequence[Passed],
    sources: Sequence[str],
    *,
    path: str,
) -> Tally:
    """Add up the tallies of all parts; sources that had no rows are named too."""
    counts: dict[str, dict[str, list[int]]] = {name: {} for name in sources}
    has_tokens = False
    for tally in tallies:
        has_tokens |= tally["tokens"]
        for source, reasons in tally["rows"].items():
            for reason, (rows, tokens) in reasons.items():
                sums = counts.setdefault(source, {}).setdefault(reason, [0, 0])
                sums[0] += rows
                sums[1] += tokens
    order = _order(counts, [passed.step for passed in lineage])
    entries = {name: _entry(counts[name], order, has_tokens) for name in sorted(counts)}
    overall: dict[str, list[int]] = {}
    for reasons in counts.values():
        for reason, pair in reasons.items():
            held = overall.setdefault(reason, [0, 0])
            overall[reason] = [held[0] + pair[0], held[1] + pair[1]]
    total = _entry(overall, order, has_tokens)
    return Tally(path, entries, total, _steps(entries, lineage))


def _order(counts: Mapping[str, Mapping[str, Any]], steps: Sequence[Step]) -> list[str]:
    """Reasons in the order of the steps that give them, others behind them by name."""
    known = list(dict.fromkeys(reason for step in steps for reason in step.reasons))
    found = {reason for reasons in counts.values() for reason in reasons}
    return [*known, *sorted(found - {"", MALFORMED, *known})]


def _entry(reasons: Mapping[str, list[int]], order: Sequence[str], tokens: bool) -> dict[str, Any]:
    def of(which: int) -> dict[str, Any]:
        removed = {r: reasons[r][which] for r in order if r in reasons}
        read = sum(pair[which] for pair in reasons.values())
        return {"read": read, "kept": reasons.get("", [0, 0])[which], "removed": removed}

    entry = {**of(0), "malformed": reasons.get(MALFORMED, [0, 0])[0]}
    if tokens:
        entry["tokens"] = of(1)
    return entry


def _steps(
    sources: Mapping[str, dict[str, Any]], lineage: Sequence[Passed]
) -> list[dict[str, Any]]:
    """Rows in and out of each step: what was alive when it came, less what it marked."""
    alive = {name: entry["read"] - entry["malformed"] for name, entry in sources.items()}
    steps = []
    for passed in lineage:
        step, flow = passed.step, {}
        for name in passed.sources or sources:
            gone = sum(sources[name]["removed"].get(reason, 0) for reason in step.reasons)
            flow[name] = {"in": alive[name], "removed": gone, "out": alive[name] - gone}
            alive[name] -= gone
        arguments = {key: _plain(value) for key, value in step.arguments.items()}
        reason = ", ".join(step.reasons) or None
        entry = {"step": step.name, "arguments": arguments, "reason": reason, "sources": flow}
        short = _short_of_memory(step)
        steps.append(entry | ({"short_of_memory": short} if short else {}))
    return steps


def _short_of_memory(step: Step) -> dict[str, Any]:
    """What was done where memory did not suffice to find a step's pairs; the pairs are the same."""
    found = {}
    for reason, folders in step.evidence.items():
        for folder in folders:
            told = orjson.loads((Path(folder) / "about.json").read_bytes())
            if "short_of_memory" in told:
                found[reason] = told["short_of_memory"]
    return found


def _plain(value: Any) -> Any:
    """An argument as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in (sorted(value) if isinstance(value, set) else value)]
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)


def table(sources: Mapping[str, Mapping[str, Any]], total: Mapping[str, Any]) -> str:
    """The ledger as text: a row a source, a column a reason, a total at the foot.

    >>> entry = {"read": 3, "kept": 2, "removed": {"language": 1}, "malformed": 0}
    >>> print(table({"chats": entry}, entry))
    source  read  kept  malformed  language
    ------  ----  ----  ---------  --------
    chats      3     2          0         1
    ------  ----  ----  ---------  --------
    total      3     2          0         1
    """
    reasons = list(total["removed"])
    head = ["source", "read", "kept", "malformed", *reasons]
    rows = [_cells(name, sources[name], reasons) for name in sources]
    rows.append(_cells("total", total, reasons))
    if "tokens" in total:
        head.insert(3, "tokens kept")
        for cells, entry in zip(rows, [*sources.values(), total], strict=True):
            cells.insert(3, f"{entry['tokens']['kept']:,}")
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    rule = "  ".join("-" * width for width in widths)
    lines = [_line(head, widths), rule, *(_line(r, widths) for r in rows[:-1]), rule]
    return "\n".join([*lines, _line(rows[-1], widths)])


def _cells(name: str, entry: Mapping[str, Any], reasons: Sequence[str]) -> list[str]:
    numbers = [entry["read"], entry["kept"], entry["malformed"]]
    numbers += [entry["removed"].get(reason, 0) for reason in reasons]
    return [name, *(f"{number:,}" for number in numbers)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "  ".join(aligned).rstrip()
