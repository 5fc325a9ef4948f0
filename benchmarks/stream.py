"""An input many times larger than the workers' memory, from JSON Lines to a deduplicated set.

Read, language and phrases filtered, exact, MinHash and semantic duplicates removed, written: by
two worker processes of 1 GiB each, which Dask's nannies end where they take more. For every size
it prints the peak memory of every process, and over the sizes how time grows. What was measured is
kept beside the data: the same command goes on with the sizes that are missing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import stream_data

SIZES = (0.1, 0.3, 1.0, 3.0, 10.0)
EVERY_SECONDS = 0.1
MIB, GB = 2**20, 10**9


def shards(size: float, answers: Path, cache: Path) -> list[Path]:
    """Files of so many GB together, made where they are missing."""
    cache.mkdir(parents=True, exist_ok=True)
    made_from, found, total = None, [], 0
    while total < size * GB:
        path = cache / f"{len(found):04d}.jsonl"
        if not path.exists():
            made_from = made_from or stream_data.texts(answers, cache)
            stream_data.write_shard(made_from, len(found), path)
        found.append(path)
        total += path.stat().st_size
    return found


class Memory:
    """Looks at all processes now and then; of each it remembers the most it held, by its name."""

    def __init__(self, names: dict[int, str]):
        self.names, self.peaks, self.over = names, Counter(), threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.over.wait(EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        together = 0
        for pid, name in list(self.names.items()):
            with contextlib.suppress(psutil.NoSuchProcess):
                held = psutil.Process(pid).memory_info().rss
                self.peaks[name] = max(self.peaks[name], held)
                together += held if name.startswith("worker") else 0
        self.peaks["workers together"] = max(self.peaks["workers together"], together)

    def stop(self) -> dict[str, float]:
        self.over.set()
        self.thread.join()
        return {name: round(held / MIB) for name, held in sorted(self.peaks.items())}


class Stages:
    """Seconds of each stage, as the reporter is told of them; another one of a name is added."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.last = time.perf_counter()
        self.where = ("", 0)

    def __call__(self, progress: Any) -> None:
        now = time.perf_counter()
        self.seconds[progress.stage] += now - self.last
        self.last = now
        where = (progress.stage, progress.done * 10 // progress.total)
        if where != self.where:
            self.where = where
            done = f"{progress.done}/{progress.total}"
            print(f"  {time.strftime('%X')} {progress.stage} {done}", file=sys.stderr, flush=True)


def chain(files: Sequence[Path], out: str, mode: str) -> Any:
    import datamerge as dm

    folder = files[0].parent
    df = dm.read({"path": str(folder), "data_files": [f.name for f in files], "name": "chats"})
    df = df.pipe(dm.filters.language, keep=["en"]).pipe(dm.filters.phrases, "refusals")
    df = dm.dedup.exact(df).mark()
    df = dm.dedup.minhash(df).mark()
    df = dm.dedup.semantic(df, mode=mode).mark()
    return dm.write(df, out)


def started(work: Path, given: argparse.Namespace) -> Any:
    """A cluster of the workers that are asked for, with an empty work directory."""
    from distributed import LocalCluster

    os.environ["DATAMERGE_WORKDIR"] = str(work / "work")
    warnings.simplefilter("ignore")
    return LocalCluster(
        n_workers=given.workers,
        threads_per_worker=1,
        memory_limit=given.memory,
        dashboard_address=None,
        host="127.0.0.1",
        local_directory=str(work),
    )


def measured(files: Sequence[Path], work: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Run the chain on a cluster of its own."""
    import dask
    from distributed import Client

    with started(work, given) as cluster, Client(cluster) as client:
        names = {pid: f"worker {n}" for n, pid in enumerate(client.run(os.getpid).values())}
        memory, stages = Memory({os.getpid(): "client and scheduler", **names}), Stages()
        begun = time.perf_counter()
        with dask.config.set({"datamerge.reporter": stages}):
            tally = chain(files, str(work / "out"), given.mode)
        seconds = time.perf_counter() - begun
        peaks = memory.stop()
        restarted = set(client.run(os.getpid).values()) != set(names)
    return {
        "bytes": sum(file.stat().st_size for file in files),
        "rows": tally.total["read"],
        "kept": tally.total["kept"],
        "removed": tally.total["removed"],
        "seconds": seconds,
        "stages": {name: round(took, 1) for name, took in stages.seconds.most_common()},
        "peaks": peaks,
        "a worker was ended": restarted,
        "disk": sum(f.stat().st_size for f in (work / "work").rglob("*") if f.is_file()),
        "fates": fates(work / "out"),
    }


def fates(out: Path) -> dict[str, dict[str, int]]:
    """How many rows of each kind went, and for which reason."""
    found: dict[str, Counter[str]] = {kind: Counter() for kind in stream_data.KINDS}
    for folder in ("data", "removed"):
        for path in sorted((out / folder).glob("*.parquet")):
            for kind, reason in _fates(path):
                found[kind][reason] += 1
    return {kind: dict(counts) for kind, counts in found.items()}


def _fates(path: Path) -> Iterator[tuple[str, str]]:
    file = pq.ParquetFile(path)
    names = [name for name in ("meta", "drop_reason") if name in file.schema_arrow.names]
    for batch in file.iter_batches(columns=names):
        reasons = batch["drop_reason"].to_pylist() if len(names) > 1 else ["kept"] * len(batch)
        for meta, reason in zip(batch["meta"].to_pylist(), reasons, strict=True):
            yield json.loads(meta)["kind"], reason


def told(results: dict[float, dict[str, Any]]) -> Iterator[str]:
    """What was measured, as tables."""
    names = sorted({name for one in results.values() for name in one["peaks"]})
    yield "| GB | rows | kept | s | rows/s | " + " | ".join(f"{name}, MiB" for name in names) + " |"
    yield "|--:" * (5 + len(names)) + "|"
    for size, one in results.items():
        cells = [f"{size:g}", f"{one['rows']:,}", f"{one['kept']:,}", f"{one['seconds']:,.0f}"]
        cells += [f"{one['rows'] / one['seconds']:,.0f}"]
        cells += [f"{one['peaks'].get(name, 0):,.0f}" for name in names]
        yield "| " + " | ".join(cells) + " |"
    last = list(results.values())[-1]
    yield from ("", "| kind of row | " + " | ".join(_reasons(last)) + " |")
    yield "|---" + "|--:" * len(_reasons(last)) + "|"
    for kind, counts in last["fates"].items():
        cells = [f"{counts.get(reason, 0):,}" for reason in _reasons(last)]
        yield f"| {kind} | {' | '.join(cells)} |"
    yield ""
    for name, growth in exponents(results).items():
        yield f"{name}: time grows with the size to the power of {growth:.2f}"
    stages = ", ".join(f"{name} {took:,.0f}" for name, took in last["stages"].items())
    yield f"Seconds of {max(results):g} GB by stage: {stages}"


def _reasons(one: dict[str, Any]) -> list[str]:
    found = {reason for counts in one["fates"].values() for reason in counts}
    return ["kept", *sorted(found - {"kept"})]


def exponents(results: dict[float, dict[str, Any]]) -> dict[str, float]:
    """Between sizes that follow each other, and over all: the slope of time in logarithms."""
    points = [(one["bytes"], one["seconds"]) for one in results.values()]
    names = [f"{size:g}" for size in results]
    steps = [(a, a + 1) for a in range(len(points) - 1)]
    steps += [(0, len(points) - 1)] if len(points) > 2 else []
    return {
        f"{names[a]} to {names[b]} GB": math.log(points[b][1] / points[a][1])
        / math.log(points[b][0] / points[a][0])
        for a, b in steps
    }


def run(size: float, given: argparse.Namespace, answers: Path) -> Path:
    """Run a size in a process of its own; what was measured is in the file."""
    shards(size, answers, given.folder / "input")
    print(f"{size:g} GB", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, *sys.argv, "--one", str(size)], check=True)
    if not given.keep:
        shutil.rmtree(given.folder / f"run-{size:g}-{given.mode}")
    return Path(given.folder) / f"{size:g}-{given.mode}.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=float, default=SIZES, help="in GB")
    parser.add_argument("--data", type=Path, default=os.environ.get("DATAMERGE_DATA"))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "stream")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", default="1GiB", help="of a worker")
    parser.add_argument("--mode", choices=["exact", "clustered"], default="exact")
    parser.add_argument("--keep", action="store_true", help="leave outputs where they are")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    data = given.data or Path(__file__).parents[2] / "shared" / "data"
    answers = data / "bench" / "alpaca_eval_60.parquet"
    if given.one is not None:
        work = given.folder / f"run-{given.one:g}-{given.mode}"
        work.mkdir(parents=True, exist_ok=True)
        found = measured(shards(given.one, answers, given.folder / "input"), work, given)
        (given.folder / f"{given.one:g}-{given.mode}.json").write_text(json.dumps(found))
        return
    results = {}
    compiled = given.folder / "compiled"
    if not compiled.exists():  # once on a machine, and not what is measured
        run(min(given.sizes), given, answers).unlink()
        compiled.touch()
    for size in sorted(given.sizes):
        kept = given.folder / f"{size:g}-{given.mode}.json"
        if not kept.exists():
            run(size, given, answers)
        results[size] = json.loads(kept.read_text())
        print("\n".join(told(results)), flush=True)


if __name__ == "__main__":
    main()
