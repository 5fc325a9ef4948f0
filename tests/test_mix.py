"""Weights and order."""

from __future__ import annotations

import dask.dataframe as dd
import pandas as pd
import pytest
from frames import contents, make_frame, on_dask
from hypothesis import given, settings
from hypothesis import strategies as st

import datamerge as dm


def kept(df) -> set[str]:
    df = df.compute() if hasattr(df, "compute") else df
    return set(df.loc[df["drop_reason"].isna(), "id"])


@given(low=st.floats(0, 1), high=st.floats(0, 1), seed=st.integers(-5, 2**70))
@settings(max_examples=50, deadline=None)
def test_raising_a_weight_only_adds_rows(low, high, seed):
    low, high = sorted((low, high))
    df = make_frame(["x"] * 200)
    few = kept(dm.mix.weights(df, {"s": low}, seed=seed))
    many = kept(dm.mix.weights(df, {"s": high}, seed=seed))
    assert few <= many


def test_weight_0_and_1_are_exact():
    df = make_frame(["x"] * 500, source=["a", "b"] * 250)
    assert kept(dm.mix.weights(df, {"a": 0, "b": 1})) == set(df["id"][1::2])


def test_share_is_the_weight_on_average():
    df = make_frame(["x"] * 20_000)
    assert len(kept(dm.mix.weights(df, {"s": "30%"}))) == pytest.approx(6000, abs=4 * 65)


def test_partitioning_does_not_matter(on_backend):
    df = make_frame(["x"] * 50, source=["a", "b"] * 25, dead={3: "before"})
    expected = kept(dm.mix.weights(df, {"a": 0.5}, seed=1))
    marked = dm.mix.weights(on_backend(df), {"a": 0.5}, seed=1)
    assert kept(marked) == expected
    assert (
        marked.pipe(lambda d: d.compute() if hasattr(d, "compute") else d)["drop_reason"][3]
        == "before"
    )


@pytest.mark.parametrize("weight", [-0.1, 1.5, "120%", "much", None, True])
def test_bad_weights(weight):
    with pytest.raises(ValueError, match="a fraction from 0 to 1"):
        dm.mix.weights(make_frame(["x"]), {"s": weight})


def test_unknown_source():
    df = dm.read([{"text": "a"}], name="web")
    with pytest.raises(ValueError, match="no source 'wbe'; there are web"):
        dm.mix.weights(df, {"wbe": 0.5})


CHATS = [
    [("user", f"q{n}"), ("assistant", f"a{n}", {"k": n} if n % 3 else None)] for n in range(60)
]
ROWS = [chat if n % 5 else f"doc {n}" for n, chat in enumerate(CHATS)]


@pytest.mark.parametrize("cuts", [1, 3, 17])
def test_shuffle_is_one_order_whatever_the_cuts(cuts):
    df = make_frame(ROWS, dead={4: "before"})
    plain = dm.mix.shuffle(df, seed=3)
    lazy = dm.mix.shuffle(on_dask(df, cuts), seed=3).compute()
    assert plain["id"].tolist() == lazy["id"].tolist() != df["id"].tolist()
    pd.testing.assert_frame_equal(plain, lazy.reset_index(drop=True))
    where = {key: n for n, key in enumerate(df["id"])}
    original = contents(df)
    assert contents(lazy) == [original[where[key]] for key in lazy["id"]]
    backwards = dm.mix.shuffle(on_dask(df[::-1], cuts), seed=3).compute()
    assert backwards["id"].tolist() == plain["id"].tolist()


def test_shuffle_spreads_rows_over_partitions():
    df = dm.mix.shuffle(on_dask(make_frame(["x"] * 2000), 4), seed=1)
    sizes = df.map_partitions(len).compute().tolist()
    assert len(sizes) == 4 and min(sizes) > 400


def test_other_seeds_give_other_orders():
    df = make_frame(["x"] * 50)
    orders = {tuple(dm.mix.shuffle(df, seed=seed)["id"]) for seed in range(5)}
    assert len(orders) == 5


def test_shuffle_of_nothing():
    empty = make_frame(["x"]).iloc[:0]
    assert dm.mix.shuffle(dd.from_pandas(empty, npartitions=1)).compute().empty


def test_weights_after_shuffle_and_before_are_the_same():
    df = on_dask(make_frame(ROWS), 4)
    one = dm.mix.weights(dm.mix.shuffle(df, seed=2), {"s": 0.5})
    two = dm.mix.shuffle(dm.mix.weights(df, {"s": 0.5}), seed=2)
    pd.testing.assert_frame_equal(one.compute(), two.compute())
