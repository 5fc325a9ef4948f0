"""The page of a ledger: figures, the flow of rows, tables by source and step, examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import orjson
import pandas as pd

from ...audit import MALFORMED
from ..bubbles.article import article
from ..bubbles.entry import NAME
from ..frames.said import records
from ..html.escape import Markup, short
from ..html.markup import breakable, fitted, folded, heading, root, static, table, tag, tiles
from ..html.numbers import counted, percent
from . import run
from .picture import picture

if TYPE_CHECKING:
    from ...write import Tally

Examples = dict[str, pd.DataFrame]
EXAMPLE_BYTES = 10_000


def page(tally: Tally, examples: Examples | None = None) -> str:
    """The account as HTML; what is not given of examples is read from the run's folder."""
    drawn = tag("div", picture(tally), class_="dm-picture", tabindex=0)
    opened = list(_examples(tally, examples))
    title = heading("Examples of what left", level=4)
    shown = tag("div", title, *opened, class_="dm-examples") if opened else None

    def render(most: int) -> Markup:
        return root(
            heading("Ledger", level=3),
            tiles(_figures(tally.total)),
            drawn,
            _sources(tally, most, of="rows"),
            folded("In tokens", _sources(tally, most, of="tokens"))
            if "tokens" in tally.total
            else None,
            _steps(tally.steps, most) if tally.steps else None,
            shown,
            kind="ledger",
            label="Ledger",
            styles=[static("flow", "flow.css")],
        )

    return fitted(render)


def _figures(total: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    read, gone = total["read"], sum(total["removed"].values())
    yield "rows read", f"{read:,}"
    yield "kept", f"{total['kept']:,} ({percent(total['kept'], read)})"
    yield "removed", f"{gone:,} ({percent(gone, read)})"
    yield "malformed", f"{total['malformed']:,}"
    if "tokens" in total:
        yield "tokens kept", f"{total['tokens']['kept']:,}"


def _sources(tally: Tally, most: int, *, of: Literal["rows", "tokens"]) -> Markup:
    """A row a source, a column a reason, for rows or for tokens."""
    reasons = list(tally.total["removed"])[: most // 2 or 1]
    largest = sorted(tally.sources, key=lambda name: -tally.sources[name]["read"])[:most]
    listed = [name for name in tally.sources if name in set(largest)]
    head = ["source", "read", "kept", *(["malformed"] if of == "rows" else [])]
    names = (breakable(short(reason, NAME)) for reason in reasons)
    rows = [_cells(short(name, NAME), tally.sources[name], reasons, of) for name in listed]
    rows.append(_cells("all sources", tally.total, reasons, of))
    left_out = len(tally.sources) - len(listed)
    note = tag("p", f"{left_out:,} smaller sources are not shown", class_="dm-note")
    shown = table([*head, *names], rows, caption=f"{of.capitalize()} by source")
    return tag("div", shown, note if left_out else None, class_="dm-totals")


def _cells(name: str, entry: Mapping[str, Any], reasons: Sequence[str], of: str) -> list[str | int]:
    counts = entry if of == "rows" else entry["tokens"]
    malformed = [entry["malformed"]] if of == "rows" else []
    gone = [counts["removed"].get(reason, 0) for reason in reasons]
    return [name, counts["read"], counts["kept"], *malformed, *gone]


def _steps(steps: Sequence[Mapping[str, Any]], most: int) -> Markup:
    rows = [_step(number, step) for number, step in enumerate(steps[:most], 1)]
    head = ["step", "rows in", "removed", "rows out", "reason", "arguments"]
    left_out = len(steps) - len(rows)
    note = tag("p", f"{left_out:,} more steps are not shown", class_="dm-note")
    steps_table = table(head, rows, caption="Rows by step")
    return folded(f"By step ({len(steps):,})", steps_table, note if left_out else None)


def _step(number: int, step: Mapping[str, Any]) -> list[str | int]:
    counts = [sum(flow[key] for flow in step["sources"].values()) for key in _COUNTS]
    arguments = orjson.dumps(step["arguments"], default=str).decode()
    return [
        f"{number}. {short(step['step'], NAME)}",
        *counts,
        short(step["reason"] or "", NAME),
        tag("code", short(arguments, 160)),
    ]


_COUNTS = ("in", "removed", "out")


def _examples(tally: Tally, given: Examples | None) -> Iterator[Markup]:
    """A line to open for each reason, with a few rows behind it."""
    gone = {reason: rows for reason, rows in tally.total["removed"].items() if rows}
    wanted = dict(list(gone.items())[:40])
    if given is None:
        given, problem = _read(lambda: run.examples(tally.path, wanted), {})
        broken, also = _read(lambda: run.malformed(tally.path), [])
    else:
        broken, problem, also = [], None, None
    most = min(EXAMPLE_BYTES, 500_000 // max(run.EACH * len(wanted), 1))
    for reason, rows in wanted.items():
        frame = given.get(reason)
        if frame is not None and len(frame):
            yield _opened(reason, rows, frame, most)
    if given.get(MALFORMED) is not None:
        yield _opened(MALFORMED, tally.total["malformed"], given[MALFORMED], most)
    if broken:
        yield folded(
            f"{MALFORMED}: {len(broken)} of {counted(tally.total['malformed'], 'record')}",
            *(_record(record) for record in broken),
        )
    for words in {problem, also} - {None}:
        yield tag("p", f"Examples could not be read: {short(str(words), 300)}", class_="dm-note")


def _opened(reason: str, rows: int, frame: pd.DataFrame, most: int) -> Markup:
    shown = [article(row, most, {}, {}) for row in records(frame)]
    return folded(f"{short(reason, NAME)}: {len(shown)} of {counted(rows, 'row')}", *shown)


def _record(record: Mapping[str, Any]) -> Markup:
    row = {"id": record["id"], "drop_reason": MALFORMED, "drop_detail": record["reason"]}
    return article({**row, "text": record["raw"]}, EXAMPLE_BYTES, {}, {})


def _read(read: Callable[[], Any], otherwise: Any) -> tuple[Any, str | None]:
    """What could be read, and what stood in the way: a repr tells of it, and goes on."""
    try:
        return read(), None
    except Exception as error:
        return otherwise, f"{type(error).__name__}: {error}"
