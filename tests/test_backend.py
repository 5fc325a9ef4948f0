"""Frames of another library than pandas go through every step as frames of pandas do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pytest
from elsewhere import Elsewhere
from frames import make_frame

import datamerge as dm
from datamerge import _backend

ROWS = [
    [("user", "How far is it?"), ("assistant", "As an AI language model, I cannot tell.")],
    "The rose is red, and the violet is blue, and sugar is sweet.",
    "the rose is red, and the violet is blue, and sugar is sweet!",
    None,
    [("user", "Wie weit ist es denn noch bis nach Hause?"), ("assistant", "Nicht mehr weit.")],
    "The rose is red, and the violet is blue, and honey is sweet.",
]

STEPS: dict[str, Callable[[Any], Any]] = {
    "clean.unicode": dm.clean.unicode,
    "clean.turns": dm.clean.turns,
    "filters.language": lambda df: dm.filters.language(df, ["en"]),
    "filters.phrases": lambda df: dm.filters.phrases(df, "refusals"),
    "filters.length": lambda df: dm.filters.length(df, min=5, unit="words"),
    "filters.roles": lambda df: dm.filters.roles(df, drop=["user"]),
    "tokens.count": dm.tokens.count,
    "mix.weights": lambda df: dm.mix.weights(df, {"s": 0.5}),
    "mix.shuffle": dm.mix.shuffle,
    "audit.live": dm.audit.live,
    "concat": lambda df: dm.concat([df, df]),
    "dedup.exact": lambda df: dm.dedup.exact(df).mark(),
    "dedup.jaccard": lambda df: dm.dedup.jaccard(df, threshold=0.5, ngram=2).mark(),
    "dedup.minhash": lambda df: dm.dedup.minhash(df, threshold=0.5, ngram=2).mark(),
    "dedup.semantic": lambda df: dm.dedup.semantic(df, threshold=0.9).mark(keep="longest"),
    "dedup.any_of": lambda df: dm.dedup.any_of(df, ["exact", "semantic"]).mark(),
    "dedup.exact, another frame": lambda df: dm.dedup.exact(df).mark(df),
}


@pytest.fixture(autouse=True)
def _settings(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work"), "scheduler": "threads"}):
        Elsewhere.crossings.clear()
        yield


def there(df: Any) -> Any:
    """The frame in the other library."""
    return _backend._given(df, Elsewhere)


def lazy(df: pd.DataFrame) -> dd.DataFrame:
    """In two partitions that know nothing of pandas."""
    parts = [there(df.iloc[:2]), there(df.iloc[2:])]
    return dd.from_map(lambda number: parts[number], [0, 1], meta=there(df.iloc[:0]))


def computed(df: Any) -> pd.DataFrame:
    """What it holds, if it is of the other library."""
    meta = getattr(df, "_meta", df)
    assert isinstance(meta, Elsewhere), f"{type(meta)} came back"
    found = df.compute() if hasattr(df, "compute") else df
    return _backend.as_pandas(found).reset_index(drop=True)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("place", [there, lazy], ids=["in hand", "lazy"])
def test_steps_do_to_them_what_they_do_to_pandas(step, place):
    df = make_frame(ROWS)
    expected = step(df if place is there else dd.from_pandas(df, npartitions=2)).compute() \
        if place is lazy else step(df)  # fmt: skip
    expected = _backend.as_pandas(there(expected)).reset_index(drop=True)
    found = computed(step(place(df)))
    pd.testing.assert_frame_equal(found, expected)


def test_rows_go_each_way_once_through_many_steps():
    df = lazy(make_frame(ROWS))
    Elsewhere.crossings.clear()
    df = df.pipe(dm.clean.unicode).pipe(dm.filters.language, ["en"]).pipe(dm.tokens.count)
    done = dm.mix.weights(df, {"s": 0.5}).compute()
    assert len(done) == len(ROWS)
    assert sorted(Elsewhere.crossings) == ["here"] * 2 + ["there"] * 2


def test_what_was_read_under_its_backend_goes_there_for_those_who_ask(monkeypatch, tmp_path):
    library = ModuleType("cudf")
    library.DataFrame = Elsewhere
    monkeypatch.setitem(sys.modules, "cudf", library)
    monkeypatch.setitem(sys.modules, "dask_cudf", ModuleType("dask_cudf"))
    out = {}
    for backend in ("pandas", "cudf"):
        with dask.config.set({"dataframe.backend": backend}):
            df = dm.read(["A rose.", "A rose.", "Rain."], name="notes").pipe(dm.clean.unicode)
            marked = dm.dedup.exact(df).mark()
            dm.write(marked, tmp_path / backend)
        out[backend] = {
            str(path.relative_to(tmp_path / backend)): path.read_bytes()
            for path in (tmp_path / backend).rglob("*")
            if path.is_file()
        }
    assert out["cudf"] == out["pandas"]
    assert not Elsewhere.crossings
    assert computed(marked)["drop_reason"].tolist() == [pd.NA, "exact_duplicate", pd.NA]


def test_a_backend_that_is_not_installed_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_cudf", None)
    with (
        dask.config.set({"dataframe.backend": "cudf"}),
        pytest.raises(ImportError, match=r"pip install 'datamerge\[gpu\]'"),
    ):
        dm.read(["A rose."], name="notes")


@pytest.mark.parametrize("place", [there, lazy], ids=["in hand", "lazy"])
def test_they_are_read_as_frames_in_hand(place):
    given = pd.DataFrame({"prompt": ["2 + 2?", "3 + 3?", "4 + 4?"], "completion": ["4", "6", "8"]})
    expected = dm.read(dd.from_pandas(given, npartitions=1), name="sums").compute()
    found = dm.read(place(given), name="sums").compute()
    assert found["messages"].tolist() == expected["messages"].tolist()
    assert dm.read({"frame": place(given), "name": "sums"}).compute().equals(found)


def test_they_are_compared_against():
    df, before = make_frame(ROWS, source="new"), make_frame(ROWS[1:3], source="old")
    found = dm.dedup.exact(df, against=there(before)).decisions()
    assert found.equals(dm.dedup.exact(df, against=before).decisions())
    assert len(found) == 2


def test_they_are_written_and_cut_anew(tmp_path):
    df = make_frame(ROWS)
    for name, frame in (("pandas", df), ("lazy", lazy(df)), ("there", there(df))):
        assert dm.write(frame, tmp_path / name).total["kept"] == len(ROWS)
        dm.export.resplit(frame, tmp_path / f"{name}-split", size="1MiB")
    kept = [pd.read_parquet(tmp_path / name / "data") for name in ("pandas", "lazy", "there")]
    pd.testing.assert_frame_equal(kept[2], kept[0])
    pd.testing.assert_frame_equal(kept[1], kept[0])


def test_ids_of_an_index_are_kept():
    df = make_frame(["A rose.", "A rose."]).drop(columns="id").set_axis(["a", "b"])
    decided = dm.dedup.exact(there(df)).decisions()
    assert decided[["id", "witness"]].values.tolist() == [["b", "a"]]


VALUES = {
    "text": pa.array(["ä\U0001f600", None, ""]),
    "number": pa.array([2**63 - 1, None, -(2**63)]),
    "small": pa.array([1, 2, None], pa.uint8()),
    "truth": pa.array([True, None, False]),
    "real": pa.array([0.1, None, -0.0]),
    "list": pa.array([["a", None], None, []]),
    "chats": pa.array([[{"role": "user", "content": "x", "extra": None}], None, []]),
    "when": pa.array([0, None, 1], pa.timestamp("us")),
    "word": pa.array(["a", None, "a"]).dictionary_encode(),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_are_the_same_after_a_journey(name):
    here = _backend.as_pandas(Elsewhere(pa.table({name: VALUES[name]})))
    again = _backend.as_pandas(there(here))
    pd.testing.assert_frame_equal(again, here)
    held = pa.array(again[name], from_pandas=True)
    held = held.combine_chunks() if isinstance(held, pa.ChunkedArray) else held
    if name == "word":
        held, VALUES[name] = held.dictionary_decode(), VALUES[name].dictionary_decode()
    assert held.to_pylist() == VALUES[name].to_pylist()


LOOKS: dict[str, Callable[[Any], Any]] = {
    "preview": dm.explore.preview,
    "stats": dm.explore.stats,
    "ledger": dm.explore.ledger,
    "map": dm.explore.map,
    "duplicates": lambda df: dm.explore.duplicates(dm.dedup.jaccard(df, threshold=0.5, ngram=2)),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("place", [there, lazy], ids=["in hand", "lazy"])
def test_they_are_looked_at(look, place):
    pytest.importorskip("anywidget", reason="widgets")
    df = make_frame(ROWS)
    assert repr(look(place(df))) == repr(look(df))


@pytest.mark.parametrize("place", [there, lazy], ids=["in hand", "lazy"])
def test_what_is_selected_in_a_map_is_of_their_library(place):
    pytest.importorskip("anywidget", reason="widgets")
    chart = dm.explore.map(place(make_frame(ROWS)))
    chart.selection = ["s#2", "s#5"]
    assert computed(chart.selected())["id"].tolist() == ["s#2", "s#5"]
