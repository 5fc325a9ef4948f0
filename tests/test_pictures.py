"""The pictures of README and docs, taken of the bundled sample: `scripts/take_pictures.py`.

Each is taken as sharp as a good screen, in the light theme, into ``tests/screenshots/``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from widgets import LETTERS, PICTURES

import datamerge as dm

pytest_plugins = ["widgets"]
pytestmark = [
    pytest.mark.filterwarnings("ignore:Cookies with samesite:UserWarning"),
    pytest.mark.filterwarnings("ignore:websockets.legacy:DeprecationWarning"),
]

SAMPLE = Path(dm.__path__[0]) / "assets" / "sample"
FILES = ["sharegpt.jsonl", "openai.jsonl", "alpaca.json"]
SEED = 6369  # draws a refusal and a tool's call first


@pytest.fixture(scope="module")
def df() -> Any:
    chosen = {"path": SAMPLE / "preference.jsonl.gz", "which": "chosen"}
    df = dm.read(*(SAMPLE / name for name in FILES), chosen)
    return df.pipe(dm.clean.unicode).pipe(dm.tokens.count)


@pytest.fixture(scope="module")
def marked(df: Any) -> Any:
    df = df.pipe(dm.filters.language, ["en"]).pipe(dm.filters.phrases, "refusals")
    df = df.pipe(dm.filters.phrases, "slop", reason="slop")
    return dm.dedup.semantic(df, threshold=0.95).mark(df, keep="longest").persist()


def test_the_preview(marked, new_page):
    """The words that removed a row, chats as bubbles, a tool that is called: two rows of many."""
    page = new_page(width=860, height=1600, scale=2)
    page.set_content(dm.explore.preview(marked, 40, seed=SEED)._repr_html_())
    page.add_style_tag(content=LETTERS)
    rows = page.locator(".dm-row")
    assert rows.nth(0).locator("mark").inner_text() == "As an AI language model"
    assert rows.nth(1).locator(".dm-call").get_by_text("get_weather").is_visible()
    end = rows.nth(2).bounding_box()["y"]
    PICTURES.mkdir(exist_ok=True)
    clip = {"x": 0, "y": 0, "width": 860, "height": end - 4}
    page.screenshot(path=PICTURES / "picture-preview.png", clip=clip)


def test_the_explorer(df, shown, picture, tmp_path):
    """Scores and threshold, clusters in doubt, two rows with their differences marked."""
    dups = dm.dedup.semantic(df, threshold=0.95, floor=0.6)
    view = shown(
        lambda: dm.explore.duplicates(dups, tmp_path / "decisions.jsonl"), width=1120, scale=2
    )
    view.page.add_style_tag(content=LETTERS)
    card = view.page.locator(".dm-dups[data-ready]")
    card.get_by_role("combobox").select_option("doubt")
    card.get_by_role("option").filter(has_text="Incas").click()
    card.locator(".dm-said mark").first.wait_for()
    picture(card, "picture-explorer")


def test_the_map(marked, shown, picture):
    """Points by what became of their rows, one of them pointed at."""
    view = shown(lambda: dm.explore.map(marked, color="reason"), width=1000, scale=2)
    view.page.add_style_tag(content=LETTERS)
    card = view.page.locator(".dm-map[data-ready]")
    widget = view.widget
    places, reasons = widget._positions, widget._points.reason.to_pylist()
    alone = [int((places == place).all(axis=1).sum()) == 1 for place in places]
    near = [at for at, why in enumerate(reasons) if why == "semantic_duplicate" and alone[at]]
    point = min(near, key=lambda at: places[at, 1])  # at the bottom there is room for what it says
    view.page.mouse.move(*place(card.locator(".dm-stage").bounding_box(), widget, point))
    card.get_by_role("tooltip").get_by_text("semantic_duplicate").wait_for()
    picture(card, "picture-map")


def place(stage: dict[str, float], widget: Any, point: int) -> tuple[float, float]:
    """Where in the window a point is, all being in view."""
    low, high = widget._positions.min(axis=0), widget._positions.max(axis=0)
    wide, tall = stage["width"] - 2, stage["height"] - 2  # its border
    scale = min((wide - 40) / (high[0] - low[0]), (tall - 40) / (high[1] - low[1]))
    x, y = (widget._positions[point] - (low.astype(float) + high) / 2) * scale
    return stage["x"] + 1 + wide / 2 + x, stage["y"] + 1 + tall / 2 - y
