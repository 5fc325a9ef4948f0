"""Running over partitions, and telling of it."""

from __future__ import annotations

import io

import dask
import pytest
from frames import make_frame, on_dask

import datamerge as dm
from datamerge import compute, terminal


def test_each_partition_with_and_without_leaves():
    df = dm.filters.length(dm.read([{"text": "a"}, {"text": "b"}], name="t"), min=1)
    told = []
    with dask.config.set({"datamerge.reporter": told.append}):
        found = list(
            compute.each_partition(df, lambda part, n: (n, len(part)), stage="x", leaves=[0],
                                   rows=lambda result: result[1])
        )  # fmt: skip
    assert sorted(found) == [("leaf", 0, {"t": 2}), ("partition", 0, (0, 2))]
    assert [(p.stage, p.done, p.total, p.rows) for p in told] == [("x", 1, 1, 2)]


def test_only_the_partitions_asked_for():
    df = on_dask(make_frame(list("abc")), 3)
    found = list(
        compute.each_partition(df, lambda part, n: part["text"].item(), stage="x", partitions=[2])
    )
    assert found == [("partition", 2, "c")]


def test_an_error_in_a_partition_propagates_and_cancels():
    from distributed import Client, LocalCluster

    def fail(part, number):
        raise ValueError("this row")

    df = on_dask(make_frame(list("abc")), 3)
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        assert compute.client() is client
        with pytest.raises(ValueError, match="this row"):
            list(compute.each_partition(df, fail, stage="x"))
    assert compute.client() is None


def test_lines_on_a_terminal_and_in_a_file():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    steps = [compute.Progress("write", done, 3, done * 10, done + 0.5) for done in (1, 2, 3)]
    screen, file = terminal.Lines(Terminal()), terminal.Lines(io.StringIO())
    for progress in steps:
        screen(progress)
        file(progress)
    assert screen.stream.getvalue().count("\n") == 1
    assert "\rwriting: 3 of 3 parts, 30 rows, 9 rows/s, done in 3.5 s" in screen.stream.getvalue()
    assert file.stream.getvalue() == "writing: 3 of 3 parts, 30 rows, 9 rows/s, done in 3.5 s\n"
