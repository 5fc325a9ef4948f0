"""The map as a page: its dots are the points, it is bounded, and a notebook is given both."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from frames import make_frame
from pages import HOSTILE, Page

import datamerge as dm
from datamerge._arrays import STRING
from datamerge.explore.cloud.page import DOTS, EDGE, HIGHEST, WIDTH

pytest.importorskip("anywidget", reason="no anywidget (the extra notebook)")

WIDGET = "application/vnd.jupyter.widget-view+json"


def bundle(chart):
    data, *_ = chart._repr_mimebundle_()
    return data


def dots(html: str) -> dict[str, set[tuple[int, int]]]:
    """The places of the dots of each colour."""
    found = {}
    for line, hue in re.findall(r'<path d="([^"]*)" class="dm-hue-(\w+)"', html):
        steps = np.array(re.findall(r"m(-?\d+) ?(-?\d+)h0", line), np.int64)
        assert re.sub(r"m-?\d+ ?-?\d+h0", "", line) == ""
        found[hue] = set(map(tuple, np.cumsum(steps, axis=0).tolist()))
    return found


def near(places: set[tuple[int, int]], expected: np.ndarray) -> bool:
    """Whether the places are those expected, each at most half a pixel away."""
    found = np.array(sorted(places))
    away = np.abs(found[:, None] - expected[None]).max(axis=2)
    return bool(away.min(axis=0).max() <= 0.51 and away.min(axis=1).max() <= 0.51)


@pytest.mark.parametrize("stretch", [(3, 1), (1, 4), (1, 0)])
def test_dots_lie_where_the_points_lie(stretch):
    n = 60
    vectors = np.random.default_rng(1).normal(size=(n, 2)) * stretch + 7
    sources = ["eggs" if i % 3 else "planets" for i in range(n)]
    df = make_frame(["An egg."] * n, source=sources)
    chart = dm.explore.map(df, vectors.astype(np.float32))
    drawn = dots(bundle(chart)["text/html"])
    # The plain way: one scale, as large as it fits, in the middle, and up is up.
    x, y = chart._positions.astype(float).T
    wide, high = np.ptp(x), np.ptp(y)
    scale = min((WIDTH - 2 * EDGE) / wide, (HIGHEST - 2 * EDGE) / max(high, 1))
    view = re.search(
        r'viewBox="0 0 (\d+) (\d+)" role="img" class="dm-cloud"', bundle(chart)["text/html"]
    )
    height = int(view[2])
    places = np.column_stack(
        [
            (x - x.min()) * scale + (WIDTH - wide * scale) / 2,
            (y.max() - y) * scale + (height - high * scale) / 2,
        ]
    )
    assert places.min() >= 0 and (places <= [WIDTH, height]).all()
    named = chart._points.source.to_pylist()
    for hue, source in (("0", "eggs"), ("1", "planets")):
        assert near(drawn[hue], places[[name == source for name in named]])


def test_the_words_say_what_the_picture_shows():
    df = make_frame(["An egg.", "A planet.", "An egg again."], dead={2: "exact_duplicate"})
    page = Page(bundle(dm.explore.map(df, color="reason"))["text/html"])
    assert "Map of 3 rows, coloured by reason: exact_duplicate 1, kept 2" in page.text
    assert page.named("table") == 1
    for words in ("exact_duplicate: 1 of 1 row", "kept: 2 of 2 rows", "An egg again."):
        assert words in page.text
    attributes = [a for tag, a in page.elements if tag == "svg" and a.get("class") == "dm-cloud"]
    assert attributes[0]["role"] == "img"


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_rows_make_a_page_too(n):
    df = make_frame(["An egg.", "A planet."][:n]) if n else make_frame(["x"]).iloc[:0]
    html = bundle(dm.explore.map(df))["text/html"]
    assert Page(html).open == []
    assert sum(map(len, dots(html).values())) == n


def test_a_page_is_bounded_and_says_what_it_leaves_out():
    n = 60_000
    long = "\U000e0041" * 2_000  # spelled out, each is ten characters
    words = [f"{long[:150]}{i % 13}" for i in range(n)]
    columns = ("source", "text", "drop_reason", "drop_detail")
    frame = dict.fromkeys(columns, words) | {"id": [f"{i}{long}" for i in range(n)]}
    df = pd.DataFrame(frame, dtype=STRING)
    vectors = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    html = bundle(dm.explore.map(df, vectors))["text/html"]
    assert len(html.encode()) < 500_000
    assert f"{DOTS:,} points drawn" in Page(html).text
    assert sum(map(len, dots(html).values())) == DOTS


def test_nothing_of_the_data_becomes_markup():
    def shape(words: list[str]) -> set[tuple[str, str, str | None]]:
        df = make_frame(words, source=words, dead=dict(enumerate(words)), detail=words)
        df["drop_detail"] = pd.array(words, STRING)
        return Page(bundle(dm.explore.map(df, color="reason"))["text/html"]).shape

    harmless = [f"word{i}" for i in range(len(HOSTILE))]
    extra = {item for item in shape(HOSTILE) - shape(harmless) if item[2] != "dm-unseen"}
    assert {tag for tag, _, _ in extra} <= {"figure", "pre", "code", "figcaption", "span"}
    assert not any(name.startswith("on") for _, name, _ in extra)


def test_a_notebook_is_given_widget_page_and_words():
    chart = dm.explore.map(make_frame(["An egg.", "A planet."], source="a name " * 9))
    data = bundle(chart)
    assert set(data) == {WIDGET, "text/html", "text/plain"}
    assert data[WIDGET]["model_id"] == chart.model_id
    assert data["text/plain"] == repr(chart)
