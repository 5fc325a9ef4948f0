"""The page of a preview: rows one below the other, and the same as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from ..frames.said import records
from ..html.escape import Markup, one_line
from ..html.markup import MOST_BYTES, folded, heading, root, static, tag
from .article import article
from .entry import ID, entry

SHOWN = 200  # rows in the page; more can be drawn, and are in ``rows``
PAGE = 10  # rows that stand open where no script runs; the script turns pages of as many
ROW_BYTES = 60_000


def page(rows: pd.DataFrame) -> str:
    """Rows as one piece of HTML, smaller than a megabyte whatever they hold."""
    shown = rows.head(SHOWN)
    articles = list(articles_of(shown))
    first, rest = articles[:PAGE], articles[PAGE:]
    body: list[Markup] = [*first]
    if rest:
        body.append(folded(f"{len(rest):,} more rows", *rest, class_="dm-rest"))
    label = f"Preview of {len(rows):,} rows" if len(rows) != 1 else "Preview of 1 row"
    told = heading(label, level=3)
    left_out = None
    if len(rows) > len(shown):
        left_out = tag("p", f"{len(rows) - len(shown):,} more are in .rows", class_="dm-note")
    if not len(rows):
        body = [tag("p", "No row is as asked for.", class_="dm-note")]
    listed = tag("div", *body, class_="dm-rows")
    script = static("bubbles", "preview.js")
    return root(told, listed, left_out, kind="preview", label=label, script=script)


def articles_of(rows: pd.DataFrame) -> Iterator[Markup]:
    """Each row as an article; between them they stay under the limit."""
    found = records(rows)
    sources = numbered(record.get("source") for record in found)
    reasons = numbered(record.get("drop_reason") for record in found)
    each = min(ROW_BYTES, (MOST_BYTES - 100_000) // max(len(found), 1))
    for record in found:
        yield article(record, each, sources, reasons)


def numbered(values: Iterable[Any]) -> dict[str, int]:
    """Each name with a number to filter by; 0 is for rows without one."""
    found: dict[str, int] = {}
    for value in values:
        if value is not None and not pd.isna(value):
            found.setdefault(str(value), len(found) + 1)
    return found


def lines(rows: pd.DataFrame) -> Iterator[str]:
    """Rows as text for a terminal."""
    for number, row in enumerate(records(rows)):
        shown = entry(row, 600)
        yield one_line(shown["id"] or f"row {number}", ID)
        if shown["reason"]:
            yield f"  removed: {one_line(shown['reason'], 80)}: {one_line(shown['detail'], 200)}"
        for turn in shown["turns"]:
            yield f"  {one_line(turn['role'], 20)}: {one_line(_joined(turn), 200)}"
        if shown["skipped"]:
            yield f"  … {shown['skipped']:,} more turns"
        if shown["document"] is not None:
            yield f"  {one_line(_joined({'pieces': shown['document'], 'calls': []}), 300)}"


def _joined(turn: Mapping[str, Any]) -> str:
    apart = {"code": "\n", "hidden": " … "}
    said = "".join(apart.get(piece.kind, "") + piece.text for piece in turn["pieces"])
    return " ".join([said, *(f"[calls {call['name']}]" for call in turn["calls"])]).strip()
