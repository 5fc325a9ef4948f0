"""Starting a cluster."""

from __future__ import annotations

import pytest

from datamerge import cluster, compute


def test_local_is_idempotent_and_on_loopback():
    client = cluster.start("local", workers=1)
    try:
        assert cluster.start() is client
        assert client.scheduler_info()["address"].startswith("tcp://127.0.0.1")
        assert client.dashboard_link.startswith("http://127.0.0.1")
        (worker,) = client.scheduler_info()["workers"].values()
        assert worker["nthreads"] == 1
        other = cluster.start(address=client.scheduler.address)
        assert other is client
    finally:
        owner = client.cluster
        client.close()
        owner.close()
    assert compute.client() is None


def test_wrong_kind_and_missing_gpu():
    with pytest.raises(ValueError, match="kind='slrum'"):
        cluster.start("slrum")  # type: ignore[arg-type]
    if cluster._has_gpu():
        pytest.skip("this machine has a GPU")
    with pytest.raises(RuntimeError, match="no GPU"):
        cluster.start("cuda")
