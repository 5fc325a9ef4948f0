"""Running over partitions, and telling of it."""

from __future__ import annotations

import dask
import pytest
from frames import make_frame, on_dask

import datamerge as dm
from datamerge import compute


def numbered(part, number):
    return number, part["text"].tolist()


def test_each_partition_with_and_without_leaves():
    df = dm.filters.length(dm.read([{"text": "a"}, {"text": "b"}], name="t"), min=1)
    told = []
    with dask.config.set({"datamerge.reporter": told.append}):
        found = list(compute.each_partition(df, numbered, stage="x", leaves=[0]))
    assert sorted(found) == [("leaf", 0, {"t": 2}), ("partition", 0, (0, ["a", "b"]))]
    assert {(p.stage, p.total) for p in told} == {("x", 1)}
    assert [(p.done, p.rows) for p in (told[0], told[-1])] == [(0, 0), (1, 2)]
    assert told[-1].ended and not told[-1].stopped


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
