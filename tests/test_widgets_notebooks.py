"""Widgets where people use them: JupyterLab with its own keys and themes, and marimo."""

from __future__ import annotations

import re

pytest_plugins = ["widgets"]

FRAME = """
import datamerge as dm
subjects = ["boil an egg", "orbit of Mars", "prove a theorem"]
df = dm.read([f"{subjects[i % 3]}, part {i}" for i in range(300)], name="notes")
"""
MAP = f"""{FRAME}
import ipywidgets
chart = dm.explore.map(df)
told = ipywidgets.Label("nothing yet")
chart.observe(lambda c: setattr(told, "value", f"python has {{len(c['new'])}} ids"), "selection")
ipywidgets.VBox([chart, told])
"""
DARK = "() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"


def ground(page):
    color = page.locator(".dm-map .dm-stage").evaluate("e => getComputedStyle(e).backgroundColor")
    return [int(part) for part in re.findall(r"\d+", color)]


def test_jupyterlab_leaves_the_keys_to_the_map(notebook):
    page = notebook(MAP, "chart.selected().compute()")
    page.locator(".dm-map[data-ready]").wait_for()
    cell = "() => jupyterapp.shell.currentWidget.content.activeCellIndex"
    page.get_by_role("application").focus()
    before = page.evaluate(cell)
    page.keyboard.press("a")  # which would insert a cell
    page.get_by_text("python has 300 ids").wait_for()
    for key in ("Escape", "b", "Shift+ArrowRight", "Shift+ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.get_by_text(re.compile(r"python has \d{1,2} ids")).wait_for()
    assert page.evaluate(cell) == before
    assert page.locator(".jp-Cell").count() == 2


def test_jupyterlab_tells_its_theme(notebook, picture):
    page = notebook(MAP)
    page.locator(".dm-map[data-ready]").wait_for()
    assert min(ground(page)) > 200
    page.evaluate(DARK)
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    page.wait_for_timeout(300)
    assert max(ground(page)) < 60
    corner = """() => [...document.querySelector(".dm-stage canvas").getContext("2d")
        .getImageData(3, 3, 1, 1).data].slice(0, 3)"""
    assert page.evaluate(corner) == ground(page)  # painted anew
    picture(page, "map-jupyterlab-dark")


PAGES = """
import datamerge as dm
said = [f"Part {i} of it." if i % 3 else "As an AI language model, I pass." for i in range(25)]
rows = [{"prompt": "What is it?", "completion": text} for text in said]
df = dm.filters.phrases(dm.read(rows, name="notes"), "refusals")
dm.explore.preview(df, 25)
"""


def test_jupyterlab_leaves_the_keys_to_pages(notebook):
    page = notebook(PAGES, "dm.explore.ledger(df)")
    examples = page.locator(".dm-ledger summary", has_text="phrases: 3 of 9 rows")
    examples.wait_for(timeout=60_000)
    state = """() => {
      const { activeCellIndex, mode, widgets } = jupyterapp.shell.currentWidget.content;
      return [activeCellIndex, mode, widgets.length];
    }"""
    before = page.evaluate(state)
    assert before[1] == "command"
    page.get_by_role("searchbox", name="Search").focus()
    page.keyboard.type("dd xba as an")  # d, d would delete the cell
    assert page.locator(".dm-preview [role=status]").inner_text() == "No row is as asked for."
    page.get_by_role("searchbox", name="Search").fill("as an ai")
    page.get_by_label("Removed for").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_role("searchbox", name="Search").fill("")
    page.get_by_text(re.compile(r"of (9|16), of 25 drawn$")).wait_for()
    page.get_by_label("Removed for").select_option("")
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Rows 11 to 20 of 25").wait_for()
    examples.focus()
    page.keyboard.press("Enter")
    page.locator(".dm-ledger mark").first.wait_for()
    page.keyboard.press(" ")
    page.locator(".dm-ledger mark").first.wait_for(state="hidden")
    page.get_by_role("region", name="Rows by source").focus()
    for key in ("ArrowRight", "ArrowDown", "a", "m"):
        page.keyboard.press(key)
    assert page.evaluate(state) == before


def test_marimo_sends_selections_back(marimo, picture, tmp_path):
    heard = tmp_path / "heard"
    page = marimo(f"""{FRAME}
chart = dm.explore.map(df)
def hear(change):
    with open({str(heard)!r}, "w") as file:
        file.write(" ".join(change["new"]))
chart.observe(hear, "selection")
chart
""")
    page.locator(".dm-map[data-ready]").wait_for(timeout=60_000)
    page.get_by_role("application").focus()
    page.keyboard.press("a")
    page.get_by_text("300 selected", exact=True).wait_for()
    page.get_by_role("region", name="Selected rows").get_by_text("notes#").first.wait_for()
    for _ in range(100):
        if heard.exists() and len(heard.read_text().split()) == 300:
            break
        page.wait_for_timeout(100)
    assert len(set(heard.read_text().split())) == 300
    picture(page, "map-marimo")
