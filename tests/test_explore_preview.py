"""What a preview shows: all that a row says, nothing it would like to be, and never too much."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from frames import make_frame
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import HOSTILE, Page

import datamerge as dm
from datamerge._arrays import STRING
from datamerge.explore.bubbles.entry import entry
from datamerge.explore.bubbles.matched import Match, match_of
from datamerge.explore.bubbles.pieces import pieces
from datamerge.explore.frames.said import records
from datamerge.explore.html.escape import plain, unmarked, visible

LIMIT = 1_000_000


def html(df: pd.DataFrame, n: int = 20) -> str:
    return dm.explore.preview(df, n)._repr_html_()


def hostile_frame(words: list[str]) -> pd.DataFrame:
    """Every place of a row that can hold text holds these words."""
    call = {"tool_calls": [{"function": {"name": words[0], "arguments": f'"{words[0]}"'}}]}
    rows: list[object] = []
    for word in words:
        rows.append(word)
        rows.append([(word, word, {"tool_calls": word, word: word}), ("assistant", word, call)])
    df = make_frame(rows, source=[word for word in words for _ in range(2)])
    every_other = [None if n % 2 else word for n, word in enumerate(df["source"])]
    df["drop_reason"] = pd.array(every_other, STRING)
    df["drop_detail"] = pd.array([f'text: "{word}"' for word in df["source"]], STRING)
    df["meta"] = pd.array([f'{{"{word}' for word in df["source"]], STRING)
    df["language"] = df["source"]
    return df


# Escaping


@given(st.text(st.characters()))
def test_what_is_escaped_reads_as_it_was(text):
    page = Page(visible(text))
    assert page.text.replace("\r\n", "\n") == unmarked(text).replace("\r\n", "\n")
    assert {tag for tag, _ in page.elements} <= {"span"}
    assert not Page(plain(text)).elements
    assert not page.others


@given(st.text(st.characters()))
def test_nothing_unseen_is_left(text):
    shown = unmarked(text)
    controls = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff"
    directions = "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
    assert not re.search(controls + directions, shown)
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u200bb", "a\\u200bb"),
        ("a\u200db", "a\\u200db"),
        ("\ud83d!", "\\ud83d!"),
        ("safe\u202egnp.exe", "safe\\u202egnp.exe"),
        ("\U000e0041", "\\U000e0041"),
        ("line\r\nline\r", "line\r\nline\\x0d"),
        ("👩\u200d👧 می\u200cخواهم", "👩\u200d👧 می\u200cخواهم"),
    ],
)
def test_unseen_characters_are_spelled_out(text, shown):
    assert unmarked(text) == shown


# Hostile rows


def test_no_element_and_no_attribute_comes_from_the_data():
    words = [f"word{chr(97 + n)}" for n in range(len(HOSTILE))]
    benign, hostile = Page(html(hostile_frame(words), 40)), Page(html(hostile_frame(HOSTILE), 40))
    extra = {("span", "class", "dm-unseen"), ("figcaption", "", None), ("mark", "", None)}
    extra |= {("p", "class", "dm-note"), ("span", "", None)}
    assert hostile.shape - benign.shape <= extra
    assert not hostile.open
    assert not hostile.others
    assert hostile.named("script") == hostile.named("style") == 1


def test_all_that_is_said_can_be_read():
    shown = Page(html(hostile_frame(HOSTILE), 40)).text
    for word in HOSTILE:
        for line in unmarked(word).splitlines():
            assert line.strip("`") in shown, line


def test_terminal_gets_no_escape_sequences():
    printed = repr(dm.explore.preview(hostile_frame(HOSTILE), 40))
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert printed.isprintable() or set(filter(lambda c: not c.isprintable(), printed)) == {"\n"}


def test_lone_surrogates_of_python_strings_are_shown():
    df = pd.DataFrame({"text": pd.Series(["broken \ud800 emoji", "fine"], dtype=object)})
    assert "broken \\ud800 emoji" in Page(html(df)).text
    chat = [{"role": "user\udfff", "content": "half \udc00"}]
    df = pd.DataFrame({"messages": pd.Series([chat], dtype=object)})
    assert "half \\udc00" in Page(html(df)).text
    assert dm.explore.preview(df, search="half").rows.shape[0] == 1


# Size

CALL = {"function": {"name": "f" * 999, "arguments": "{" * 999}}
ENDLESS = {
    "one document": lambda: make_frame(["x" * 9_000_000]),
    "all markup": lambda: make_frame(["<&>\"'\x00a" * 9_000] * 300),
    "controls": lambda: make_frame([[("user", "\x00a" * 90_000), ("x", "\u202eb" * 9_000)]] * 60),
    "turns": lambda: make_frame([[("user", "hi")] * 20_000] * 40),
    "lines": lambda: make_frame(["\n" * 500_000] * 100),
    "fences": lambda: make_frame(["```\n\x00\n" * 9_000] * 250),
    "emoji": lambda: make_frame(["🙂" * 100_000] * 250),
    "names": lambda: make_frame(["x"] * 300, source=[f"\x00a{n}" * 9_000 for n in range(300)]),
    "roles": lambda: make_frame([[("\x00r" * 9_000, "x")] * 50] * 50),
    "columns": lambda: make_frame(["x"] * 99, **{f"c{n}": ["\x00a" * 99] * 99 for n in range(99)}),
    "meta": lambda: make_frame(["x"] * 99).assign(meta="{" + '"a": [[[' * 20_000),
    "details": lambda: make_frame(["x"] * 99, dead=dict.fromkeys(range(99), "r\x00" * 9_000))
    .assign(drop_detail='text: "' + "x\x00" * 20_000 + '"'),
    "calls": lambda: make_frame([[("assistant", "", {"tool_calls": [CALL] * 99})]] * 99),
}  # fmt: skip


@pytest.mark.parametrize("what", list(ENDLESS))
def test_a_page_stays_under_a_megabyte(what):
    df = ENDLESS[what]()
    made = html(df, len(df))
    assert len(made.encode()) < LIMIT
    page = Page(made)
    assert not page.open
    assert page.named("article") == min(len(df), 200)


def test_what_is_cut_says_how_much():
    shown = Page(html(make_frame(["x" * 100_000]))).text
    hidden = int(re.search(r"… ([\d,]+) characters are not shown …", shown)[1].replace(",", ""))
    assert shown.count("x") - shown.count("text") >= 1
    longest = max(map(len, re.findall(r"x+", shown)))
    folded = sum(len(run) for run in re.findall(r"x{100,}", shown))
    assert longest > 1000
    assert folded + hidden == 100_000
    assert "70 more are in .rows" in Page(html(make_frame(["x"] * 270), 270)).text
    assert "more turns are not shown" in Page(html(make_frame([[("user", "x")] * 500]))).text


# What is shown of a row


def shown_of(row: object, **columns: object) -> dict:
    df = make_frame([row]).assign(**columns)
    return entry(records(df)[0], 10_000)


def test_a_chat_is_its_turns():
    extra = {"tool_calls": [{"id": "1", "function": {"name": "now", "arguments": '{"tz": "UTC"}'}}]}
    told = shown_of([("user", "Time?"), ("assistant", "", extra), ("tool", "12:00", {"id": "1"})])
    assert [turn["role"] for turn in told["turns"]] == ["user", "assistant", "tool"]
    assert told["turns"][1]["calls"][0]["name"] == "now"
    assert told["turns"][1]["calls"][0]["pieces"][0].text == '{\n  "tz": "UTC"\n}'
    assert told["turns"][1]["more"] is None
    assert '"id": "1"' in told["turns"][2]["more"][0].text
    assert told["document"] is None


def test_other_columns_and_meta_are_fields():
    told = shown_of("x", language="en", score=0.98123, meta='{"rating": 5}', nothing=None)
    fields = {name: found[0].text for name, found in told["fields"]}
    assert fields == {"language": "en", "score": "0.9812", "meta": '{\n  "rating": 5\n}'}


@given(st.text("a`\n~ python", max_size=60), st.integers(1, 80), st.data())
@settings(max_examples=300)
def test_pieces_leave_nothing_out(text, most, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    match = (start, end) if end > start else None
    shown = pieces(text, most, match)
    said = "".join(piece.text for piece in shown) + "".join(piece.language for piece in shown)
    hidden = sum(piece.hidden for piece in shown)
    assert sum(piece.text.count("a") for piece in shown) <= text.count("a")
    if not hidden:
        assert sorted(re.sub(r"[\s`~]", "", said)) == sorted(re.sub(r"[\s`~]", "", text))
    if match and "`" not in text and "~" not in text and text[start:end].strip():
        assert "".join(p.text for p in shown if p.kind == "match") == text[start:end]


def test_fences_are_code():
    shown = pieces("Look:\n\n```python\nx = 1\n```\nDone.\n~~~\nopen", 1000)
    assert [(p.kind, p.text, p.language) for p in shown] == [
        ("prose", "Look:", ""),
        ("code", "x = 1", "python"),
        ("prose", "Done.", ""),
        ("code", "open", ""),
    ]


# The phrase that removed a row


@pytest.mark.parametrize(
    ("detail", "match"),
    [
        ('text: "as an ai" (refusals)', Match("as an ai", None)),
        ('assistant turn 3: "a "quoted" word"', Match('a "quoted" word', 3)),
        ("zh 0.99", None),
        ("cosine 0.962113 to alpaca/alpaca.json#20", None),
        (None, None),
    ],
)
def test_details_that_quote_a_phrase(detail, match):
    assert match_of(detail) == match


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("Well, As  an\nAI model.", "as an ai", "As  an\nAI"),
        ("I’m sorry", "i'm sorry", "I’m sorry"),
        ("an air, an ai.", "an ai", "an ai"),
        ("Un cafe\u0301 noir", "café", "cafe\u0301"),
        ("a.b axb", "a.b", "a.b"),
    ],
)
def test_the_phrase_is_found_as_the_filter_finds_it(text, phrase, found):
    start, end = Match(phrase, None).span(text)
    assert text[start:end] == found
    df = dm.filters.phrases(make_frame([text]), [phrase])
    assert df["drop_reason"].notna().all()
    page = html(df)
    assert f"<mark>{visible(found)}</mark>" in page


def test_the_phrase_is_shown_wherever_it_is():
    rows = [
        "word " * 400_000 + "as an AI language model" + " word" * 400_000,
        [("user", "hello")] * 900 + [("assistant", "x " * 9_000 + "As an AI language model, no")],
    ]
    page = html(dm.filters.phrases(make_frame(rows), "refusals"))
    assert len(re.findall("<mark>[^<]*language model</mark>", page)) == 2
    assert len(page) < 150_000


# The page


def test_every_row_is_there_without_scripts():
    df = make_frame([f"document {n}" for n in range(35)])
    made = html(df, 35)
    before, after = made.split("<details", 1)
    assert len(re.findall("<article", before)) == 10
    assert len(re.findall("<article", after)) == 25
    assert "25 more rows" in after
    for n in range(35):
        assert f"document {n}<" in made


def test_nothing_is_asked_of_the_network():
    made = html(hostile_frame(["plain"]))
    assert not re.search(r"https?:|url\(|@import|\bfetch\(|import\(|XMLHttp|WebSocket", made)


def test_styles_stay_inside_and_know_light_and_dark():
    style = re.search("<style>(.*?)</style>", html(make_frame(["x"])), re.S)[1]
    rules = re.sub(r"/\*.*?\*/", "", style, flags=re.S)
    while nested := re.search(r"\{[^{}]*\}", rules):  # leaves the outermost selectors
        media = rules[: nested.start()].rstrip().rpartition("\n")[2].startswith("@media")
        rules = rules[: nested.start()] + ";" * (not media) + rules[nested.end() :]
    while (shorter := re.sub(r"\((?![^()]*\.dm-)[^()]*\)", "", rules)) != rules:  # others' classes
        rules = shorter
    selectors = [each.strip() for each in re.split(r"[;,](?![^(]*\))", rules) if each.strip()]
    assert len(selectors) > 10
    for selector in selectors:
        assert re.search(r"\.dm-(explore|widget)\b|@media", selector), selector
    assert "light-dark(" in style
    for theme in ("data-jp-theme-light", "--jp-layout-color0"):
        assert theme in style


def test_same_rows_same_page():
    df = hostile_frame(HOSTILE)
    assert html(df) == html(df.iloc[::-1])
