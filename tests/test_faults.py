"""Faults as they happen, to real processes: the output is that of a run in peace.

Or an error says what to do, nothing is lost, and the same run again completes. What happens to
workers is in `test_faults_workers`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
from faults import At, Case, disturbed, in_peace
from processes import a_cluster, small_disk

from datamerge import cluster, workdir
from datamerge.read import ReadError
from datamerge.workdir import running

FINDERS = """
  - dedup.minhash: {threshold: 0.7}
  - dedup.semantic: {threshold: 0.95}
"""


@pytest.fixture(scope="module")
def peace(tmp_path_factory) -> tuple[Path, Path]:
    """The recipe, and its output in peace."""
    made, out = in_peace(tmp_path_factory.mktemp("peace"), FINDERS)
    kinds = {path.name for path in (out / "pairs").iterdir()}
    assert len(kinds) == 3 and len(list((out / "data").iterdir())) > 10
    return made, out


@pytest.fixture
def case(peace, tmp_path) -> Iterator[Case]:
    with disturbed(peace, tmp_path) as made:
        yield made


@pytest.mark.parametrize("stage", ["prepare", "write"])
def test_the_scheduler_is_killed(case, stage):
    with a_cluster(case.folder, **case.environment) as processes:
        kill = At({stage: 4}, lambda: processes.scheduler.send(signal.SIGKILL))
        with (
            dask.config.set({"datamerge.reporter": kill}),
            pytest.raises(RuntimeError, match="goes on where it stopped"),
            cluster.start(address=processes.address),
        ):
            case.run()
    assert kill.done == [stage] and not (case.out / "ledger.json").exists()
    kept = {path: path.stat().st_ino for path in case.work.glob("frames/*.arrow")}
    assert kept
    with (
        a_cluster(case.folder, **case.environment) as processes,
        cluster.start(address=processes.address),
    ):
        case.run()
    assert {path: path.stat().st_ino for path in kept} == kept  # none was made again
    case.check()


def test_the_client_is_killed_and_the_cluster_stays(case):
    with a_cluster(case.folder, **case.environment) as processes:
        for watched in ("embeddings/*.vectors", "../out/.run/part-*.json"):
            client = case.cli("--cluster", processes.address)
            while not any(case.work.glob(watched)):
                assert client.process.poll() is None, "".join(client.said)
                time.sleep(0.005)
            client.send(signal.SIGKILL)
            assert client.wait() == -signal.SIGKILL
            assert not (case.out / "ledger.json").exists()
        assert case.cli("--cluster", processes.address).wait() == 0
    case.check()


def test_a_worker_stands_still_and_goes_on(case):
    """Longer than the scheduler waits for it: its tasks are done by others, and by itself too."""
    ttl = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "2s"}
    with a_cluster(case.folder, **case.environment, **ttl) as processes:
        still = processes.workers[0]
        gone = threading.Event()

        def stop() -> None:
            still.send(signal.SIGSTOP)
            threading.Thread(target=go_on, daemon=True).start()

        def go_on() -> None:
            processes.scheduler.says("Worker failed to heartbeat")
            gone.set()
            still.send(signal.SIGCONT)

        stopping = At({"write": 5}, stop)
        with (
            cluster.start(address=processes.address),
            dask.config.set({"datamerge.reporter": stopping}),
        ):
            case.run()
        assert gone.is_set() and stopping.done
        still.wait()  # it ends, or nobody knows what it still writes
    case.check()


@pytest.mark.parametrize(("where", "size"), [("out", "150k"), ("work", "250k"), ("work", "1100k")])
def test_the_disk_is_full(case, where, size):
    """Of the output, or of the work directory: with frames, or with what is compared."""
    with small_disk(case.folder / where, size) as resize:
        if resize is None:
            pytest.skip("a file system can't be mounted here")
        out = case.folder / where / "out" if where == "out" else case.out
        full = case.cli(out=out)
        assert full.wait() == 1
        assert "no room left for" in full.said[-1] and "goes on where it stopped" in full.said[-1]
        assert not list((case.folder / where).rglob("*.tmp"))
        resize("200m")
        assert case.cli(out=out).wait() == 0
        case.check(out)


def test_there_is_no_room_to_spill(case):
    """What can't be spilled stays in memory, as far as that goes."""
    memory = {
        "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "0.000001",
        "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "false",
    }
    with small_disk(case.folder / "spilled", "16k") as resize:
        if resize is None:
            pytest.skip("a file system can't be mounted here")
        with a_cluster(case.folder, **case.environment, **memory) as processes:
            with cluster.start(address=processes.address):
                case.run()
            said = "".join("".join(worker.said) for worker in processes.workers)
            assert "Spill to disk failed" in said
    case.check()


def test_two_runs_at_once(case):
    """The same recipe and work directory, two outputs; then again, from what both have kept."""
    outs = [case.folder / "one", case.folder / "two"]
    started = [case.cli(out=out) for out in outs]
    for process, out in zip(started, outs, strict=True):
        assert process.wait() == 0, "".join(process.said)
        case.check(out)
    left = [path for kind in case.work.iterdir() for path in kind.iterdir()]
    assert not [path for path in left if path.name.startswith(".")]
    with dask.config.set(scheduler="threads"):
        case.run()
    case.check()


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip])
def test_everything_that_was_kept_is_damaged(case, damage):
    with dask.config.set(scheduler="threads"):
        case.run()
        kept = [path for kind in workdir.KINDS
                for path in (case.work / kind).rglob("*") if path.is_file()]  # fmt: skip
        for path in kept:
            if path.name != "about.json":
                damage(path)
        cut(max((case.out / "data").iterdir()))
        running.end()
    again = case.cli()
    assert again.wait() == 0, "".join(again.said)
    assert "is made whole again" in "".join(again.said)
    case.check()
    assert {"frames", "compared", "embeddings", "pairs"} <= {
        path.relative_to(case.work).parts[0] for path in kept
    }


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(path.read_bytes())


@pytest.mark.parametrize("change", [append, Path.unlink])
def test_a_source_is_changed_while_it_is_read(case, change):
    source = case.recipe.parent / "many.jsonl"
    before = source.read_bytes()
    changing = At({"prepare": 3}, lambda: change(source))
    with dask.config.set({"scheduler": "threads", "num_workers": 1}):
        try:
            with (
                dask.config.set({"datamerge.reporter": changing}),
                pytest.raises(ReadError, match=r"many\.jsonl was changed or removed while the run"),
            ):
                case.run()
        finally:
            source.write_bytes(before)
        kept = list(case.work.glob("frames/*.arrow"))
        assert kept and not (case.out / "ledger.json").exists()
        case.run()
    case.check()
