"""The map without a browser: places, samples, colours, selections, and what goes over the wire."""

from __future__ import annotations

import json
import sys

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from frames import make_frame, on_dask
from hypothesis import example, given, settings
from hypothesis import strategies as st

import datamerge as dm
from datamerge._arrays import STRING
from datamerge.explore.cloud.legend import legend
from datamerge.explore.cloud.project import principal, project, quantised
from datamerge.explore.frames.sample import keys

pytest.importorskip("anywidget", reason="no anywidget (the extra notebook)")

SUBJECTS = ["boil an egg", "orbit of the planet Mars", "prove a theorem", "French verbs"]
UNSEEN = "\u202e\u2066\x00\x1b[31m\u200b"
HOSTILE = f"<img src=x onerror=alert(1)></script>{UNSEEN}"


def rows(n: int) -> pd.DataFrame:
    """Documents and chats about a few subjects."""
    said = [f"{SUBJECTS[i % 4]}, part {i}, {'really ' * (i % 7)}" for i in range(n)]
    chats = [[("user", text), ("assistant", "Gladly.")] if i % 3 else text
             for i, text in enumerate(said)]  # fmt: skip
    return make_frame(chats, source=[("a", "b", "c")[i % 3] for i in range(n)])


def numbers(n: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    scale = np.linspace(1, 3, dim)
    return (np.random.default_rng(seed).normal(size=(n, dim)) * scale + 5).astype(np.float32)


def told(widget, ask, about=None):
    """The answer a page would get, as it goes over the wire, and its size in bytes."""
    sent = []
    widget.send = lambda content, buffers=None: sent.append((content, buffers))
    widget._handle_custom_msg({"ask": ask, "about": about, "from": "me", "number": 1}, [])
    (content, buffers) = sent[0]
    assert (content["to"], content["number"]) == ("me", 1)
    size = len(json.dumps(content)) + sum(len(buffer) for buffer in buffers or [])
    return content, buffers, size


# ---- places ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "dim"), [(300, 8), (20_000, 5), (4, 30)])
def test_places_are_those_of_a_singular_value_decomposition(n, dim):
    vectors = numbers(n, dim)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(right[np.arange(2), np.abs(right[:2]).argmax(axis=1)])
    places, share = principal(vectors, 2)
    np.testing.assert_allclose(places, left[:, :2] * values[:2] * signs, atol=1e-6)
    assert share == pytest.approx((values[:2] ** 2).sum() / (values**2).sum())


def test_few_rows_and_few_dimensions_have_places():
    assert principal(np.zeros((0, 4), np.float32), 2)[0].shape == (0, 2)
    assert not principal(np.ones((1, 4), np.float32), 2)[0].any()
    line = principal(np.array([[1.0], [2.0], [4.0]], np.float32), 2)[0]
    np.testing.assert_allclose(line, [[-4 / 3, 0], [-1 / 3, 0], [5 / 3, 0]], atol=1e-6)


def test_both_axes_are_quantised_alike():
    places = np.array([[0.0, 0.0], [10.0, 1.0], [5.0, 0.5]])
    assert quantised(places).tolist() == [[0, 0], [65_535, 6_554], [32_768, 3_277]]
    assert quantised(np.full((3, 2), 7.0)).tolist() == [[0, 0]] * 3


def test_umap_is_the_same_each_time():
    pytest.importorskip("umap", reason="no umap-learn (the extra umap)")
    vectors = np.concatenate([numbers(60, 6), numbers(60, 6, seed=1) + 40])
    places, share = project(vectors, "umap", 3)
    again, _ = project(vectors, "umap", 3)
    np.testing.assert_array_equal(places, again)
    assert share is None
    near = np.linalg.norm(places[:60] - places[:60].mean(axis=0), axis=1)
    far = np.linalg.norm(places[60:] - places[:60].mean(axis=0), axis=1)
    assert near.max() < far.min()


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"datamerge\[umap\]"):
        dm.explore.map(rows(9), method="umap")
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r"datamerge\[notebook\]"):
        dm.explore.map(rows(9))


# ---- which rows -----------------------------------------------------------------------------


def test_sample_and_places_do_not_depend_on_partitions(on_backend):
    df = rows(90)
    plain = dm.explore.map(df, most=40, seed=5, color="reason")
    chart = dm.explore.map(on_backend(df), most=40, seed=5, color="reason")
    assert chart._points.ids.equals(plain._points.ids)
    np.testing.assert_array_equal(chart._positions, plain._positions)
    np.testing.assert_array_equal(chart._codes, plain._codes)
    assert chart._about == plain._about
    assert "sampled by their ids" in chart._about["notes"]
    assert repr(chart) == "Map of 40 of 90 rows, coloured by reason: kept 40"


def test_rows_shown_are_those_with_the_lowest_draws():
    df = rows(200)
    lowest = df["id"].iloc[np.argsort(keys(df, 7))[:30]]
    shown = dm.explore.map(on_dask(df, 4), most=30, seed=7)
    assert shown._points.ids.to_pylist() == lowest.tolist()
    other = dm.explore.map(df, most=30, seed=8)
    assert set(other._points.ids.to_pylist()) != set(lowest)


class Counting:
    """The static encoder, counting what it is given."""

    dim, fingerprint = 128, "counting"

    def __init__(self):
        self.texts = []

    def encode(self, texts):
        self.texts += texts
        return dm.embed.encoder().encode(texts)


def test_only_rows_shown_are_embedded():
    counting = Counting()
    df = rows(200)
    chart = dm.explore.map(on_dask(df, 5), encoder=counting, text="prompt", most=50)
    drawn = df.iloc[np.argsort(keys(df, 0))[:50]]
    assert len(counting.texts) == 50
    assert set(chart._points.ids.to_pylist()) == set(drawn["id"][drawn["messages"].notna()])


def test_rows_that_say_nothing_are_left_out_and_told_of():
    df = make_frame(["An egg.", None, "", "A planet."])
    chart = dm.explore.map(df)
    assert chart._points.ids.to_pylist() and set(chart._points.ids.to_pylist()) == {"s#0", "s#3"}
    assert "2 without a word left out" in chart._about["notes"]
    assert dm.explore.map(df, numbers(4)).shown == 4


@pytest.mark.parametrize("most", [100_000, 25])
def test_embeddings_given_stay_with_their_rows(on_backend, most, tmp_path):
    df, vectors = rows(60), numbers(60, 2)
    np.save(tmp_path / "e.npy", vectors)
    mapped = np.load(tmp_path / "e.npy", mmap_mode="r")
    chart = dm.explore.map(on_backend(df), mapped, most=most)
    place = [df["id"].tolist().index(one) for one in chart._points.ids.to_pylist()]
    expected, _ = principal(vectors[place], 2)
    np.testing.assert_array_equal(chart._positions, quantised(expected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embeddings": numbers(8)}, r"shape \(8, 8\) do not fit a frame of 9 rows"),
        ({"embeddings": np.ones(9)}, r"shape \(9,\) do not fit"),
        ({"embeddings": np.where(np.eye(9) > 0, np.nan, 0)}, "embedding of row 0 holds NaN"),
        ({"color": "sorce"}, "did you mean 'source'"),
        ({"color": "messages"}, "neither words nor numbers"),
        ({"method": "tsne"}, "'pca', 'umap'"),
        ({"text": "prompts"}, "neither a view nor a column"),
        ({"most": 0}, "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        dm.explore.map(rows(9), **options)


def test_a_frame_without_rows_is_an_empty_map():
    chart = dm.explore.map(on_dask(rows(6), 2).loc[lambda df: df["id"] == "none"])
    assert repr(chart) == "Map of 0 rows, coloured by source: nothing"
    assert told(chart, "points", 0)[0]["stop"] == 0
    assert len(chart.selected()) == 0


# ---- colours --------------------------------------------------------------------------------


def test_frequent_values_have_colours_and_the_rest_shares_one():
    values = [f"v{i}" for i in range(20) for _ in range(20 - i)] + [None] * 3
    made = legend(pa.array(values, pa.large_string()), "missing")
    counts = pd.Series(values).value_counts()
    assert [entry["label"] for entry in made.entries[:11]] == counts.index[:11].tolist()
    assert made.entries[11] == {
        "label": "9 others",
        "count": int(counts[11:].sum()),
        "hue": "other",
    }
    assert made.entries[12] == {"label": "missing", "count": 3, "hue": "missing"}
    told = [made.entries[code]["label"] for code in made.codes]
    assert told[:20] == ["v0"] * 20 and told[-3:] == ["missing"] * 3 and told[-4] == "9 others"


@given(
    st.lists(st.one_of(st.none(), st.floats(), st.integers(-5, 5)), max_size=80).map(
        lambda values: pa.array([None if v is None else float(v) for v in values], pa.float64())
    )
)
@example(pa.array([0.0, -0.0, 0.0]))
@settings(max_examples=60, deadline=None)
def test_every_number_is_counted_in_its_band(values):
    made = legend(values, "missing")
    counted = np.bincount(made.codes, minlength=len(made.entries))
    assert counted.tolist() == [entry["count"] for entry in made.entries]
    numbers = values.to_numpy(zero_copy_only=False)
    named = made.codes[np.isfinite(numbers)]
    order = np.argsort(numbers[np.isfinite(numbers)], kind="stable")
    assert (np.diff(named[order].astype(int)) >= 0).all()  # bands are in the numbers' order


def test_any_column_of_words_or_numbers_colours():
    df = rows(40).assign(
        tokens=np.arange(40), good=[i % 2 == 0 for i in range(40)], topic=list("xyyz" * 10)
    )
    assert len(dm.explore.map(on_dask(df, 3), color="tokens")._about["legend"]) == 8
    assert repr(dm.explore.map(df, color="good")).endswith("coloured by good: false 20, true 20")
    df["topic"] = df["topic"].astype("category")
    assert repr(dm.explore.map(df, color="topic")).endswith("topic: y 20, x 10, z 10")


def test_reasons_colour_removed_rows():
    df = make_frame(["An egg.", "A planet.", "An egg again."], dead={2: "exact"})
    assert repr(dm.explore.map(df, color="reason")).endswith("reason: exact 1, kept 2")


# ---- selections -----------------------------------------------------------------------------


def test_a_selection_gives_its_rows_back(on_backend):
    df = rows(30)
    frame = on_backend(df)
    chart = dm.explore.map(frame)
    wanted = ["a#3", "b#4", "c#29"]
    chart.selection = [*wanted, "a#3"]
    assert sorted(chart.selection) == sorted(wanted) and isinstance(chart.selection, tuple)
    selected = chart.selected()
    assert isinstance(selected, pd.DataFrame if isinstance(frame, pd.DataFrame) else dd.DataFrame)
    selected = selected if isinstance(selected, pd.DataFrame) else selected.compute()
    pd.testing.assert_frame_equal(selected, df[df["id"].isin(wanted)])
    chart.selection = ()
    assert len(chart.selected()) == 0


def test_a_selection_made_in_the_page_is_heard_of_once():
    chart = dm.explore.map(rows(20))
    heard = []
    chart.observe(lambda change: heard.append(change["new"]), "selection")
    chart.set_state({"_mask": memoryview(bytes([0b101, 0, 0b1000]))})
    assert chart.selection == tuple(chart._points.ids.to_pylist()[i] for i in (0, 2, 19))
    assert heard == [chart.selection]
    chart.set_state({"_mask": memoryview(b"\xff" * 40)})  # more bits than points
    assert chart.selection == tuple(chart._points.ids.to_pylist())
    chart.set_state({"_mask": memoryview(b"")})
    assert chart.selection == ()


@given(st.sets(st.integers(0, 19)))
@settings(max_examples=40, deadline=None)
def test_ids_and_bits_say_the_same(chosen):
    chart = dm.explore.map(rows(20), numbers(20, 2))
    ids = chart._points.ids.to_pylist()
    chart.selection = [ids[i] for i in chosen]
    bits = int.from_bytes(chart._mask, "little")
    assert {i for i in range(24) if bits >> i & 1} == chosen
    assert len(chart._mask) == 3


def test_an_unknown_id_is_refused():
    import traitlets

    chart = dm.explore.map(rows(20), most=5)
    with pytest.raises(traitlets.TraitError, match="no row with the id 'nobody'"):
        chart.selection = ["nobody"]
    assert chart.selection == ()


def test_a_pandas_frame_without_ids_is_known_by_its_index():
    df = pd.DataFrame({"text": ["An egg.", "A planet.", "A verb."]}, index=[7, 8, 9])
    chart = dm.explore.map(df, color="text")
    chart.selection = [9, 7]
    pd.testing.assert_frame_equal(chart.selected(), df.loc[[7, 9]])
    with pytest.raises(ValueError, match="nor an index without repetitions"):
        dm.explore.map(df.set_axis([1, 1, 2]), color="text")
    with pytest.raises(ValueError, match="no column 'id'"):
        dm.explore.map(dd.from_pandas(df, npartitions=1), color="text")


# ---- what goes over the wire ----------------------------------------------------------------


def test_no_message_is_over_a_megabyte():
    n = 100_100
    long = "\U000e0041" * 2_000  # spelled out, each is ten characters
    ids = [f"{long if i < 99 else 'i' * 30}#{i}" for i in range(n)]
    words = [long if i < 99 else f"{long[:150]}{i % 13}" for i in range(n)]
    columns = ("source", "text", "drop_reason", "drop_detail")
    df = pd.DataFrame({"id": ids} | dict.fromkeys([*columns, long], words), dtype=STRING)
    chart = dm.explore.map(df, numbers(n, 2), most=n, color=long)
    chart.selection = ids
    state = chart.get_state()
    bits = state.pop("_mask")
    assert len(json.dumps(state)) + len(bits) < 200_000
    start, parts = 0, []
    while start < n:
        answer, (positions, codes), size = told(chart, "points", start)
        assert size < 1_000_000
        parts.append((positions, codes))
        start = answer["stop"]
    positions = np.frombuffer(b"".join(part for part, _ in parts), "<u2").reshape(-1, 2)
    np.testing.assert_array_equal(positions, chart._positions)
    codes = np.frombuffer(b"".join(part for _, part in parts), np.uint8)
    np.testing.assert_array_equal(codes, chart._codes)
    longest = [i for i in range(n) if len(chart._points.ids[i].as_py()) > 99]
    assert 4_000 < told(chart, "row", longest[0])[2] < 50_000
    assert 50_000 < told(chart, "rows", longest)[2] < 500_000


def test_what_is_hostile_is_made_visible():
    df = make_frame([HOSTILE, "An egg."], source=[HOSTILE, "s"], dead={0: HOSTILE})
    chart = dm.explore.map(df)
    (point,) = [i for i in (0, 1) if chart._points.ids[i].as_py() != "s#1"]
    row = told(chart, "row", point)[0]["row"]
    spelled = r"\u202e\u2066\x00\x1b[31m\u200b"
    assert row["text"] == f"<img src=x onerror=alert(1)></script>{spelled}"
    for said in (row["id"], row["source"], row["reason"], json.dumps(chart._about)):
        assert not set(said) & set(UNSEEN.replace("[31m", ""))
    assert spelled in row["source"] and spelled in chart._about["legend"][0]["label"]
    assert not set(repr(chart)) & set(UNSEEN.replace("[31m", ""))


@pytest.mark.parametrize("about", [-1, 3, 10**30, "0", None, 1.5, [1], True])
def test_questions_that_make_no_sense_do_no_harm(about):
    chart = dm.explore.map(rows(3))
    assert told(chart, "row", about)[0]["row"] is None
    rest = told(chart, "points", about)[0]["stop"]
    assert 0 <= rest <= 3
    assert told(chart, "rows", [about, 2])[0]["rows"][-1]["point"] == 2


def test_other_messages_are_not_answered():
    chart = dm.explore.map(rows(3))
    sent = []
    chart.send = lambda content, buffers=None: sent.append(content)
    for question in (None, 5, "points", {}, {"ask": "__class__"}, {"ask": ["row"]}):
        chart._handle_custom_msg(question, [])
    assert not sent
