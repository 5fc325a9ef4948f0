"""An interrupt leaves nothing running, and what was finished is not made again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import pyarrow.parquet as pq
import pytest
from gates import FIRST, GATES, PARTS, run
from kernels import Kernel, errors, of

pytest_plugins = ["kernels"]

WAIT = 240  # seconds; machines that run tests may be busy
WORKERS = 2
SETTINGS = "import datamerge as dm, dask, gates; dask.config.set({'datamerge.patience': 0})"
CLUSTER = f"client = dm.cluster.start('local', workers={WORKERS}, memory='1GB')"
THREADS = f"dask.config.set(num_workers={WORKERS})"
# What is left of the work: tasks of the scheduler; the thread that hands out tasks.
TASKS = "client.run_on_scheduler(lambda dask_scheduler: list(map(str, dask_scheduler.tasks)))"
THREAD = "[t for t in __import__('threading').enumerate() if t.name == 'datamerge']"


def write_sources(folder: Path) -> None:
    words = ["orchard", "violin", "granite", "meadow", "lantern", "compass", "harbour", "thimble"]
    for n in range(PARTS):
        rows = [{"text": f"{words[n]} {words[(n * k) % 8]} {k}"} for k in range(6)]
        (folder / f"{n}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def stamps(folder: Path, gate: str) -> dict[str, tuple[int, int]]:
    found = {path: path.stat() for path in folder.glob(GATES[gate])}
    # Times tell when a file was used last, too.
    return {path.name: (stat.st_ino, stat.st_size) for path, stat in found.items()}


def counted(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def content(out: Path) -> Any:
    ledger = json.loads((out / "ledger.json").read_text())
    return pq.read_table(out / "data").to_pylist(), ledger["sources"], ledger["total"]


@pytest.mark.parametrize(
    ("start", "left"), [(CLUSTER, TASKS), (THREADS, THREAD)], ids=["cluster", "threads"]
)
def test_a_cell_is_interrupted_at_every_stage_and_goes_on(
    kernel: Kernel, tmp_path: Path, start: str, left: str
) -> None:
    write_sources(tmp_path)
    assert not errors(kernel.run(f"{SETTINGS}\n{start}"))
    interrupted = {gate: interrupted_at(gate, kernel, tmp_path, left) for gate in GATES}
    assert not errors(kernel.run("tally = gates.run('.')"))
    for gate, (finished, begun) in interrupted.items():
        assert stamps(tmp_path, gate).items() >= finished.items()
        # Those in work may be lost, and of each worker one that had passed and was not kept yet.
        assert begun - len(finished) <= 2 * WORKERS
        assert counted(tmp_path / f"{gate}.begun") - begun <= PARTS - len(finished)
    assert content(tmp_path / "out") == content(uninterrupted(tmp_path / "whole"))


def interrupted_at(
    gate: str, kernel: Kernel, folder: Path, left: str
) -> tuple[dict[str, Any], int]:
    """Interrupt a run where all workers wait at the gate; what is finished, of how many begun."""
    waiting, begun, passed = (folder / f"{gate}.{what}" for what in ("waiting", "begun", "passed"))
    heard = kernel.run("gates.run('.')", until=lambda: counted(waiting) == WORKERS)
    assert errors(heard) == ["KeyboardInterrupt"]
    shown = of(heard, "display_data", "update_display_data")[-1]["content"]["data"]
    assert "stopped after" in shown["text/plain"].splitlines()[-1]
    if left == TASKS:
        until(lambda: kernel.value(left) == "[]")  # though the workers are at it yet
    finished, before = stamps(folder, gate), counted(begun)
    assert FIRST <= len(finished) < PARTS
    (folder / f"{gate}.open").touch()
    until(lambda: counted(passed) == WORKERS)
    until(lambda: kernel.value(left) == "[]")
    assert counted(begun) == before  # nobody took up what was left
    return finished, before


def uninterrupted(folder: Path) -> Path:
    """The output of the same run, left alone."""
    folder.mkdir()
    write_sources(folder)
    for gate in GATES:
        (folder / f"{gate}.open").touch()
    with dask.config.set({"datamerge.workdir": str(folder / "work")}):
        run(str(folder))
    return folder / "out"
