"""Pages in a real browser: hostile content, keyboard alone, no scripts, light and dark.

Screenshots of every run are left in ``tests/screenshots/``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from frames import make_frame
from pages import CONTRAST, HOSTILE

import datamerge as dm
from datamerge._arrays import STRING

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (the extra testbrowser)"
)
expect = sync_api.expect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync""".split()  # noqa: SIM905
SHOTS = Path(__file__).parent / "screenshots"
SAMPLE = Path(dm.__path__[0]) / "assets" / "sample"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium (on Debian: apt-get install chromium; or set CHROMIUM)"
)

CODE = "This reads a file line by line:\n\n```python\ndef rows(path):\n    with open(path) as file:\n        yield from file\n```\n\nGive it a path."  # fmt: skip  # noqa: E501


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def show(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens HTML as a saved notebook's page would hold it; fails on errors and on requests."""
    contexts = []
    troubles: list[str] = []

    def open_(*shown: Any, body: str = "", **options: Any) -> Any:
        html = "\n".join(s if isinstance(s, str) else s._repr_html_() for s in shown)
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_text(
            f"<!doctype html><meta charset=utf-8><title>safe</title><body {body}>{html}"
        )
        context = chromium.new_context(**{"viewport": {"width": 1000, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: troubles.append(f"request: {request.url}"))
        page.goto(file.as_uri())
        troubles.remove(f"request: {file.as_uri()}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not troubles


def chats(n: int = 35) -> pd.DataFrame:
    rows = [
        [("user", f"Question {i} about rain"), ("assistant", f"Answer {i}")]
        if i % 3
        else f"Note {i}"
        for i in range(n)
    ]
    dead = {i: "language" if i % 2 else "phrases" for i in range(0, n, 5)}
    return make_frame(rows, dead=dead, source=["web" if i % 4 else "books" for i in range(n)])


def pretty() -> pd.DataFrame:
    """Rows as they come: code, a refusal, a document, tools, another script, attacks."""
    asked = {"tool_calls": [{"function": {"name": "get_weather", "arguments": '{"city": "Kiel"}'}}]}
    no = "As an AI\nlanguage model, I don’t have opinions. The Rhine is the longest of them."
    rows = [
        [("system", "You answer briefly."), ("user", "How do I read a file?"), ("assistant", CODE)],
        [("user", "Which river in Germany is the longest?"), ("assistant", no)],
        "The Elbe rises in the Giant Mountains and flows into the North Sea at Cuxhaven. " * 40,
        [("user", "Rain in Kiel?"), ("assistant", "", asked), ("tool", '{"sky": "rain"}'),
         ("assistant", "It is raining in Kiel.")],
        [("user", "مرحبا، كيف حالك؟"), ("assistant", "أنا بخير، شكرًا لك.")],
        [("user", HOSTILE[0] + HOSTILE[1]), ("assistant", HOSTILE[7])],
    ] * 2  # fmt: skip
    df = make_frame(rows, source=["chats", "chats", "wiki", "tools", "chats", "odd"] * 2)
    df["tokens"] = [57, 48, 880, 61, 44, 30] * 2
    df["meta"] = pd.array(['{"model": "m-1", "rating": 5}'] * 12, STRING)
    df.loc[4, ["drop_reason", "drop_detail"]] = ["language", "ar 0.99"]
    return dm.filters.phrases(df, "refusals")


class Still:
    """What is left of a widget without a kernel."""

    def __init__(self, widget: Any):
        self._page = widget._repr_mimebundle_()[0]["text/html"]

    def _repr_html_(self) -> str:
        return self._page


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dm.Tally]:
    names = ("sharegpt.jsonl", "openai.jsonl", "alpaca.json", "preference.jsonl.gz")
    df = dm.read(*(str(SAMPLE / name) for name in names)).pipe(dm.tokens.count)
    df = df.pipe(dm.filters.language, ["en"]).pipe(dm.filters.phrases, "refusals")
    df = df.pipe(dm.filters.phrases, "slop", reason="slop").pipe(dm.filters.length, min=60)
    return df, dm.write(df, tmp_path_factory.mktemp("run") / "out")


def visible_rows(page: Any) -> int:
    return page.locator(".dm-row:visible").count()


# Hostile content


def test_nothing_in_the_data_runs(show):
    df = make_frame([*HOSTILE, *([("user", word), ("assistant", word)] for word in HOSTILE)])
    df["drop_reason"] = df["drop_detail"] = pd.array(HOSTILE * 2, STRING)
    df["source"] = df["language"] = df["drop_reason"]
    shown = [dm.explore.preview(df), dm.explore.stats(df), dm.explore.ledger(df)]
    page = show(*shown)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    page.wait_for_timeout(200)
    assert page.title() == "safe"
    assert page.locator("script").count() == 1
    assert (
        page.locator(".dm-explore :is(img, iframe, a, object, embed, link, form, b)").count() == 0
    )
    with_handlers = (
        "[...document.querySelectorAll('.dm-explore *')].filter(e => [...e.attributes]"
        ".some(a => a.name.startsWith('on') || /javascript/i.test(a.value))).length"
    )
    assert page.evaluate(with_handlers) == 0
    assert page.get_by_text(HOSTILE[0]).count() > 0


# Paging, search and filters, by keyboard


def focused(page: Any) -> str:
    return page.evaluate("document.activeElement.textContent || document.activeElement.type")


def press_until(page: Any, key: str, wanted: Callable[[], bool], most: int = 80) -> None:
    for _ in range(most):
        page.keyboard.press(key)
        if wanted():
            return
    raise AssertionError(f"not reached by {key}")


def test_paging_by_keyboard(show):
    page = show(dm.explore.preview(chats(), 35))
    status = page.get_by_role("status")
    expect(status).to_have_text("Rows 1 to 10 of 35")
    assert visible_rows(page) == 10
    press_until(page, "Tab", lambda: focused(page) == "Next")
    for first in (11, 21, 31):
        page.keyboard.press("Enter")
        expect(status).to_have_text(f"Rows {first} to {min(first + 9, 35)} of 35")
    assert visible_rows(page) == 5
    page.keyboard.press("Enter")  # there is no more, and the focus stays
    expect(status).to_have_text("Rows 31 to 35 of 35")
    assert focused(page) == "Next"
    expect(page.get_by_role("button", name="Next")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(status).to_have_text("Rows 21 to 30 of 35")


def test_searching_by_keyboard(show):
    page = show(dm.explore.preview(chats(), 35))
    page.keyboard.press("Tab")
    assert focused(page) == "search"
    page.keyboard.type("ANSWER 1")
    expect(page.get_by_role("status")).to_have_text("Rows 1 to 8 of 8, of 35 drawn")
    assert all("Answer 1" in text for text in page.locator(".dm-row:visible").all_inner_texts())
    page.keyboard.type(" nowhere")
    expect(page.get_by_role("status")).to_have_text("No row is as asked for.")
    assert visible_rows(page) == 0


def test_filtering_by_keyboard(show):
    df = chats()
    page = show(dm.explore.preview(df, 35))
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.labels[0].firstChild.textContent") == "Source"
    page.keyboard.type("we")
    web = df[df["source"] == "web"]
    expect(page.get_by_role("status")).to_contain_text(f"of {len(web)}, of 35 drawn")
    page.keyboard.press("Tab")
    page.keyboard.type("lang")
    both = web[web["drop_reason"] == "language"]
    expect(page.get_by_role("status")).to_contain_text(f"of {len(both)}, of 35 drawn")
    assert visible_rows(page) == len(both)
    options = page.get_by_label("Removed for").locator("option").all_inner_texts()
    live = df["drop_reason"].isna().sum()
    assert f"nothing: stays ({live})" in options


def test_what_is_searched_for_is_seen_where_it_was_folded(show):
    df = make_frame(["word " * 1000 + "needle", "hay", "straw"])
    page = show(dm.explore.preview(df))
    page.get_by_label("Search").fill("needle")
    assert visible_rows(page) == 1
    expect(page.locator(".dm-row:visible details")).to_have_attribute("open", "")
    assert page.evaluate("CSS.highlights.get('dm-found').size") == 1


def test_two_previews_do_not_disturb_each_other(show):
    page = show(dm.explore.preview(chats(), 35), dm.explore.preview(chats(), 12, seed=3))
    page.get_by_role("button", name="Next").nth(1).click()
    status = page.get_by_role("status")
    expect(status.nth(0)).to_have_text("Rows 1 to 10 of 35")
    expect(status.nth(1)).to_have_text("Rows 11 to 12 of 12")


def test_names_for_a_screen_reader(show, written):
    page = show(dm.explore.preview(chats(), 35), written[1], dm.explore.stats(written[0]))
    for name in ("Preview of 35 rows", "Ledger", "Statistics"):
        expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("navigation", name="Pages of rows")).to_be_visible()
    expect(page.get_by_role("table", name="Rows by source")).to_be_visible()
    expect(page.get_by_role("img", name="Of 338 rows read: kept")).to_be_visible()
    assert page.get_by_role("rowheader", name="alpaca").count() >= 2
    unnamed = "[...document.querySelectorAll('input, select')].filter(e => !e.labels.length).length"
    assert page.evaluate(unnamed) == 0


def test_the_focus_is_seen(show, written):
    page = show(dm.explore.preview(chats(), 35), written[1])
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        style = "getComputedStyle(document.activeElement).outlineStyle"
        if page.evaluate("document.activeElement === document.body"):
            break
        assert page.evaluate(style) != "none", focused(page)
        seen.add(page.evaluate("document.activeElement.tagName"))
    assert {"INPUT", "SELECT", "BUTTON", "SUMMARY", "DIV"} <= seen


# Without scripts


def test_every_row_can_be_read_without_scripts(show):
    page = show(dm.explore.preview(chats(), 35), java_script_enabled=False)
    assert page.get_by_role("button").count() == page.get_by_role("searchbox").count() == 0
    assert visible_rows(page) == 10
    page.get_by_text("25 more rows").click()
    assert visible_rows(page) == 35


def test_the_ledger_opens_its_examples_without_scripts(show, written):
    page = show(written[1], java_script_enabled=False)
    page.get_by_text("phrases: 3 of").click()
    expect(page.locator("details[open] mark").first).to_be_visible()


# How it looks

THEMES = [("light", ""), ("dark", 'style="background: #111"')]


@pytest.fixture(params=["preview", "ledger", "stats", "map"])
def shown(request, written):
    df, tally = written
    made = {
        "preview": lambda: dm.explore.preview(pretty()),
        "ledger": lambda: tally,
        "stats": lambda: dm.explore.stats(df),
        "map": lambda: Still(dm.explore.map(df, color="reason")),
    }
    return request.param, made[request.param]()


@pytest.mark.parametrize(("theme", "body"), THEMES)
def test_it_can_be_read_in_light_and_dark(show, shown, theme, body):
    name, it = shown
    page = show(it, color_scheme=theme, body=body)
    for folded in page.locator("summary").filter(has_text="phrases:").all():
        folded.click()
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}-{theme}.png", full_page=True)
    least, where = page.evaluate(CONTRAST)[0]
    assert least >= 4.5, where
    ground = page.evaluate(
        "getComputedStyle(document.querySelector('.dm-explore')).backgroundColor"
    )
    assert (sum(map(int, ground[4:-1].split(", "))) > 600) == (theme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("light", ["true", "false"])
def test_the_notebooks_theme_wins_over_the_systems(show, scheme, light):
    shown = dm.explore.preview(pretty())
    page = show(shown, color_scheme=scheme, body=f'data-jp-theme-light="{light}"')
    used = "getComputedStyle(document.querySelector('.dm-explore')).colorScheme"
    assert page.evaluate(used) == ("light" if light == "true" else "dark")
    assert page.evaluate(CONTRAST)[0][0] >= 4.5


def test_it_fits_a_narrow_window(show, shown):
    name, it = shown
    page = show(it, viewport={"width": 360, "height": 800})
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}-narrow.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


# What JupyterLab, and the pages that notebooks are turned into, do to what is in their cells.
HOST = """<style>
  .cell p, .cell td, .cell th, .cell div { margin: 9px; padding: 7px; line-height: 3; color: lime }
  .cell dl dt { float: left; width: 20%; clear: left }
  .cell tbody tr:nth-child(odd), .cell tbody tr:hover { background: yellow }
  .cell :not(pre) > code, .cell pre, .cell mark { background: orange; font-size: 30px }
  .cell table td { text-align: center; white-space: normal; border: 3px solid red; max-width: none }
</style>"""


PROPERTIES = """background-color border-bottom-width border-left-color color display float font-size
    font-weight height line-height margin-bottom margin-left max-width padding-left padding-top
    text-align white-space-collapse width""".split()  # noqa: SIM905


def test_the_notebooks_styles_do_not_reach_in(show, shown):
    styles = """[...document.querySelectorAll('.dm-explore :not(svg *, style, script)')].map(
        (element) => [element.tagName, element.className, ...PROPERTIES.map(
            (name) => `${name}: ${getComputedStyle(element).getPropertyValue(name)}`)])"""
    styles = styles.replace("PROPERTIES", str(PROPERTIES))
    html = shown[1]._repr_html_()
    alone = show(f"<div>{html}</div>").evaluate(styles)
    within = show(f'{HOST}<div class="cell">{html}</div>').evaluate(styles)
    assert len(within) == len(alone) > 20
    for one, other in zip(within, alone, strict=True):
        assert one == other


def test_nothing_leaks_into_the_notebook(show, shown):
    beside = "<div id=beside><table><tr><th>a</th><td><code>b</code></td></tr></table><h3>c</h3><mark>d</mark><button>e</button><details><summary>f</summary></details><svg><text>g</text></svg></div>"  # noqa: E501
    styles = """[...document.querySelectorAll('#beside *')].map((e) => {
        const style = getComputedStyle(e);
        return [...style].filter((n) => !/size|width|height|origin/.test(n))
            .map((n) => style.getPropertyValue(n)).join(';');
    })"""
    alone = show(beside).evaluate(styles)
    assert show(beside, shown[1]).evaluate(styles) == alone
