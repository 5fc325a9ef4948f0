"""Duplicates as a page that needs no kernel: counts, scores and the largest clusters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...dedup.duplicates import Duplicates
from ..html.escape import Markup, short
from ..html.markup import Attribute, Content, heading, joined, root, table, tag, tiles
from ..html.numbers import bar, percent
from .view import View

WIDTH, HEIGHT, FOOT = 440, 96, 18
CLUSTERS = 8
_ASK = "Pairs are not found yet. dups.pairs finds them, and so does dm.explore.duplicates(dups)."


def page(dups: Duplicates) -> Markup:
    """What is known of duplicates; nothing is computed that takes long."""
    label = "Duplicates"
    if not found(dups):
        told = [heading(label, level=3), tag("p", repr(dups)), tag("p", _ASK, class_="dm-note")]
        return root(*told, kind="duplicates", label=label)
    view = View(dups, (), "first")
    about, counts = view.about(), view.counts()
    names = ", ".join(f"{name} at {value:g}" for name, value in dups.thresholds.items())
    figures: list[tuple[str, Content]] = [
        ("rows compared", about["compared"]),
        ("pairs found", sum(one["pairs"] + one["copies"] for one in about["finders"])),
        ("rows would go", counts["removed"]),
        ("of all", percent(counts["removed"], counts["live"])),
    ]
    charts = [_histogram(one, dups.thresholds[one["name"]]) for one in about["finders"]]
    inner = [heading(label, level=3), tag("p", names, class_="dm-note"), tiles(figures)]
    inner += [tag("div", *filter(None, charts), class_="dm-charts"), _sources(counts)]
    return root(*inner, _clusters(view), kind="duplicates", label=label)


def found(dups: Duplicates) -> bool:
    """Whether pairs are there already."""
    return all(search.done for _, search, _ in dups._layers)


def _histogram(finder: dict[str, Any], threshold: float) -> Markup | None:
    floor, bins = finder["floor"], finder["bins"]
    if floor >= 1 or not any(bins):
        return None
    step, most = WIDTH / len(bins), np.log1p(max(bins))
    at = (threshold - floor) / (1 - floor) * WIDTH
    bars = []
    for number, count in enumerate(bins):
        high = max(float(np.log1p(count) / most) * (HEIGHT - 6), 2) if count else 0
        kind = "dm-gone" if (number + 0.5) * step >= at else "dm-fill"
        place: dict[str, Attribute] = {"x": f"{number * step:.1f}", "y": f"{HEIGHT - high:.1f}"}
        size: dict[str, Attribute] = {"width": f"{step - 1:.1f}", "height": f"{high:.1f}"}
        bars.append(tag("rect", class_=kind, **place, **size))
    words = f"{finder['name']}: {finder['pairs']:,} pairs from {floor:g} to 1"
    line = tag("line", x1=f"{at:.1f}", x2=f"{at:.1f}", y1=0, y2=HEIGHT, stroke="currentColor")
    ends = [
        tag("text", f"{floor:g}", x=0, y=HEIGHT + 14),
        tag("text", "1", x=WIDTH - 8, y=HEIGHT + 14),
    ]
    inner = [tag("title", words), *bars, line, *ends]
    view = f"0 0 {WIDTH} {HEIGHT + FOOT}"
    drawn = tag("svg", *inner, viewBox=view, role="img", class_="dm-histogram")
    said = f"pairs by score, heights logarithmic; the line is the threshold, {threshold:g}"
    caption = tag("figcaption", tag("strong", finder["name"]), tag("p", said))
    return tag("figure", caption, drawn, class_="dm-chart")


def _sources(counts: dict[str, Any]) -> Markup:
    rows: list[list[Content]] = []
    for one in counts["sources"]:
        share = one["removed"] / max(one["live"], 1)
        said = percent(one["removed"], one["live"]) + (" nearly vanishes" * (one["level"] == 2))
        rows.append([short(one["name"], 80), one["live"], one["removed"], said, bar(share)])
    head = ["source", "live", "would go", "share", ""]
    return table(head, rows, caption="By source")


def _clusters(view: View) -> Markup:
    listed = view.listed
    caption = f"The largest of {len(listed):,} clusters"
    rows: Iterator[list[Content]] = (
        [
            view.told(int(listed.heads[at]))["id"],
            view.told(int(listed.heads[at]))["source"],
            listed.size(at),
            " to ".join(dict.fromkeys(f"{score:.3f}" for score in listed.scores(at))),
        ]
        for at in listed.order[:CLUSTERS].tolist()
    )
    told = table(["kept row", "source", "rows", "scores"], rows, caption=caption)
    return told if len(listed) else joined([])


def bundle(dups: Duplicates) -> dict[str, Any]:
    """What a notebook is given: the explorer where it can be had, and what needs no kernel."""
    told = {"text/plain": repr(dups), "text/html": str(page(dups))}
    if found(dups):
        try:
            from ..duplicates import duplicates

            shown: Any = duplicates(dups)._repr_mimebundle_()
        except ImportError:
            return told
        return {**(shown[0] if isinstance(shown, tuple) else shown or {}), **told}
    return told
