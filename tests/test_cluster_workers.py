"""The sample recipe on workers that were started by themselves, as on other machines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dask
import pytest
import yaml

from datamerge import cluster, compute, recipe
from datamerge.cli import DEMO

WORKERS = 4


def outputs(folder: Path) -> dict[str, bytes]:
    """What was kept, removed and malformed, byte for byte."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for part in ("data", "removed", "malformed")
        for path in (folder / part).rglob("*")
        if path.is_file()
    }
    assert {name.partition("/")[0] for name in found} == {"data", "removed", "malformed"}
    return found


def recipe_of_many_parts(folder: Path) -> Path:
    """The sample's recipe, with each file cut into enough pieces for several workers to share."""
    content = yaml.safe_load(DEMO.read_text().replace("${RECIPE_DIR}", str(DEMO.parent)))
    for source in content["sources"]:
        source["blocksize"] = "16KiB"
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@contextmanager
def running(*arguments: str, ready: str, **environment: str) -> Iterator[re.Match[str]]:
    """A program of Dask's, ended with the block; gives what it says when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if match := re.search(ready, line):
                yield match
                break
        else:
            raise AssertionError("".join(said))
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def a_cluster(folder: Path, **environment: str) -> Iterator[str]:
    """A scheduler and four workers in processes of their own, on loopback; its address."""
    local = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
    with ExitStack() as stack:
        scheduler = running("dask_scheduler", "--port", "0", *local,
                            ready=r"Scheduler at:\s+(tcp://127\.0\.0\.1:\d+)")  # fmt: skip
        address = stack.enter_context(scheduler).group(1)
        for number in range(WORKERS):
            own = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder / str(number))]
            worker = running("dask_worker", address, *local, *own, ready="Registered to",
                             **environment)  # fmt: skip
            stack.enter_context(worker)
        yield address


@pytest.fixture
def own_settings(tmp_path) -> Iterator[Path]:
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work"), "scheduler": None}):
        yield tmp_path


def test_four_workers_give_the_same_bytes_as_none(own_settings):
    checked = recipe.load(recipe_of_many_parts(own_settings))
    recipe.run(checked, own_settings / "alone")
    with (
        dask.config.set({"datamerge.workdir": str(own_settings / "other work")}),
        a_cluster(own_settings, DATAMERGE_WORKDIR=str(own_settings / "other work")) as address,
        cluster.start(address=address) as client,
    ):
        at = client.scheduler_info(n_workers=-1)["workers"]
        assert len(at) == WORKERS and all(name.startswith("tcp://127.0.0.1:") for name in at)
        assert cluster.start(address=address) is client
        recipe.run(checked, own_settings / "together")
        done = client.run(lambda dask_worker: dask_worker.state.executed_count)
        assert len(done) == WORKERS and all(done.values())
    assert compute.client() is None
    assert outputs(own_settings / "alone") == outputs(own_settings / "together")


def test_closing_leaves_a_cluster_that_is_not_ours(own_settings):
    with a_cluster(own_settings) as address:
        for _ in range(2):
            with cluster.start(address=address) as client:
                assert client.submit(sum, [1, 2]).result() == 3
