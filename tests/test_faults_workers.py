"""Workers that are killed, asked to end, or gone; and work that ends whoever does it."""

from __future__ import annotations

import io
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import pytest
from faults import At, Case, content, disturbed, in_peace
from killing import Killing
from poison import Poison
from processes import a_cluster, until

import datamerge as dm
from datamerge import audit, cluster
from datamerge.compute import WorkersKilledError, workers

FINDERS = """
  - dedup.jaccard: {threshold: 0.8}
  - dedup.minhash: {threshold: 0.7}
  - dedup.semantic: {threshold: 0.95, mode: exact}
  - dedup.semantic: {threshold: 0.9, mode: clustered}
"""
STAGES = {
    "prepare", "exact", "shingle", "prefix", "lists", "compare", "embed", "quantise", "cluster",
    "recall", "write", "footers", "resplit",
}  # fmt: skip
# Started from a process that has read what they import: in a tenth of the time.
QUICK = {"distributed.worker.multiprocessing-method": "forkserver"}


@pytest.fixture(scope="module")
def peace(tmp_path_factory) -> tuple[Path, Path]:
    """A recipe with every finder, and its output in peace."""
    return in_peace(tmp_path_factory.mktemp("peace"), FINDERS)


@pytest.fixture
def case(peace, tmp_path) -> Iterator[Case]:
    with disturbed(peace, tmp_path) as made, dask.config.set(QUICK):
        yield made


def resplit(out: Path) -> dict[str, bytes]:
    again = out.with_name(f"{out.name}-again")
    dm.export.resplit(out, again, size="30kB", files=8)
    return content(again)


def test_workers_are_killed_again_and_again_in_every_stage(case):
    often = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "20"}
    with (
        a_cluster(case.folder, workers=3, **case.environment, **often) as processes,
        cluster.start(address=processes.address) as client,
    ):
        killing = Killing(client, processes, seed=1)
        with dask.config.set({"datamerge.reporter": killing}):
            case.run()
            again = resplit(case.out)
    assert set(killing.kills) >= STAGES
    case.check()
    assert again == resplit(case.peace)


def test_workers_are_asked_to_end(case):
    """As a queue does before it takes a node away."""
    stages = {"prepare": 3, "exact": 5, "shingle": 2, "embed": 1, "write": 4}
    with a_cluster(case.folder, workers=3, **case.environment) as processes:
        asked = []

        def ask() -> None:
            asked.append(processes.workers.pop(0))
            asked[-1].send(signal.SIGTERM)
            processes.add_worker()

        asking = At(stages, ask)
        with (
            cluster.start(address=processes.address),
            dask.config.set({"datamerge.reporter": asking}),
        ):
            case.run()
        assert set(asking.done) == set(stages)
        assert all(worker.wait() == 0 for worker in asked)
    case.check()


def write_texts(folder: Path, *more: str) -> None:
    for n in range(6):
        lines = [json.dumps({"text": f"text {n} {k}"}) for k in range(50)]
        (folder / f"{n}.jsonl").write_text("\n".join([*lines, *more]) + "\n")


def poisoned(folder: Path, stage: str, out: str) -> None:
    """A run one of whose steps ends the process at a row."""

    def poison(df: Any) -> Any:
        step = Poison(str(folder), "texts/3.jsonl#0")
        return audit.mark(df, step, step="step", reason="reason", arguments={})

    df = dm.read(f"{folder}/*.jsonl", name="texts", blocksize=600)
    df = dm.dedup.exact(poison(df) if stage == "prepare" else df).mark()
    dm.write(poison(df) if stage == "write" else df, folder / out)


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("prepare", r"reading and filtering: 4 workers .* part \d+ \(.*3\.jsonl from byte 0 to"),
        ("write", r"writing: 4 workers .* part \d+ \(rows texts/3\.jsonl#0 to texts/3\.jsonl#"),
    ],
)
def test_a_row_ends_every_worker_that_meets_it(tmp_path, stage, told):
    write_texts(tmp_path)
    with dask.config.set({"datamerge.workdir": str(tmp_path / "calm"), "scheduler": "threads"}):
        poisoned(tmp_path, stage, "peace")
    (tmp_path / "poison").touch()
    settings = {"datamerge.workdir": str(tmp_path / "work"), "scheduler": None, **QUICK}
    with (
        dask.config.set(settings),
        cluster.start("local", workers=2, memory="1GB", dashboard=None),
    ):
        with pytest.raises(WorkersKilledError, match=told) as raised:
            poisoned(tmp_path, stage, "out")
        assert "give each more (memory=)" in str(raised.value)
        kept = {path: path.stat().st_ino for path in tmp_path.glob("work/frames/*.arrow")}
        assert kept
        (tmp_path / "poison").unlink()
        poisoned(tmp_path, stage, "out")
    assert {path: path.stat().st_ino for path in kept} == kept  # none was made again
    assert content(tmp_path / "out") == content(tmp_path / "peace")


def test_a_record_is_too_large_for_any_worker(tmp_path):
    write_texts(tmp_path, json.dumps({"text": "very large " * 10_000_000}))
    settings = {"datamerge.workdir": str(tmp_path / "work"), "scheduler": None, **QUICK}
    told = r"4 workers .* part \d+ \(.*\.jsonl .* more memory than a worker has"
    with (
        dask.config.set(settings),
        cluster.start("local", workers=2, memory="300MB", dashboard=None),
        pytest.raises(WorkersKilledError, match=told),
    ):
        dm.write(dm.clean.unicode(dm.read(f"{tmp_path}/0.jsonl")), tmp_path / "out")


def listen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """To what is told while nobody works, after a moment."""
    monkeypatch.setattr(workers, "OFTEN", 0.1)
    monkeypatch.setattr(workers, "PATIENCE", 0.5)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def helped(said: io.StringIO, word: str, help: Callable[[], object]) -> threading.Thread:
    """Help, as soon as that word is said."""

    def wait() -> None:
        until(lambda: word in said.getvalue(), 300)
        help()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def small(tmp_path) -> Iterator[dict[str, str]]:
    """A small run's sources, its output in peace, and what its workers are to know."""
    write_texts(tmp_path)
    with dask.config.set({"datamerge.workdir": str(tmp_path / "calm"), "scheduler": "threads"}):
        poisoned(tmp_path, "nowhere", "peace")
    work = str(tmp_path / "work")
    with dask.config.set({"datamerge.workdir": work, "scheduler": None}):
        yield {"DATAMERGE_WORKDIR": work}


def test_no_worker_is_left_and_one_comes(small, tmp_path, monkeypatch):
    said = listen(monkeypatch)
    with a_cluster(tmp_path, **small) as processes:

        def kill_all() -> None:
            for worker in list(processes.workers):
                processes.kill(worker)

        killing = At({"exact": 2}, kill_all)
        helper = helped(said, "hashing texts: there is no worker", processes.add_worker)
        with (
            cluster.start(address=processes.address),
            dask.config.set({"datamerge.reporter": killing}),
        ):
            poisoned(tmp_path, "nowhere", "out")
        helper.join()
    assert said.getvalue().count("there is no worker") == 1
    assert "hashing texts: workers are at it again" in said.getvalue()
    assert content(tmp_path / "out") == content(tmp_path / "peace")


def test_all_workers_are_paused(small, tmp_path, monkeypatch):
    """For their memory is full, as far as they know."""

    def let_go(dask_worker: Any) -> None:
        dask_worker.memory_manager.memory_pause_fraction = 0.99

    said = listen(monkeypatch)
    full = {"DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "0.000001"}
    with (
        a_cluster(tmp_path, **small, **full) as processes,
        cluster.start(address=processes.address) as client,
    ):
        helper = helped(said, "all 2 workers are paused", lambda: client.run(let_go))
        poisoned(tmp_path, "nowhere", "out")
        helper.join()
    assert content(tmp_path / "out") == content(tmp_path / "peace")
