"""Marking, lineage, conservation."""

from __future__ import annotations

import dask.dataframe as dd
import pandas as pd
import pytest
from frames import computed, make_frame, marks, on_dask

import datamerge as dm
from datamerge import audit


class Sees:
    """A judge that remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, part: pd.DataFrame) -> audit.Verdict:
        self.seen += part["id"].tolist()
        details = [f"has {t}" if "x" in t else None for t in part["text"].tolist()]
        return audit.Verdict(details, {"size": pd.array([len(t) for t in part["text"]], "Int64")})


def test_only_live_rows_are_judged_and_first_reason_wins():
    df = make_frame(["x", "ax", "b"], dead={0: "before"})
    judge = Sees()
    once = audit.mark(df, judge, step="s", reason="mine", arguments={})
    assert judge.seen == ["s#1", "s#2"]
    assert marks(once) == [("before", "marked before"), ("mine", "has ax"), None]
    assert once["size"].isna().tolist() == [True, False, False]
    assert once["size"].tolist()[1:] == [2, 1]
    assert marks(df) == [("before", "marked before"), None, None]  # the frame given is left alone


def test_a_column_written_again_keeps_the_values_of_the_dead():
    df = make_frame(["x", "bb"])
    once = audit.mark(df, Sees(), step="s", reason="mine", arguments={})
    again = audit.mark(once, Sees(), step="s", reason="other", arguments={})
    assert again["size"].tolist() == [1, 2]


def test_pandas_and_dask_agree(on_backend):
    df = make_frame(["x", "ax", "b", "cx"], dead={0: "before"})
    expected = audit.mark(df, Sees(), step="s", reason="mine", arguments={})
    marked = computed(audit.mark(on_backend(df), Sees(), step="s", reason="mine", arguments={}))
    pd.testing.assert_frame_equal(marked.reset_index(drop=True), expected)


def test_lineage_names_steps_and_the_sources_beneath():
    one = dm.read([{"text": "a"}], name="one")
    two = dm.read([{"text": "b"}], name="two")
    df = dm.concat([dm.filters.length(one, min=1), two])
    df = dm.mix.weights(df, {"one": 0.5})
    found = [(p.step.name, p.step.reason, p.sources) for p in audit.lineage(df)]
    assert found == [
        ("filters.length", "length", ("one",)),
        ("mix.weights", "weights", ("one", "two")),
    ]
    assert audit.sources(df) == ("one", "two")
    assert audit.steps(make_frame(["a"])) == []


def test_lineage_survives_what_dask_does_in_between():
    df = dm.filters.length(dm.read([{"text": "a"}], name="one"), min=1)
    df = df.assign(n=1).repartition(npartitions=1)
    df = dm.filters.roles(df, "tool")
    assert [s.name for s in audit.steps(df)] == ["filters.length", "filters.roles"]


def test_a_reason_used_twice_gets_a_number():
    df = dm.read([{"text": "abc"}, {"text": "abcdef"}], name="t")
    df = dm.filters.length(dm.filters.length(df, max=5), min=4)
    assert [m and m[0] for m in marks(df)] == ["length_2", "length"]


def test_a_step_that_loses_rows_is_named():
    step = audit.Step("mine.lossy", lambda part: part.iloc[1:], {})
    with pytest.raises(audit.ConservationError, match="mine.lossy: 2 rows went in, 1 came out"):
        audit.apply(make_frame(["a", "b"]), step)
    with pytest.raises(audit.ConservationError, match="mine.lossy"):
        audit.apply(on_dask(make_frame(["a", "b"]), 1), step).compute()


def test_live_rows():
    df = make_frame(["a", "b"], dead={0: "x"})
    assert audit.live(df)["id"].tolist() == ["s#1"]
    assert audit.live(dd.from_pandas(df, npartitions=1)).compute()["id"].tolist() == ["s#1"]


def test_conserved_names_the_source():
    audit.conserved({"a": 1, "b": 0}, {"a": 1})
    with pytest.raises(audit.ConservationError, match="source 'b': 0 rows were read, 2 arrived"):
        audit.conserved({"a": 1}, {"a": 1, "b": 2})


class Other:
    """A frame of a library that can't be looked into from here."""

    columns = ("id", "source", "text", "meta", "drop_reason", "drop_detail")


Other.__module__, Other.__name__ = "modin.pandas.dataframe", "DataFrame"


class Lazy(Other):
    """A Dask frame of such partitions."""

    _meta = Other()


@pytest.mark.parametrize("df", [Other(), Lazy()])
def test_frames_of_other_libraries_are_refused(df, tmp_path):
    for use in (
        lambda: dm.clean.unicode(df),
        lambda: dm.audit.mark(df, Sees(), step="s", reason="mine", arguments={}),
        lambda: dm.dedup.exact(df, text="text").decisions(),
        lambda: dm.write(df, tmp_path / "out"),
    ):
        with pytest.raises(TypeError, match=r"of modin \(DataFrame\); steps take frames"):
            use()
