"""The map as a page that needs no kernel: a picture of the points, and what each colour says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..bubbles.article import article
from ..html.escape import Markup, short
from ..html.markup import Attribute, folded, heading, joined, root, static, table, tag
from ..html.numbers import counted, percent
from .points import Points

WIDTH, HIGHEST, LOWEST, EDGE = 620, 480, 60, 14
DOTS = 10_000  # more would fill the notebook; points come as they were drawn, so these are a sample
EACH = 3  # rows told of each colour
EXCERPT, ROW_BYTES = 300, 5_000

Entries = Sequence[Mapping[str, Any]]


def page(
    points: Points, positions: np.ndarray, codes: np.ndarray, about: Mapping[str, Any]
) -> Markup:
    """The map as HTML.

    Parameters
    ----------
    points, positions, codes
        The rows, their places ``[rows, 2]`` of which the longer axis goes from 0 to 65,535, and
        for each the number of its entry in the legend.
    about : dict
        What the widget says of itself.
    """
    entries = about["legend"]
    drawn, shown = _picture(positions, codes, entries, about["summary"])
    notes = [*about["notes"], *([f"{shown:,} points drawn"] if shown == DOTS else [])]
    picture = tag("div", drawn, class_="dm-picture")
    examples = list(_examples(points, codes, entries))
    title = heading("What they say", level=4)
    return root(
        heading(about["title"], level=3),
        tag("p", " · ".join(notes), class_="dm-note"),
        tag("div", picture, _legend(about), class_="dm-beside"),
        tag("div", title, *examples, class_="dm-examples") if examples else None,
        kind="map",
        label="Map",
        styles=[static("cloud", "hues.css")],
    )


def _picture(
    positions: np.ndarray, codes: np.ndarray, entries: Entries, summary: str
) -> tuple[Markup, int]:
    """The points as an SVG, one path a colour, and how many dots it has."""
    places, height = _on_page(positions)
    dots = _distinct(places, codes)
    paths = []
    for code in sorted(range(len(entries)), key=lambda code: _rank(entries[code], len(codes))):
        of_code = places[dots[codes[dots] == code]]
        if len(of_code):
            paths.append(_path(of_code, entries[code], _rank(entries[code], len(codes)), len(dots)))
    view = f"0 0 {WIDTH} {height}"
    drawn = tag("svg", tag("title", summary), *paths, viewBox=view, role="img", class_="dm-cloud")
    return drawn, len(dots)


def _on_page(positions: np.ndarray) -> tuple[np.ndarray, int]:
    """Places in whole pixels, as large as they fit, and how high the picture is."""
    if not len(positions):
        return np.zeros((0, 2), np.int64), LOWEST
    places = positions.astype(np.float64) - positions.min(axis=0)
    across, down = places.max(axis=0)
    scale = min((WIDTH - 2 * EDGE) / max(across, 1), (HIGHEST - 2 * EDGE) / max(down, 1))
    height = max(round(down * scale) + 2 * EDGE, LOWEST)
    places[:, 1] = down - places[:, 1]  # up is up
    places += (np.array([WIDTH, height]) / scale - [across, down]) / 2
    return np.rint(places * scale).astype(np.int64), height


def _distinct(places: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The first points of those that would hide each other, as many as are drawn."""
    spots = (codes.astype(np.int64) * HIGHEST + places[:, 1]) * WIDTH + places[:, 0]
    first = np.unique(spots, return_index=True)[1]
    return np.sort(first)[:DOTS]


def _rank(entry: Mapping[str, Any], whole: int) -> int:
    """What is kept lies beneath, and what is rare on top of all."""
    if entry["hue"] in ("kept", "missing", "other"):
        return 0
    return 2 if entry["count"] * 100 < whole else 1


def _path(places: np.ndarray, entry: Mapping[str, Any], rank: int, dots: int) -> Markup:
    """Dots as steps of no length, which round ends make visible; as few bytes as that takes."""
    ordered = places[np.lexsort((places[:, 1], places[:, 0]))]
    steps = np.diff(ordered, axis=0, prepend=0).tolist()
    line = "".join(f"m{x}{'' if y < 0 else ' '}{y}h0" for x, y in steps)
    radius = min(max(9 / dots**0.17, 1.15), 5) * (1.5 if rank == 2 else 1)
    opacity = 0.95 if rank == 2 else min(max(2.2 / dots**0.13, 0.5), 0.85)
    look: dict[str, Attribute] = {
        "stroke_width": f"{2 * radius:.1f}",
        "stroke_opacity": f"{opacity * (1 if rank else 0.7):.2f}",
    }
    return tag("path", d=line, class_=f"dm-hue-{entry['hue']}", **look)


def _legend(about: Mapping[str, Any]) -> Markup:
    whole = max(about["count"], 1)
    rows = [
        [_named(entry), entry["count"], percent(entry["count"], whole)] for entry in about["legend"]
    ]
    return table([about["color"], "rows", "share"], rows, caption="Colours")


def _named(entry: Mapping[str, Any]) -> Markup:
    swatch = tag("span", class_=f"dm-swatch dm-hue-{entry['hue']}", aria_hidden="true")
    return joined([swatch, " ", tag("bdi", entry["label"])])


def _examples(points: Points, codes: np.ndarray, entries: Entries) -> Iterator[Markup]:
    """For each colour a line that opens a few of its rows."""
    for code, entry in enumerate(entries):
        chosen = np.flatnonzero(codes == code)[:EACH].tolist()
        if chosen:
            told = [article(_row(points, at), ROW_BYTES, {}, {}) for at in chosen]
            yield folded(
                f"{entry['label']}: {len(told)} of {counted(entry['count'], 'row')}", *told
            )


def _row(points: Points, at: int) -> dict[str, Any]:
    columns = {"drop_reason": points.reason, "drop_detail": points.detail, "source": points.source}
    told = {name: values[at].as_py() for name, values in columns.items()}
    text = short(points.text[at].as_py() or "", EXCERPT)
    return {"id": points.ids[at].as_py(), "text": text, **told}
