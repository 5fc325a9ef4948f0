"""The explorer of duplicates in a real browser: slider, decisions, keys, themes, hostile rows."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator

import dask
import pandas as pd
import pytest
from frames import make_frame, on_dask
from widgets import PICTURES

import datamerge as dm

pytest_plugins = ["widgets"]

HOSTILE = (
    "<script>window.owned = 1</script><img src=x onerror='window.owned = 1'> see \u202eevil\x00 now"
)
SUBJECTS = ["boil an egg", "prune a rose", "tune a guitar", "file a tax return", "train a puppy",
            "read a map", "fix a tap", "write a sonnet", "bake bread", "plan a trip"]  # fmt: skip
ADVICE = (
    "Start by gathering everything you need, and give yourself enough time. Work through it step "
    "by step; do not hurry. When something goes wrong, go back to the last step that worked and "
    "try again from there. In the end, look over the result with fresh eyes, and note what you "
    "would do in another way next time."
)


def chats(n: int, seed: int = 0) -> pd.DataFrame:
    """Questions and answers of which many are alike."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        subject = SUBJECTS[min(int(rng.expovariate(0.4)), 9)]
        words = [w if rng.random() > 0.02 * (i % 4) else w.upper() for w in ADVICE.split()]
        for _ in range(i % 3):
            words[rng.randrange(len(words))] = rng.choice(["quickly", "twice", "calmly", "later"])
        said = f"To {subject}: " + " ".join(words)
        rows.append([("user", f"How do I {subject}?"), ("assistant", said)])
    sources = ["sharegpt", "alpaca", "openorca/gpt4"]
    return make_frame(rows, source=[sources[min(i % 5, 2)] for i in range(n)])


@pytest.fixture(autouse=True)
def _workdir(tmp_path) -> Iterator[None]:
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


@pytest.fixture(scope="module", autouse=True)
def _compiled(tmp_path_factory) -> None:
    """What finds and decides is compiled before a page waits for it."""
    df = chats(400)
    with dask.config.set({"datamerge.workdir": str(tmp_path_factory.mktemp("compiled"))}):
        (dm.dedup.exact(df) | found(df)).summary()


def found(df, **options):
    return dm.dedup.jaccard(df, **{"threshold": 0.8, "floor": 0.5, "ngram": 2} | options)


def ready(view):
    view.page.locator(".dm-dups[data-ready]").wait_for()
    return view


class Held:
    """Keeps what the kernel answers until it is let go."""

    def __init__(self, view):
        self.view, self.answers, self.send = view, [], view.widget.send
        view.widget.send = self.answers.append

    def heard(self, what) -> bool:
        return self.view.until(lambda: any(what in answer for answer in self.answers))

    def let_go(self) -> None:
        """Answer all, and wait until the page asks no more."""
        self.view.widget.send = self.send
        for answer in self.answers:
            self.view.do(lambda answer=answer: self.send(answer))
        self.view.page.locator(".dm-dups[data-asking='0']").wait_for()


def number(view) -> int:
    return int(view.page.locator(".dm-removed").inner_text().replace(",", ""))


def test_it_looks_as_it_should(shown):
    df = chats(400)
    dups = dm.dedup.exact(df) | found(df)
    for name, window in {
        "light": {"width": 1280},
        "dark": {"dark": True, "width": 1280},
        "narrow": {"width": 560, "height": 1700},
    }.items():
        view = ready(shown(lambda: dm.explore.duplicates(dups), **window))
        view.page.locator(".dm-said mark").first.wait_for()
        view.picture(f"duplicates-{name}")
        ground = view.page.locator(".dm-dups").evaluate("e => getComputedStyle(e).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) == (name == "dark")
        wide = "e => e.scrollWidth <= e.clientWidth"
        assert view.page.locator(".dm-dups").evaluate(wide)


def test_counts_follow_the_slider(shown):
    df = chats(300)
    dups = found(df)
    view = ready(shown(lambda: dm.explore.duplicates(dups)))
    expected = {at: len(dups.at(at).decisions()) for at in (0.8, 0.55, 0.9, 1.0)}
    assert number(view) == expected[0.8]
    slider = view.page.get_by_role("slider", name="Threshold")
    for at in (0.55, 0.9, 1.0):
        slider.evaluate(
            "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})) }",
            round((at - 0.5) * 2000),
        )
        assert view.until(lambda at=at: number(view) == expected[at]), at
        assert view.until(lambda at=at: view.widget.threshold == at)
    live = view.page.locator(".dm-live")
    assert view.until(lambda: f"{expected[1.0]:,} of 300 rows would go" in live.inner_text())
    # And from Python.
    view.do(lambda: setattr(view.widget, "threshold", 0.55))
    assert view.until(lambda: number(view) == expected[0.55])
    assert view.until(lambda: slider.input_value() == "100")
    clusters = dups.at(0.55).clusters()["cluster"].nunique()
    assert view.until(
        lambda: view.page.locator(".dm-list h4").inner_text().split()[0] == str(clusters)
    )


def test_many_moves_in_a_row_end_where_the_slider_does(shown):
    dups = found(chats(200))
    view = ready(shown(lambda: dm.explore.duplicates(dups)))
    slider = view.page.get_by_role("slider", name="Threshold")
    slider.focus()
    for _ in range(40):
        slider.press("ArrowLeft")
    assert slider.input_value() == "560"
    assert view.until(lambda: view.widget.threshold == 0.78)
    expected = len(dups.at(0.78).decisions())
    assert view.until(lambda: number(view) == expected)
    view.page.wait_for_timeout(500)
    assert slider.input_value() == "560" and number(view) == expected


def test_another_widget_of_the_page_moves_the_threshold(shown):
    import ipywidgets

    dups = found(chats(200))

    def make():
        explorer, text = dm.explore.duplicates(dups), ipywidgets.FloatText()
        ipywidgets.jslink((explorer, "threshold"), (text, "value"))
        return ipywidgets.VBox([explorer, text])

    view = ready(shown(make))
    explorer, _ = view.widget.children
    slider = view.page.get_by_role("slider", name="Threshold")
    text = view.page.locator(".widget-text input")
    assert view.until(lambda: text.input_value() == "0.8")
    slider.press("ArrowLeft")  # the page's own move first
    assert view.until(lambda: text.input_value() == "0.7995")
    for at in (0.6, 0.9):
        text.fill(str(at))
        text.press("Enter")
        expected = len(dups.at(at).decisions())
        assert view.until(lambda at=at: explorer.threshold == at)
        assert view.until(lambda expected=expected: number(view) == expected)
        place = str(round((at - 0.5) * 2000))
        assert view.until(lambda place=place: slider.input_value() == place)


def test_decisions_are_made_undone_saved_and_replayed(shown, tmp_path):
    path = tmp_path / "made.jsonl"
    df = make_frame(["a b c d e f", "a b c d e f g", "a b c d e f h", "x y z", "x y z."])
    dups = dm.dedup.jaccard(df, ngram=1, threshold=0.7, floor=0.5)
    view = ready(shown(lambda: dm.explore.duplicates(dups, path)))
    page = view.page
    goes = page.locator(".dm-goes")
    assert number(view) == 2 and page.locator(".dm-kept .dm-id").inner_text() == "s#0"
    goes.get_by_role("button", name="Not a duplicate").click()
    assert view.until(lambda: view.widget.decisions == (("distinct", "s#1", "s#0"),))
    assert view.until(lambda: number(view) == 1)
    assert json.loads(path.read_text()) == {"decision": "distinct", "id": "s#1", "other": "s#0"}
    page.get_by_role("button", name="Undo").click()
    assert view.until(lambda: number(view) == 2 and path.read_text() == "")
    goes.get_by_role("button", name="Keep").click()
    page.locator(".dm-kept").get_by_role("button", name="Remove").click()
    assert view.until(
        lambda: view.widget.decisions == (("keep", "s#1", None), ("remove", "s#0", None))
    )
    assert view.until(lambda: goes.locator(".dm-badge").inner_text() == "Kept by hand")
    view.picture("duplicates-decided")
    page.get_by_role("button", name="Refresh").click()
    # s#0 went by hand, s#1 stays and is like s#2.
    assert view.until(lambda: page.locator(".dm-kept .dm-id").inner_text() == "s#1")
    assert goes.locator(".dm-id").inner_text() == "s#2"
    page.locator(".dm-decisions summary").click()
    assert page.locator(".dm-made li").count() == 2
    assert str(path) in page.locator(".dm-path").inner_text()
    page.get_by_role("button", name="Take back: s#0").click()
    assert view.until(lambda: view.widget.decisions == (("keep", "s#1", None),))
    # Reloaded in another explorer, and replayed without one.
    again = ready(shown(lambda: dm.explore.duplicates(dups, path)))
    assert again.widget.decisions == (("keep", "s#1", None),)
    gone = dups.mark(decisions=path)["drop_reason"].notna()
    assert gone.sum() == number(again) == 2
    # A decision made in Python shows in the page.
    again.do(lambda: again.widget.decide("keep", "s#2"))
    assert again.until(lambda: number(again) == 1)


def test_the_keyboard_is_enough(shown):
    df = on_dask(chats(150), 4)
    dups = found(df)
    view = ready(shown(lambda: dm.explore.duplicates(dups)))
    page, widget = view.page, view.widget
    page.keyboard.press("Tab")
    for _ in range(12):
        if page.evaluate("document.activeElement.getAttribute('role')") == "listbox":
            break
        page.keyboard.press("Tab")
    first = widget.selection
    assert len(first) > 2
    page.keyboard.press("ArrowDown")
    assert view.until(lambda: widget.selection != first)
    second = widget.selection
    page.keyboard.press("j")
    assert view.until(lambda: widget.selection not in (first, second))
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert view.until(lambda: widget.selection == first)
    shown_id = page.locator(".dm-goes .dm-id")
    assert view.until(lambda: shown_id.inner_text() == first[1])
    page.keyboard.press("ArrowRight")
    assert view.until(lambda: shown_id.inner_text() == first[2])
    page.keyboard.press("n")
    assert view.until(lambda: widget.decisions == (("distinct", first[2], first[0]),))
    page.keyboard.press("u")
    assert view.until(lambda: widget.decisions == ())
    page.keyboard.press("k")
    assert view.until(lambda: widget.decisions == (("keep", first[2], None),))
    page.keyboard.press("r")
    assert view.until(lambda: widget.decisions == (("remove", first[2], None),))
    page.keyboard.press("Shift+K")
    assert view.until(lambda: widget.decisions[-1] == ("keep", first[0], None))
    assert view.until(lambda: "Kept by hand" in page.locator(".dm-live").inner_text())
    page.keyboard.press("g")
    assert view.until(lambda: not page.get_by_role("button", name="Refresh").is_visible())
    assert view.until(lambda: first[2] not in widget.selection)


def test_keys_go_on_where_the_mouse_was(shown):
    view = ready(shown(lambda: dm.explore.duplicates(found(chats(150)))))
    page, widget, first = view.page, view.widget, view.widget.selection
    goes = page.locator(".dm-goes .dm-id")
    page.locator(".dm-chip").nth(1).click()
    assert goes.inner_text() == first[2]
    page.keyboard.press("ArrowRight")
    assert goes.inner_text() == first[3]
    page.keyboard.press("Space")  # the chip has the focus still
    assert goes.inner_text() == first[2]
    page.get_by_role("button", name="Previous duplicate").click()
    page.keyboard.press("ArrowRight")  # the button can't be pressed any more
    assert goes.inner_text() == first[2]
    page.keyboard.press("n")
    page.get_by_role("button", name="Refresh").click()
    page.locator(".dm-stale").wait_for(state="hidden")
    page.keyboard.press("ArrowDown")
    assert view.until(lambda: widget.selection and widget.selection[0] != first[0])
    page.locator(".dm-decisions summary").click()
    page.get_by_role("button", name="Take back").click()
    assert view.until(lambda: widget.decisions == ())
    focus = "document.querySelector('.dm-decisions summary') === document.activeElement"
    assert view.until(lambda: page.evaluate(focus))


def test_late_answers_take_nobody_back(shown):
    view = ready(shown(lambda: dm.explore.duplicates(found(chats(150)))))
    page, widget, first = view.page, view.widget, view.widget.selection
    kept, goes = page.locator(".dm-kept .dm-id"), page.locator(".dm-goes .dm-id")
    page.locator(".dm-clusters").focus()
    held = Held(view)
    for key in ("ArrowDown", "ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
    assert goes.inner_text() == first[2]
    assert held.heard("members")
    held.let_go()
    assert widget.selection == first and goes.inner_text() == first[2]
    # The clusters listed anew, and someone who has gone on meanwhile.
    view.do(lambda: setattr(widget, "threshold", 0.79))
    assert view.until(lambda: "Threshold 0.79" in page.locator(".dm-live").inner_text())
    page.locator(".dm-dups[data-asking='0']").wait_for()
    first = widget.selection
    held = Held(view)
    view.do(lambda: setattr(widget, "threshold", 0.78))
    assert held.heard("counts")
    view.do(lambda: held.send(held.answers.pop()))
    assert held.heard("clusters")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert view.until(lambda: widget.selection != first)
    held.let_go()
    second = widget.selection
    assert second[0] != first[0] and kept.inner_text() == second[0]
    assert goes.inner_text() == second[2]


def test_nothing_is_decided_about_what_is_not_shown_yet(shown):
    view = ready(shown(lambda: dm.explore.duplicates(found(chats(150)))))
    page, widget = view.page, view.widget
    page.locator(".dm-clusters").focus()
    held = Held(view)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("r")
    assert "nothing was decided" in page.locator(".dm-live").inner_text()
    held.let_go()
    assert widget.decisions == ()
    page.keyboard.press("r")
    assert view.until(lambda: widget.decisions == (("remove", widget.selection[1], None),))


def test_hostile_rows_are_only_ever_text(shown):
    rows = [f"{HOSTILE} one two three four", f"{HOSTILE} one two three five", HOSTILE * 2]
    df = make_frame(rows, source=HOSTILE)
    dups = dm.dedup.jaccard(df, ngram=1, threshold=0.6, floor=0.2)
    view = ready(shown(lambda: dm.explore.duplicates(dups)))
    page = view.page
    said = page.locator(".dm-kept .dm-said")
    assert view.until(lambda: "<script>window.owned = 1</script>" in said.inner_text())
    assert "\\u202eevil\\x00" in said.inner_text()
    assert not set(page.locator(".dm-dups").inner_text()) & {"\u202e", "\x00"}
    page.keyboard.press("Tab")
    view.do(lambda: view.widget.decide("keep", dups.decisions()["id"][0]))
    page.locator(".dm-decisions summary").click()
    page.wait_for_timeout(300)
    assert page.evaluate("window.owned") is None
    assert page.locator(".dm-dups img, .dm-dups script").count() == 0


def test_a_selection_made_in_python_opens_its_cluster(shown):
    dups = found(chats(200))
    view = ready(shown(lambda: dm.explore.duplicates(dups)))
    last = dups.clusters().groupby("cluster")["id"].agg(list).iloc[-1]
    view.do(lambda: setattr(view.widget, "selection", (last[1],)))
    assert view.widget.selection == tuple(last)
    assert view.until(lambda: view.page.locator(".dm-kept .dm-id").inner_text() == last[0])
    view.page.get_by_role("combobox", name="Order of clusters").select_option("doubt")
    doubted = dups.clusters(by="doubt")["id"].tolist()
    assert view.until(lambda: view.page.locator(".dm-clusters li").count() > 0)
    assert view.until(lambda: view.widget.selection[0] == doubted[0])


def test_it_works_in_jupyterlab(notebook, tmp_path):
    page = notebook(
        "import dask, datamerge as dm\n"
        f"dask.config.set({{'datamerge.workdir': {str(tmp_path)!r}}})\n"
        "df = dm.read([f'a b c d e f g {i % 3} {i}' for i in range(30)], name='notes')\n"
        "dups = dm.dedup.jaccard(df, ngram=1, threshold=0.7, floor=0.5)\ndups",
        "dups.pairs.shape",
        "dups",
        dark=False,
        height=1400,
    )
    described = page.locator(".dm-explore.dm-duplicates")
    described.wait_for()
    assert "not computed yet" in described.inner_text()
    page.locator(".dm-dups[data-ready] mark").first.wait_for()
    slider = page.get_by_role("slider", name="Threshold")
    slider.focus()
    before = int(slider.input_value())
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    assert int(slider.input_value()) == before + 2
    page.locator(".dm-clusters").focus()
    page.keyboard.press("n")
    page.wait_for_function("document.querySelector('.dm-decisions summary').innerText[0] === '1'")
    said = page.locator(".dm-clusters .dm-excerpt").first
    said.filter(has_text="a b c d e f g").wait_for()
    PICTURES.mkdir(exist_ok=True)
    page.locator(".dm-dups").screenshot(path=PICTURES / "duplicates-jupyterlab.png")
    (file,) = (tmp_path / "decisions").glob("*.jsonl")
    assert json.loads(file.read_text())["decision"] == "distinct"


def test_it_works_in_marimo(marimo, tmp_path):
    """In a shadow root, where the page's own focus is elsewhere."""
    page = marimo(
        "import dask, datamerge as dm",
        f"dask.config.set({{'datamerge.workdir': {str(tmp_path / 'work')!r}}})\n"
        "df = dm.read([f'a b c d e f g {i % 3} {i}' for i in range(30)], name='notes')\n"
        "dups = dm.dedup.jaccard(df, ngram=1, threshold=0.7, floor=0.5)\n"
        "dm.explore.duplicates(dups)",
        height=1200,
    )
    page.locator(".dm-dups[data-ready]").wait_for()
    goes = page.locator(".dm-goes .dm-id")
    ids = [goes.inner_text()]
    page.locator(".dm-chip").nth(1).click()
    ids.append(goes.inner_text())
    page.keyboard.press("ArrowRight")
    ids.append(goes.inner_text())
    assert len(set(ids)) == 3
    page.keyboard.press("n")
    page.get_by_role("button", name="Refresh").click()
    page.locator(".dm-stale").wait_for(state="hidden")
    page.keyboard.press("u")
    page.locator(".dm-decisions summary", has_text="Nothing decided").wait_for()
    assert (next((tmp_path / "work" / "decisions").glob("*.jsonl"))).read_text() == ""
