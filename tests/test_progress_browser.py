"""Progress where people see it: JupyterLab in both themes, and marimo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["widgets"]

CELL = """
import pathlib, time
import dask, datamerge as dm
from datamerge import compute
dask.config.set({{"datamerge.patience": 0}})
def wait(name):
    while not pathlib.Path({folder!r}, name).exists():
        time.sleep(0.05)
if pathlib.Path({folder!r}, "begin").exists():
    compute.each(len, ["a"], stage="exact", rows=len)
    found = compute.each(wait, ["first", "second"], stage="embed", rows=len)
"""
DARK = "() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
# Not returned: whoever gets a promise waits for the cells to end.
RUN = "() => { jupyterapp.commands.execute('notebook:run-all-cells'); }"


@pytest.fixture(params=["marimo", "notebook"])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """The cell at work, in either place."""
    run, begin = request.getfixturevalue(request.param), tmp_path / "begin"
    if request.param == "marimo":
        begin.touch()
        return run(CELL.format(folder=str(tmp_path)))
    page = run(CELL.format(folder=str(tmp_path)))
    begin.touch()
    page.evaluate(RUN)
    return page


def colours(line: Any) -> list[str]:
    """Of the bar, and of the words beside it, at one moment.

    The line is drawn anew several times a second; what was taken off the page has no colour.
    """
    found = [""]
    while not all(found):
        found = line.evaluate(
            "line => ['progress', '.dm-figures']"
            ".map(part => getComputedStyle(line.querySelector(part)).color)"
        )
    return found


def test_a_stage_is_seen_at_work_and_then_in_a_list(
    page: Any, picture: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where = request.node.callspec.params["page"]
    bar = page.get_by_role("progressbar", name="embedding")
    bar.wait_for(timeout=120_000)
    assert bar.get_attribute("max") == "2" and bar.get_attribute("value") == "0"
    (tmp_path / "first").touch()
    page.locator("progress[value='1']").wait_for()
    assert bar.evaluate("bar => bar.getBoundingClientRect().width") > 80
    if where == "notebook":
        page.evaluate(DARK)
        page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
        page.locator("#jupyterlab-splash").wait_for(state="detached")
    picture(page, f"progress-{where}")
    drawn, written = colours(bar.locator("xpath=.."))
    assert drawn == written  # in the colour of the text around, whatever the theme
    (tmp_path / "second").touch()
    page.get_by_text("done in").nth(1).wait_for()
    stages = page.locator(".dm-progress li")
    assert [text.split()[0] for text in stages.all_inner_texts()] == ["hashing", "embedding"]
    assert stages.get_by_role("progressbar").count() == 0
    picture(page, f"progress-{where}-ended")
