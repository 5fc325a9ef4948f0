"""Frames written down once, and the work directory they lie in."""

from __future__ import annotations

import dask
import numpy as np
import pandas as pd
import pytest
from frames import make_frame, on_dask

import datamerge as dm
from datamerge import audit, checkpoint, workdir


@pytest.fixture(autouse=True)
def work(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield tmp_path / "work"


class Counting:
    """A judge that counts how often it is asked, in a file, so that other threads count too."""

    def __init__(self, path):
        self.path = path

    def __call__(self, part):
        if len(part):
            with self.path.open("a") as file:
                file.write("x")
        return [None] * len(part)

    def __dask_tokenize__(self):
        return "counting"


ROWS = [[("user", "q"), ("assistant", "a", {"k": 1})], "doc", None, "🌍 <script>"]


def test_kept_frames_are_equal_and_made_once(tmp_path, work):
    count = tmp_path / "count"
    df = on_dask(make_frame(ROWS, dead={1: "gone"}), 2)
    df = audit.mark(df, Counting(count), step="s", reason="r", arguments={})
    df = dm.tokens.count(df)
    expected = df.compute()
    count.unlink()
    kept = checkpoint.keep(df)
    assert count.read_text() == "xx"
    pd.testing.assert_frame_equal(
        kept.compute().reset_index(drop=True), expected.reset_index(drop=True)
    )
    pd.testing.assert_frame_equal(kept._meta, df._meta)
    checkpoint.keep(df)
    assert count.read_text() == "xx"
    assert [s.name for s in audit.steps(kept)] == ["s", "tokens.count"]


def test_only_missing_or_cut_parts_are_made_again(tmp_path, work):
    count = tmp_path / "count"
    df = on_dask(make_frame(["a", "b", "c"]), 3)
    df = audit.mark(df, Counting(count), step="s", reason="r", arguments={})
    checkpoint.keep(df)
    (folder,) = (work / "frames").iterdir()
    (folder / "00001.arrow").unlink()
    checkpoint.keep(df)
    assert count.read_text() == "xxxx"
    with (folder / "rows.jsonl").open("a") as file:
        file.write('["partition", 2, {"s"')  # cut short by a crash
    assert len(checkpoint.keep(df).compute()) == 3


def test_cheap_marks_on_a_checkpoint_are_not_kept_again(work):
    df = dm.read([{"text": t} for t in ("a", "a", "b", "c")], name="t")
    once = dm.dedup.exact(df).mark()
    assert checkpoint.keep(once) is once
    again = dm.filters.length(once, min=1)
    assert checkpoint.keep(again) is not again


def test_marks_carry_over_a_checkpoint(work):
    df = dm.filters.length(dm.read([{"text": t} for t in ("a", "a", "bb")], name="t"), max=1)
    df = dm.dedup.exact(df).mark()
    df = dm.filters.length(df, min=1)
    df = dm.dedup.exact(df, normalise="none").mark()
    names = [(p.step.name, p.sources) for p in audit.lineage(df)]
    assert names == [
        (n, ("t",)) for n in ("filters.length", "dedup.exact", "filters.length", "dedup.exact")
    ]


def test_remembered_arrays(work):
    calls = []

    def make():
        calls.append(1)
        return np.arange(3)

    for _ in range(2):
        assert workdir.remembered("elements", ("a", 1), make).tolist() == [0, 1, 2]
    assert len(calls) == 1
    (path,) = (work / "elements").iterdir()
    path.write_bytes(b"cut")
    assert workdir.remembered("elements", ("a", 1), make).tolist() == [0, 1, 2]
    assert len(calls) == 2


def test_replacing_leaves_nothing_behind_on_failure(tmp_path):
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(RuntimeError), workdir.replacing(target) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert target.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a"]
    with workdir.replacing(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"
