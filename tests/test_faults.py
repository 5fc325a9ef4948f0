"""Faults as they happen, to real processes: the output is that of a run in peace.

Or an error says what to do, nothing is lost, and the same run again completes.
"""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dask
import pytest
from processes import Process, a_cluster, small_disk

import datamerge as dm
from datamerge import cluster, recipe
from datamerge.compute.progress import Progress
from datamerge.workdir import running

SAMPLE = Path(dm.__file__).parent / "assets" / "sample"
ROWS = 1000
RECIPE = """
sources:
  - {{path: {sample}/sharegpt.jsonl, blocksize: 40kB}}
  - {{path: {sample}/openai.jsonl, blocksize: 40kB}}
  - {{path: {folder}/many.jsonl, blocksize: 40kB}}
steps:
  - clean.unicode
  - filters.language: [en]
  - filters.phrases: refusals
  - dedup.exact
  - dedup.minhash: {{threshold: 0.7}}
  - dedup.semantic: {{threshold: 0.95}}
"""
STAGES = ("prepare", "exact", "shingle", "embed", "write")


def talk_of(line: str) -> list[dict[str, str]] | None:
    """Question and answer of a record, if it is in order."""
    try:
        talk = json.loads(line)["conversations"]
        return talk if all(isinstance(turn["value"], str) for turn in talk[:2]) else None
    except (ValueError, KeyError, TypeError):
        return None


def write_many(path: Path) -> None:
    """Real chats, many times over, each with a few words of another in it."""
    talks = [talk for talk in map(talk_of, (SAMPLE / "sharegpt.jsonl").open()) if talk]
    drawn = random.Random(7)
    with path.open("w") as file:
        for _ in range(ROWS):
            one, other = drawn.choice(talks), drawn.choice(talks)
            words = other[-1]["value"].split()
            start = drawn.randrange(max(1, len(words) - 6))
            answer = f"{one[-1]['value']} {' '.join(words[start : start + drawn.randrange(6)])}"
            chat = {"conversations": [one[0], {"from": "gpt", "value": answer}]}
            file.write(json.dumps(chat) + "\n")


@dataclass
class Case:
    """A recipe, what it makes in peace, and where to make it again."""

    recipe: Path
    peace: Path
    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def environment(self) -> dict[str, str]:
        return {"DATAMERGE_WORKDIR": str(self.work)}

    def run(self, **more: object) -> None:
        recipe.run(recipe.load(self.recipe), more.get("out", self.out))

    def cli(self, *arguments: object, out: Path | None = None, **environment: str) -> Process:
        given = [
            "run",
            self.recipe,
            "--out",
            out or self.out,
            *(arguments or ["--cluster", "none"]),
        ]
        return Process("datamerge.cli", *map(str, given), **self.environment, **environment)

    def check(self, out: Path | None = None) -> None:
        """It is what is made in peace, byte for byte."""
        assert content(out or self.out) == content(self.peace)
        assert not (self.out / ".run").exists()


def content(out: Path) -> dict[str, bytes]:
    """All files but for the notes of the run itself."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.name != ".run.json"
    }


@pytest.fixture(scope="module")
def peace(tmp_path_factory) -> tuple[Path, Path]:
    """The recipe, and its output by threads of this process."""
    folder = tmp_path_factory.mktemp("peace")
    write_many(folder / "many.jsonl")
    (folder / "recipe.yaml").write_text(RECIPE.format(sample=SAMPLE, folder=folder))
    with dask.config.set({"datamerge.workdir": str(folder / "work"), "scheduler": "threads"}):
        recipe.run(recipe.load(folder / "recipe.yaml"), folder / "out")
    kinds = {path.name for path in (folder / "out" / "pairs").iterdir()}
    assert len(kinds) == 3 and len(list((folder / "out" / "data").iterdir())) > 10
    return folder / "recipe.yaml", folder / "out"


@pytest.fixture
def case(peace, tmp_path) -> Iterator[Case]:
    """Settings of its own; nothing waits long for what is gone."""
    made = Case(*peace, tmp_path)
    settings = {
        "datamerge.workdir": str(made.work),
        "scheduler": None,
        "distributed.comm.timeouts.connect": "3s",
    }
    with dask.config.set(settings):
        yield made


class At:
    """A reporter that does something once in each of some stages, when so many parts are done."""

    def __init__(self, stages: dict[str, int], act: Callable[[], None]):
        self.left, self.act = dict(stages), act
        self.done: list[str] = []

    def __call__(self, progress: Progress) -> None:
        if progress.stage in self.left and progress.done >= self.left[progress.stage]:
            del self.left[progress.stage]
            self.done.append(progress.stage)
            self.act()


def test_workers_are_killed_in_every_stage(case):
    drawn = random.Random(1)

    with a_cluster(case.folder, workers=3, **case.environment) as processes:

        def kill() -> None:
            processes.kill(drawn.choice(processes.workers))
            processes.add_worker()

        killing = At({stage: drawn.randrange(1, 9) for stage in STAGES}, kill)
        with (
            cluster.start(address=processes.address),
            dask.config.set({"datamerge.reporter": killing}),
        ):
            case.run()
        assert killing.done == list(STAGES)
    case.check()


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
        kept = [path for kind in ("frames", "embeddings", "pairs", "sets")
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
    vectors = [path for path in kept if path.suffix == ".vectors"]
    assert vectors
