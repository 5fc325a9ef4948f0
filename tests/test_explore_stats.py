"""Statistics: equal to what pandas says of the whole frame, wherever it is cut."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from frames import BACKENDS, make_frame
from hypothesis import given
from hypothesis import strategies as st
from pages import HOSTILE, Page

import datamerge as dm
from datamerge._arrays import STRING
from datamerge.explore.summary import texts as drawn_texts
from datamerge.explore.summary import words
from datamerge.explore.summary.sketch import Lengths
from datamerge.text import view

ROWS = 150


def frame() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    rows: list[object] = []
    for n in range(ROWS):
        text = " ".join(draw.choice(["rain", "wind", "sun", "snow"], 3 + n % 40))
        rows.append(
            text if n % 3 == 0 else [("system", "x")] * (n % 2) + [("user", text)] * (n % 7)
        )
    rows[5] = None
    dead = {n: ["language", "phrases", "length"][n % 3] for n in range(0, ROWS, 4)}
    df = make_frame(
        rows, dead=dead, source=[["web", "books", "code"][n % 7 % 3] for n in range(ROWS)]
    )
    df["language"] = pd.array(
        [None if n % 11 == 0 else ["en", "de"][n % 2] for n in range(ROWS)], STRING
    )
    return df  # fmt: skip


@pytest.mark.parametrize("with_tokens", [False, True])
def test_numbers_are_those_of_pandas(on_backend, with_tokens):
    df = frame()
    df = dm.tokens.count(df) if with_tokens else df
    told = dm.explore.stats(on_backend(df)).to_dict()
    for name, entry in {"total": told["total"], **told["sources"]}.items():
        part = df if name == "total" else df[df["source"] == name]
        dead = part["drop_reason"].dropna()
        assert entry["rows"] == len(part)
        assert entry["live"] == len(part) - len(dead)
        assert entry["removed"] == dead.value_counts().to_dict()
        assert entry["languages"] == part["language"].fillna("unknown").value_counts().to_dict()
        text = pd.Series(view(part, "chat").to_pylist()).dropna()
        plain = {"characters": text.str.len(), "words": text.str.split().str.len()}
        if with_tokens:
            plain = {"characters": plain["characters"], "tokens": part["tokens"].astype(int)}
        spoken = [len(chat) for chat in part["messages"].array.tolist() if isinstance(chat, list)]
        plain["turns"] = pd.Series(spoken)
        assert set(entry["lengths"]) == set(plain)
        for measure, values in plain.items():
            found = entry["lengths"][measure]
            assert found["total"] == values.sum()
            assert (found["rows"], found["min"], found["max"]) == (
                len(values), values.min(), values.max(),
            )  # fmt: skip
            exact = np.quantile(values, 0.5, method="inverted_cdf")
            assert found["median"] == pytest.approx(exact, rel=0.016)
    chats = [chat for chat in df["messages"].array.tolist() if isinstance(chat, list)]
    assert told["kinds"] == {"chats": len(chats), "documents": ROWS // 3, "neither": 1}
    roles = pd.Series([turn["role"] for chat in chats for turn in chat])
    assert told["roles"] == roles.value_counts().to_dict()


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_partitions_do_not_matter(backend, monkeypatch):
    monkeypatch.setattr(drawn_texts, "TEXTS", 20)  # fewer than there are, so that some are drawn
    df = frame()
    told, plain = dm.explore.stats(BACKENDS[backend](df)), dm.explore.stats(df.iloc[::-1])
    assert json.dumps(told.to_dict(), sort_keys=True) == json.dumps(plain.to_dict(), sort_keys=True)
    assert told._repr_html_() == plain._repr_html_()
    assert repr(told) == repr(plain)


def test_words_are_of_live_rows_and_say_of_how_many():
    rows = ["The harbour bell rang twice."] * 6 + ["As an AI language model, no."] * 6
    told = dm.explore.stats(make_frame(rows, dead=dict.fromkeys(range(6, 12), "phrases"))).to_dict()
    source = told["sources"]["s"]
    assert source["texts_read"] == 6
    assert source["phrases"][0] == ("the harbour bell rang twice", 6)
    assert ("harbour", 6) in source["words"]
    assert not any("model" in phrase for phrase, _ in source["phrases"])


def test_words_are_counted_once_a_text():
    texts = ["rain rain rain", "Rain, wind", "it's wind", "x1 2 3"]
    found = words.top(texts)
    assert found["words"] == [("rain", 2), ("wind", 2)]


def test_phrases_do_not_cross_a_stop_and_long_ones_stand_for_their_parts():
    texts = ["big red boat sails home. big red", "so: big red boat sails home"] * 2
    assert words.top(texts)["phrases"] == [("big red boat sails home", 4)]


def test_text_alone_is_enough(on_backend):
    df = pd.DataFrame({"text": ["Rain again.", "Sun.", None]})
    told = dm.explore.stats(on_backend(df)).to_dict()
    assert told["total"]["rows"] == told["total"]["live"] == 3
    assert told["total"]["lengths"]["words"]["total"] == 3
    assert told["kinds"] == {"documents": 2, "neither": 1}
    assert "languages" not in told["total"]


def test_no_rows(on_backend):
    told = dm.explore.stats(on_backend(frame().iloc[:0]))
    assert told.to_dict()["total"]["rows"] == 0
    assert "nothing" not in repr(told)
    assert Page(told._repr_html_()).named("section") == 1


# Lengths


LENGTHS = st.lists(st.integers(0, 5000) | st.integers(0, 2**40), min_size=1)


@given(LENGTHS, st.data())
def test_lengths_merge_exactly(values, data):
    cut = data.draw(st.integers(0, len(values)))
    parts = [np.array(part, np.int64) for part in (values[:cut], values[cut:])]
    merged = Lengths.merged(map(Lengths.of, parts))
    assert merged.to_dict() == Lengths.of(np.array(values, np.int64)).to_dict()
    assert merged.total == sum(values)
    assert (merged.least, merged.most, merged.rows) == (min(values), max(values), len(values))


@given(LENGTHS, st.floats(0.01, 1))
def test_quantiles_are_near(values, share):
    exact = np.quantile(values, share, method="inverted_cdf")
    assert Lengths.of(np.array(values, np.int64)).quantile(share) == pytest.approx(exact, rel=0.016)


@given(LENGTHS)
def test_coarse_bins_hold_every_row_once(values):
    bins = Lengths.of(np.array(values, np.int64)).coarse()
    assert sum(rows for *_, rows in bins) == len(values)
    for first, last, rows in bins:
        assert rows == sum(first <= value <= last for value in values)
    assert all(a[1] + 1 == b[0] for a, b in pairwise(bins))


# Any content, any size


def test_no_element_and_no_attribute_comes_from_the_data():
    def page(names: list[str]) -> Page:
        df = make_frame(
            [[(name, f"{name} again and again")] for name in names] * 3, source=names * 3
        )
        marks = [None, *names[1:]] * 3
        df["drop_reason"] = df["drop_detail"] = pd.array(marks, STRING)
        df["language"] = df["source"]
        return Page(dm.explore.stats(df)._repr_html_())

    benign, hostile = page([f"w{chr(97 + n)}" for n in range(len(HOSTILE))]), page(HOSTILE)
    allowed = {("span", "class", "dm-unseen"), ("span", "", None)}
    assert {e for e in hostile.shape - benign.shape if e[0] not in ("rect", "svg")} <= allowed
    assert not hostile.open
    assert not hostile.others
    assert hostile.named("script") == 0


def test_statistics_stay_under_a_megabyte():
    names = ["\x00n" * 99 + str(n) for n in range(700)]
    rows = [[(name, f"{name} <&> " * 300)] for name in names]
    told = dm.explore.stats(make_frame(rows, source=names).assign(language=names))
    assert len(told._repr_html_().encode()) < 1_000_000
    assert "640 smaller sources are not shown" in told._repr_html_()
    assert len(repr(told)) < 20_000
    drawn = [one["texts_read"] for one in told.to_dict()["sources"].values()]
    assert sum(map(bool, drawn)) == drawn_texts.SOURCES


def test_lone_surrogates_do_not_stop_it():
    columns = {"text": ["half \ud800"], "source": ["a\udc00"]}
    df = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})
    told = dm.explore.stats(df)
    assert "a\\udc00" in repr(told)
    assert told._repr_html_().encode()
