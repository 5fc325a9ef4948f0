"""The map in a browser: what it shows, and what pointer and keys do to it."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from frames import make_frame

import datamerge as dm

pytest_plugins = ["widgets"]
pytestmark = [
    pytest.mark.filterwarnings("ignore:Cookies with samesite:UserWarning"),
    pytest.mark.filterwarnings("ignore:websockets.legacy:DeprecationWarning"),
]

ACROSS, DOWN = 12, 6  # points in a grid: wider than high, so that its axes are the components
TOPICS = ["sums", "eggs", "planets"]
HOSTILE = "<img src=x onerror=alert(1)><b>bold</b>\u202egnirts\x00"


def grid(texts=None):
    """A row at every crossing, a topic for each third of the columns, and their places."""
    columns, lines = np.meshgrid(np.arange(ACROSS), np.arange(DOWN))
    places = np.column_stack([columns.ravel(), lines.ravel()]).astype(np.float32)
    said = texts or [f"column {x:.0f}, line {y:.0f}" for x, y in places]
    topic = [TOPICS[int(x) // 4] for x, _ in places]
    return make_frame(said, source=topic), places


@pytest.fixture
def show(shown):
    """The map of the grid, when its points are there."""

    def show_map(df=None, places=None, options=None, **window):
        frame, usual = grid()
        frame, usual = (frame, usual) if df is None else (df, places)
        view = shown(lambda: dm.explore.map(frame, usual, **(options or {})), **window)
        view.page.locator(".dm-map[data-ready]").wait_for()
        view.page.wait_for_timeout(50)
        return view

    return show_map


def on_page(view, column, line):
    """Where in the window a place of the grid is."""
    box = view.page.locator(".dm-stage").bounding_box()
    wide, high = box["width"] - 2, box["height"] - 2  # its border
    step = min((wide - 40) / (ACROSS - 1), (high - 40) / (DOWN - 1))
    x = box["x"] + 1 + wide / 2 + (column - (ACROSS - 1) / 2) * step
    y = box["y"] + 1 + high / 2 - (line - (DOWN - 1) / 2) * step
    return x, y


def drag(view, *corners):
    mouse = view.page.mouse
    mouse.move(*on_page(view, *corners[0]))
    mouse.down()
    for corner in corners[1:]:
        mouse.move(*on_page(view, *corner), steps=5)
    mouse.up()


def ids_where(holds):
    df, places = grid()
    return {name for name, place in zip(df["id"], places, strict=True) if holds(*place)}


def selects(view, expected):
    view.until(lambda: set(view.widget.selection) == expected, 8)
    assert sorted(view.widget.selection) == sorted(expected)
    return True


def color_at(view, column, line):
    x, y = on_page(view, column, line)
    box = view.page.locator(".dm-stage").bounding_box()
    script = """([x, y]) => [...document.querySelector(".dm-stage canvas").getContext("2d")
        .getImageData(Math.round(x), Math.round(y), 1, 1).data].slice(0, 3)"""
    view.page.wait_for_timeout(100)
    return view.page.evaluate(script, [x - box["x"] - 1, y - box["y"] - 1])


def swatch(view, topic):
    item = view.page.locator(".dm-legend li", has_text=topic).locator(".dm-swatch")
    return rgb(item.evaluate("e => getComputedStyle(e).backgroundColor"))


def rgb(color):
    return [int(part) for part in re.findall(r"\d+", color)]


def ground(view):
    stage = view.page.locator(".dm-stage")
    return rgb(stage.evaluate("e => getComputedStyle(e).backgroundColor"))


def near(color, other, most=60):
    return max(abs(a - b) for a, b in zip(color, other, strict=True)) <= most


def topic_buttons(view, topic):
    return view.page.get_by_role("button", name=re.compile(rf"^{topic}\s*24"))


def test_points_have_the_colours_of_the_legend(show):
    view = show()
    for column, topic in ((0, "sums"), (5, "eggs"), (11, "planets")):
        assert near(color_at(view, column, 3), swatch(view, topic))
    assert color_at(view, 4.5, 2.5) == ground(view)
    assert view.page.get_by_role("heading", name="72 rows").is_visible()


def test_pointing_at_a_row_shows_what_it_says(show):
    view = show()
    view.page.mouse.move(*on_page(view, 7, 2))
    tip = view.page.get_by_role("tooltip")
    tip.get_by_text("column 7, line 2").wait_for()
    assert tip.locator(".dm-tip-head").inner_text() == "eggs"
    view.picture("map-hover")
    view.page.mouse.move(*on_page(view, 7.5, 2.5))
    tip.wait_for(state="hidden")


def test_a_lasso_selects_what_is_inside(show):
    view = show()
    drag(view, (-0.2, -0.2), (4.5, -0.2), (4.5, 2.5), (1.5, 2.5), (1.5, 5.5), (-0.2, 5.5))
    inside = ids_where(lambda x, y: x <= 1 or (x <= 4 and y <= 2))
    assert selects(view, inside)
    assert set(view.widget.selected()["id"]) == inside
    rows = view.page.get_by_role("region", name="Selected rows").get_by_role("row")
    rows.nth(10).wait_for()
    assert rows.count() == 11 and "column" in rows.nth(1).inner_text()
    view.page.get_by_role("button", name="Next rows").click()
    view.page.get_by_text("11 to 20 of 21").wait_for()
    live = view.page.locator(".dm-live").inner_text()
    assert live == "21 selected: eggs 3, sums 18"
    view.picture("map-lasso")
    view.page.get_by_role("button", name="Clear").click()
    assert selects(view, set())


def test_boxes_add_and_take_away(show):
    view = show()
    view.page.get_by_role("button", name="Box", exact=True).click()
    drag(view, (-0.2, -0.5), (1.5, 5.5))
    assert selects(view, ids_where(lambda x, y: x <= 1))
    view.page.keyboard.down("Shift")
    drag(view, (9.5, 5.5), (11.2, 3.5))
    view.page.keyboard.up("Shift")
    assert selects(view, ids_where(lambda x, y: x <= 1 or (x >= 10 and y >= 4)))
    view.page.keyboard.down("Alt")
    drag(view, (-0.2, 0.5), (0.5, -0.5))
    view.page.keyboard.up("Alt")
    expected = ids_where(lambda x, y: (x <= 1 or (x >= 10 and y >= 4)) and (x, y) != (0, 0))
    assert selects(view, expected)


def test_a_click_selects_one_row_and_beside_all_none(show):
    view = show()
    view.page.mouse.click(*on_page(view, 6, 3))
    assert selects(view, ids_where(lambda x, y: (x, y) == (6, 3)))
    view.page.mouse.click(*on_page(view, 6.5, 3.5))
    assert selects(view, set())


def test_moving_and_zooming_keep_points_under_the_pointer(show):
    view = show()
    view.page.get_by_role("button", name="Move").click()
    drag(view, (6, 3), (7, 3))  # what was at column 6 is at 7 now
    view.page.mouse.move(*on_page(view, 8, 3))
    view.page.get_by_role("tooltip").get_by_text("column 7, line 3").wait_for()
    view.page.mouse.wheel(0, -400)  # the map has the focus since the drag
    view.page.wait_for_timeout(100)
    view.page.mouse.move(1, 1)
    view.page.mouse.move(*on_page(view, 8, 3))
    view.page.get_by_role("tooltip").get_by_text("column 7, line 3").wait_for()
    view.page.get_by_role("button", name="All in view").click()
    view.page.mouse.move(*on_page(view, 2, 1))
    view.page.get_by_role("tooltip").get_by_text("column 2, line 1").wait_for()


def test_the_legend_hides_and_selects(show):
    view = show()
    topic_buttons(view, "eggs").click()
    view.page.mouse.move(1, 1)
    assert topic_buttons(view, "eggs").get_attribute("aria-pressed") == "false"
    assert color_at(view, 5, 3) == ground(view)
    assert near(color_at(view, 0, 3), swatch(view, "sums"))
    assert view.page.locator(".dm-live").inner_text() == "48 of 72 points shown: planets, sums"
    view.page.mouse.move(*on_page(view, 5, 3))
    view.page.wait_for_timeout(200)
    assert view.page.get_by_role("tooltip").count() == 0
    drag(view, (-0.2, -0.2), (11.2, -0.2), (11.2, 5.5), (-0.2, 5.5))
    assert selects(view, ids_where(lambda x, y: not 4 <= x < 8))
    view.picture("map-hidden")
    view.page.get_by_role("button", name="Show all").click()
    view.page.get_by_role("button", name="Select eggs").click()
    assert selects(view, ids_where(lambda x, y: 4 <= x < 8))
    topic_buttons(view, "sums").click(modifiers=["Alt"])
    assert view.until(lambda: view.widget._hidden == [1, 2] or view.widget._hidden == [0, 1])


def test_the_keyboard_alone_will_do(show):
    view = show()
    keyboard = view.page.keyboard
    stage = view.page.get_by_role("application")
    for _ in range(40):
        keyboard.press("Tab")
        if stage.evaluate("e => e === document.activeElement"):
            break
    label = stage.get_attribute("aria-label")
    assert label.startswith("Map of 72 rows, coloured by source: ")
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowUp", "ArrowRight", "ArrowRight"):
        keyboard.press(key)
    view.page.get_by_role("tooltip").get_by_text("column 6, line 3").wait_for()
    assert view.until(lambda: "column" in view.page.locator(".dm-live").inner_text())
    view.picture("map-keyboard")
    keyboard.press("Enter")
    assert view.until(lambda: len(view.widget.selection) == 1)
    keyboard.press("Enter")
    assert selects(view, set())
    keyboard.press("a")
    assert view.until(lambda: len(view.widget.selection) == 72)
    keyboard.press("Escape")
    assert selects(view, set())
    for key in ("Shift+ArrowLeft", "Shift+ArrowUp"):
        for _ in range(30):
            keyboard.press(key)
    keyboard.press("b")
    for _ in range(30):
        keyboard.press("Shift+ArrowDown")
    while view.page.locator(".dm-lasso").bounding_box()["width"] < 150:
        keyboard.press("ArrowRight")
    keyboard.press("Enter")
    assert view.until(lambda: len(view.widget.selection) > 0)
    assert set(view.widget.selection) in [
        ids_where(lambda x, y, most=most: x <= most) for most in range(4)
    ]
    for key in ("+", "-", "0"):
        keyboard.press(key)


def test_python_selects_too(show):
    view = show()
    wanted = ids_where(lambda x, y: y == 0)
    view.do(lambda: setattr(view.widget, "selection", tuple(wanted)))
    view.page.get_by_text("12 selected", exact=True).wait_for()
    region = view.page.get_by_role("region", name="Selected rows")
    region.get_by_text("line 0").first.wait_for()
    view.page.mouse.move(1, 1)
    assert near(color_at(view, 3, 0), swatch(view, "sums"))
    faded = color_at(view, 3, 4)
    assert near(faded, ground(view), 90) and not near(faded, swatch(view, "sums"))


@pytest.mark.parametrize("dark", [False, True])
def test_both_themes_paint_in_their_colours(show, dark):
    view = show(options={"color": "reason"} if dark else None, dark=dark)
    assert (max(ground(view)) < 60) == dark
    assert color_at(view, 4.5, 2.5) == ground(view)
    ink = rgb(view.page.locator(".dm-map h3").evaluate("e => getComputedStyle(e).color"))
    assert (min(ink) > 200) == dark
    label = "kept" if dark else "sums"
    assert near(color_at(view, 0, 3), swatch(view, label))


def test_rare_reasons_stand_out_among_what_is_kept(show):
    n = 20_000
    places = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32) * [2, 1]
    df = make_frame(["An egg."] * n, dead=dict.fromkeys(range(0, n, 1000), "phrases"))
    view = show(df, places, {"color": "reason"}, dark=True)
    view.page.mouse.move(1, 1)
    view.picture("map-rare")
    script = """([red, green, blue]) => {
        const canvas = document.querySelector(".dm-stage canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let found = 0;
        for (let at = 0; at < data.length; at += 4) {
          const away = [data[at] - red, data[at + 1] - green, data[at + 2] - blue].map(Math.abs);
          if (Math.max(...away) < 40) found++;
        }
        return found;
    }"""
    assert view.page.evaluate(script, swatch(view, "phrases")) > 20 * 9


def test_hostile_content_stays_text(show):
    df, places = grid([HOSTILE] * (ACROSS * DOWN))
    source = df["source"].replace("eggs", HOSTILE)
    df = df.assign(source=source, drop_reason=HOSTILE, drop_detail=HOSTILE)
    view = show(df, places)
    view.page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    view.page.mouse.move(*on_page(view, 5, 2))
    tip = view.page.get_by_role("tooltip")
    shown = r"<img src=x onerror=alert(1)><b>bold</b>\u202egnirts\x00"
    assert tip.locator(".dm-text").inner_text() == shown
    assert tip.locator(".dm-tip-head").inner_text() == shown
    view.page.keyboard.press("Tab")
    view.page.get_by_role("application").focus()
    view.page.keyboard.press("a")
    view.page.get_by_text("72 selected", exact=True).wait_for()
    view.page.locator(".dm-picked tbody tr").first.wait_for()
    assert view.page.locator(".dm-map :is(img, b, script)").count() == 0
    view.picture("map-hostile")


@pytest.mark.parametrize("width", [420, 760])
def test_narrow_cells_hold_all_of_it(show, width):
    view = show(width=width)
    drag(view, (-0.2, -0.2), (11.2, -0.2), (11.2, 5.5), (-0.2, 5.5))
    assert selects(view, ids_where(lambda x, y: True))
    root = view.page.locator(".dm-map")
    assert root.evaluate("e => e.scrollWidth <= e.clientWidth")
    assert topic_buttons(view, "eggs").is_visible()
    view.picture(f"map-{width}")


def test_a_hundred_thousand_points(show):
    n = 100_000
    random = np.random.default_rng(0)
    topic = random.integers(0, 14, n)
    places = random.normal(size=(14, 8))[topic] * 4 + random.normal(size=(n, 8))
    df = pd.DataFrame(
        {
            "id": np.arange(n),
            "source": [f"topic {t}" for t in topic],
            "text": "What is this about?",
        }
    )
    view = show(df, places.astype(np.float32), {"most": 80_000})
    assert view.page.get_by_text("80,000 of 100,000 rows").is_visible()
    view.picture("map-100000")
    box = view.page.locator(".dm-stage").bounding_box()
    view.page.get_by_role("button", name="Box", exact=True).click()
    mouse = view.page.mouse
    mouse.move(box["x"] + 3, box["y"] + 3)
    mouse.down()
    mouse.move(box["x"] + box["width"] - 3, box["y"] + box["height"] - 3, steps=3)
    mouse.up()
    assert view.until(lambda: len(view.widget.selection) == 80_000)
    view.page.get_by_text("1 to 10 of 80,000").wait_for()
