"""Which rows a preview draws: by id and seed alone, a few from each partition, as asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from frames import BACKENDS, make_frame, on_dask

import datamerge as dm
from datamerge._arrays import STRING
from datamerge.explore.frames.gather import gather
from datamerge.explore.frames.sample import Draw, keys

ROWS = 97


def frame() -> pd.DataFrame:
    rows = [
        [("user", f"question {n}"), ("assistant", f"answer {n}")] if n % 3 else f"document {n}"
        for n in range(ROWS)
    ]
    dead = {n: "language" if n % 2 else "phrases" for n in range(0, ROWS, 5)}
    sources = ["web" if n % 4 else "books" for n in range(ROWS)]
    return make_frame(rows, dead=dead, source=sources, tokens=list(range(ROWS)))


def ids(preview: dm.explore.Preview) -> list[str]:
    return preview.rows["id"].tolist()


@pytest.mark.parametrize("n", [1, 10, ROWS, 500])
def test_partitions_do_not_matter(on_backend, n):
    df = frame()
    drawn = dm.explore.preview(on_backend(df), n).rows
    plain = df.iloc[np.argsort(keys(df, 0), kind="stable")[:n]].reset_index(drop=True)
    pd.testing.assert_frame_equal(drawn, plain, check_dtype=False)


def test_rows_are_whole_and_keep_their_columns(on_backend):
    df = frame()
    rows = dm.explore.preview(on_backend(df), ROWS).rows.sort_values("tokens", ignore_index=True)
    pd.testing.assert_frame_equal(rows, df, check_dtype=False)


def test_seed_draws_other_rows_again_and_again():
    df = frame()
    first, second = ids(dm.explore.preview(df, 10)), ids(dm.explore.preview(df, 10, seed=1))
    assert first != second
    assert second == ids(dm.explore.preview(df, 10, seed=1))


def test_draws_are_not_those_of_weights():
    df = make_frame([f"row {n}" for n in range(2000)])
    kept = dm.mix.weights(df, {"s": 0.5}, seed=0)
    drawn = dm.explore.preview(kept, 200).rows
    assert 60 < drawn["drop_reason"].isna().sum() < 140


def test_no_partition_sends_more_than_n_rows():
    sent: list[int] = []

    class Spied(Draw):
        def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
            drawn = super().__call__(part)
            sent.append(len(drawn))
            return drawn

    draw = Spied(5, 0)
    assert len(gather(on_dask(frame(), 7), draw, draw.merge)) == 5
    assert len(sent) == 7
    assert max(sent) == 5


@pytest.mark.parametrize(
    ("asked", "plain"),
    [
        ({"source": "books"}, lambda df: df["source"] == "books"),
        ({"source": ["books", "nowhere"]}, lambda df: df["source"] == "books"),
        ({"reason": "language"}, lambda df: df["drop_reason"] == "language"),
        ({"search": "ANSWER 1"}, lambda df: df["tokens"].isin([1, *range(10, 20)])
         & (df["tokens"] % 3 > 0)),
        ({"search": "marked BEFORE"}, lambda df: df["drop_reason"].notna()),
        ({"where": "tokens > 90"}, lambda df: df["tokens"] > 90),
        ({"where": "drop_reason == 'language'"}, lambda df: df["drop_reason"] == "language"),
        ({"where": "drop_reason.isna() and tokens < 5"},
         lambda df: df["drop_reason"].isna() & (df["tokens"] < 5)),
        ({"where": lambda part: part["tokens"] % 10 == 3}, lambda df: df["tokens"] % 10 == 3),
        ({"where": lambda part: part["drop_reason"] == "phrases", "source": "web"},
         lambda df: (df["drop_reason"] == "phrases") & (df["source"] == "web")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("backend", ["pandas", "dask-3", "dask-empty"])
def test_only_rows_that_are_asked_for(backend, asked, plain):
    df = frame()
    rows = dm.explore.preview(BACKENDS[backend](df), ROWS, **asked).rows
    expected = df.loc[plain(df).fillna(False), "id"]
    assert sorted(rows["id"]) == sorted(expected)
    assert len(rows)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"where": "token > 3"}, "no column 'token' .did you mean 'tokens'"),
        ({"where": "tokens > @least"}, "knows no variable 'least'; give a function"),
        ({"where": "tokens >"}, "not a query pandas can read"),
        ({"where": "tokens + 1"}, "True or False"),
        ({"where": lambda part: True}, "one True or False for each row"),
        ({"n": 0}, "at least 1"),
        ({"n": True}, "whole number"),
        ({"source": []}, "source="),
    ],
)
@pytest.mark.parametrize("backend", ["pandas", "dask-3"])
def test_wrong_arguments_are_told_before_any_work(backend, asked, message):
    with pytest.raises(ValueError, match=message):
        dm.explore.preview(BACKENDS[backend](frame()), **asked).rows  # noqa: B018


def test_frames_without_what_is_asked_for():
    texts = pd.DataFrame({"text": ["a", "b"]})
    with pytest.raises(ValueError, match="no column 'source'; it has text"):
        dm.explore.preview(texts, source="web")
    with pytest.raises(ValueError, match="neither a column 'messages' nor 'text'; it has other"):
        dm.explore.preview(texts.rename(columns={"text": "other"}))
    with pytest.raises(TypeError, match="DataFrame is needed, not list"):
        dm.explore.preview(["a"])


@pytest.mark.parametrize("dtype", [object, STRING, "str"])
def test_text_alone_is_enough(on_backend, dtype):
    df = pd.DataFrame({"text": pd.Series(["a", "b", "c", None], dtype=dtype)})
    rows = dm.explore.preview(on_backend(df), 2).rows
    again = dm.explore.preview(df.iloc[::-1], 2).rows
    assert rows["text"].tolist() == again["text"].tolist()
    assert len(dm.explore.preview(on_backend(df)).rows) == 4


def test_messages_as_python_lists_are_read():
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "name": "bob"}]
    df = pd.DataFrame({"messages": pd.Series([chat, None], dtype=object)})
    rows = dm.explore.preview(df, search="hi").rows
    assert [turn["extra"] and "bob" in turn["extra"] for turn in rows["messages"][0]] == [
        None,
        True,
    ]
    assert "assistant" in repr(dm.explore.preview(df))


def test_runs_read_back_in_other_types_are_shown_alike(tmp_path):
    df = make_frame([[("user", "Hi"), ("assistant", "Hello")], None, [("user", "Bye")]])
    dm.write(df, tmp_path / "run")
    shown = {
        repr(dm.explore.preview(pd.read_parquet(tmp_path / "run" / "data", **options)))
        for options in ({}, {"dtype_backend": "pyarrow"}, {"dtype_backend": "numpy_nullable"})
    }
    assert shown == {repr(dm.explore.preview(df))}
    words = pd.Series([["a", "b"]], dtype=pd.ArrowDtype(pa.list_(pa.string())))
    assert "a" in repr(dm.explore.preview(pd.DataFrame({"messages": words})))
    assert dm.explore.stats(pd.DataFrame({"messages": words})).to_dict()["kinds"] == {"chats": 1}


def test_nothing_to_draw():
    preview = dm.explore.preview(frame(), search="never said")
    assert repr(preview) == "no rows"
    assert "No row is as asked for." in preview._repr_html_()
