"""Light and dark where people use them: all can be read, whatever colours the host defines."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from frames import make_frame
from pages import CONTRAST

import datamerge as dm

pytest_plugins = ["widgets"]
pytestmark = [
    pytest.mark.filterwarnings("ignore:Cookies with samesite:UserWarning"),
    pytest.mark.filterwarnings("ignore:websockets.legacy:DeprecationWarning"),
]

SUBJECTS = ["Boil the egg for eight minutes.", "Prune the rose in early spring.", "Name a planet."]
GROUND = """() => [...document.querySelectorAll(".dm-widget, .dm-explore")].map((card) =>
    getComputedStyle(card).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number))"""

FRAME = """
import datamerge as dm
import pandas as pd
said = [[{"role": "user", "content": f"Boil an egg, part {i % 9}"},
         {"role": "assistant", "content": "As an AI language model, I cannot boil `eggs`."}]
        for i in range(24)]
raw = dm.read([{"messages": turns} for turns in said], name="chats")
df = dm.filters.phrases(raw, "refusals")
"""
CELLS = [
    FRAME,
    "dm.explore.preview(df, 12)",
    "dm.explore.ledger(df)",
    "dm.explore.stats(df)",
    'dm.explore.map(df, color="reason")',
    "dups = dm.dedup.jaccard(raw, ngram=1, threshold=0.8, floor=0.4)\ndups.pairs\ndups",
]
DARK = "() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"


def frame() -> Any:
    rows: list[Any] = [f"{SUBJECTS[i % 3]} {i % 7}" for i in range(40)]
    rows += [[("user", "Hm?"), ("assistant", "As an AI language model, I pass.")]] * 3
    return dm.filters.phrases(make_frame(rows, source=["a", "b"] * 21 + ["c"]), "refusals")


def page_of(shown: Any) -> Any:
    """A page within a widget, as voila and Solara show it."""
    import ipywidgets

    return ipywidgets.HTML(shown._repr_html_())


def explorer() -> Any:
    dups = dm.dedup.jaccard(frame(), ngram=1, threshold=0.8, floor=0.4)
    explorer = dm.explore.duplicates(dups, Path(mkdtemp()) / "decisions.jsonl")
    explorer.decide("keep", explorer.duplicates.decisions()["id"].iloc[0])
    return explorer


MADE = {
    "preview": lambda: page_of(dm.explore.preview(frame(), 12)),
    "ledger": lambda: page_of(dm.explore.ledger(frame())),
    "stats": lambda: page_of(dm.explore.stats(frame())),
    "map": lambda: dm.explore.map(frame(), color="reason"),
    "duplicates": explorer,
}


def check(page: Any, dark: bool) -> None:
    for ground in page.evaluate(GROUND):
        assert max(ground) < 60 if dark else min(ground) > 200, ground
    found = page.evaluate(CONTRAST)
    assert len(found) > 5
    least, where = found[0]
    assert least >= 4.5, (round(least, 2), where)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", MADE)
def test_all_can_be_read_beside_another_themes_colours(shown, name, dark):
    """Solara says --jp-layout-color0: white, whichever theme it shows."""
    view = shown(MADE[name], dark=dark)
    ready = view.page.locator(":is(.dm-map, .dm-dups)[data-ready], .dm-explore").first
    ready.wait_for()
    if name == "duplicates":
        view.page.locator(".dm-side .dm-said").first.wait_for()
    check(view.page, dark)
    view.picture(f"theme-{name}-{'dark' if dark else 'light'}")


@pytest.mark.parametrize("system", [False, True], ids=["light-system", "dark-system"])
def test_the_hosts_theme_counts_not_the_systems(shown, system):
    view = shown(MADE["map"], dark=not system)
    view.page.emulate_media(color_scheme="dark" if system else "light")
    view.page.locator(".dm-map[data-ready]").wait_for()
    check(view.page, dark=not system)


def test_jupyterlab_in_the_dark(notebook, picture):
    page = notebook(*CELLS, height=1400)
    page.locator(".dm-map[data-ready]").wait_for(timeout=60_000)
    page.locator(".dm-dups[data-ready]").wait_for(timeout=60_000)
    check(page, dark=False)
    page.evaluate(DARK)
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    page.wait_for_function(f"() => ({GROUND})().every((ground) => Math.max(...ground) < 60)")
    check(page, dark=True)
    own = "() => getComputedStyle(document.body).getPropertyValue('--jp-layout-color0')"
    assert page.evaluate(own).strip() in ("#111111", "#111")
    assert page.evaluate(GROUND) == [[17, 17, 17]] * 5  # JupyterLab's, not ours
    picture(page, "themes-jupyterlab-dark")
