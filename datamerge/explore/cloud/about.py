"""What the widget and the page of a map say of it: how many rows, how they were laid out."""

from __future__ import annotations

from typing import Any

from ..html.escape import short, unmarked
from .legend import LABEL
from .points import Points


def about(
    points: Points,
    entries: list[dict[str, Any]],
    color: str,
    method: str,
    share: float | None,
) -> dict[str, Any]:
    """What the page says of the map."""
    shown, drawn = f"{len(points):,}", len(points) + points.silent
    color = unmarked(short(color, LABEL))  # a column's name can be anything, too
    rows = f"{points.rows:,} rows" if points.rows != 1 else "1 row"
    title = rows if len(points) == points.rows else f"{shown} of {rows}"
    counted = ", ".join(f"{entry['label']} {entry['count']:,}" for entry in entries)
    notes = []
    if drawn < points.rows:
        notes.append("sampled by their ids")
    if points.silent:
        notes.append(f"{points.silent:,} without a word left out")
    plane = "principal components" if method == "pca" else "UMAP"
    notes.append(plane if share is None else f"{plane}, {share:.0%} of the variance")
    return {
        "count": len(points),
        "rows": points.rows,
        "title": title,
        "notes": notes,
        "color": color,
        "legend": entries,
        "summary": f"Map of {title}, coloured by {color}: {counted or 'nothing'}",
    }
