"""Time the main job beside its peers: JSON Lines, language, phrases, Parquet, on two cores.

    python benchmarks/pipeline.py [alpaca_eval_60.parquet] [--rounds 3] [--only datamerge polars]

Every run is a process of its own; the tools take turns, and the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import orjson
import pipeline_floor
import pyarrow.parquet as pq
from measure import Cost, cost_of, pin
from pipeline_jobs import CORES, JOBS, Job, is_kept_language, phrases

RULES = {"language and phrases": True, "phrases alone": False}


@dataclass
class Runs:
    """What one tool took in each round, and the rows it kept."""

    whole: list[Cost] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    kept: np.ndarray | None = None

    def median(self) -> dict[str, float]:
        return {
            "work": statistics.median(self.work),
            "whole": statistics.median(cost.wall for cost in self.whole),
            "cpu": statistics.median(cost.cpu for cost in self.whole),
            "peak": statistics.median(cost.peak for cost in self.whole) / 1e6,
        }


def main() -> None:
    given = arguments()
    if given.job:
        run_job(given.job, Job(given.data, given.out, given.language))
        return
    if not given.data.is_file():
        sys.exit(f"{given.data} is missing; give its path, or its folder in DATAMERGE_DATA")
    cores = pin(CORES)
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
        source = write_lines(given.data, Path(folder), given.copies)
        print(machine(cores, source), flush=True)
        tools = [name for name in given.only if present(name)]
        for title, by_language in RULES.items():
            truth = plain_rows(source, by_language)
            runs = timed(tools, source, by_language, given.rounds)
            print(f"\n## {title}: {len(truth):,} rows should stay\n")
            print("\n".join(table(runs, truth)), flush=True)
        print("\n## Floor: the parts alone\n")
        print("\n".join(pipeline_floor.lines(source)))


def arguments() -> argparse.Namespace:
    data = Path(os.environ.get("DATAMERGE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    default = data / "bench" / "alpaca_eval_60.parquet"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, default=default)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=1, help="how often the rows are repeated")
    parser.add_argument("--only", nargs="+", choices=list(JOBS), default=list(JOBS))
    for hidden, kind in (("--job", str), ("--out", Path)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    parser.add_argument("--language", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def write_lines(parquet: Path, folder: Path, copies: int) -> Path:
    """The rows as chats, one JSON object a line; and the same in two files, in ``halves``."""
    rows = pq.read_table(parquet, columns=["generator", "instruction", "output"]).to_pylist()
    source = folder / "chats.jsonl"
    (folder / "halves").mkdir()
    with ExitStack() as files:
        whole = files.enter_context(source.open("wb"))
        halves = [files.enter_context((folder / f"halves/{n}.jsonl").open("wb")) for n in (0, 1)]
        for number in range(copies * len(rows)):
            line = orjson.dumps(chat(rows[number % len(rows)], number)) + b"\n"
            whole.write(line)
            halves[2 * number // (copies * len(rows))].write(line)
    return source


def chat(row: dict[str, str], number: int) -> dict[str, object]:
    turns = zip(("user", "assistant"), (row["instruction"], row["output"]), strict=True)
    messages = [{"role": role, "content": content} for role, content in turns]
    return {"messages": messages, "generator": row["generator"], "row": number}


def plain_rows(source: Path, by_language: bool) -> np.ndarray:
    """The rows to keep, found the plain slow way; each answer is judged once."""
    kept = []
    judged: dict[str, bool] = {}
    for line in source.open("rb"):
        record = orjson.loads(line)
        answer = record["messages"][1]["content"]
        if answer not in judged:
            judged[answer] = not holds_phrase(answer)
            judged[answer] &= not by_language or is_kept_language(answer)
        if judged[answer]:
            kept.append(record["row"])
    return np.array(kept)


def holds_phrase(text: str) -> bool:
    """One phrase after another; what is found must not begin or end within a word."""
    folded = " ".join(text.lower().replace("’", "'").split())
    return any(
        re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", folded)
        for phrase in phrases()
        if phrase in folded
    )


def present(name: str) -> bool:
    package = name.partition(",")[0]
    if find_spec(package) is None:
        print(f"{name}: not installed, left out")
        return False
    return True


def timed(tools: Iterable[str], source: Path, by_language: bool, rounds: int) -> dict[str, Runs]:
    """Run every tool once a round, in turns, so that a busy spell of the machine hits all."""
    runs = {name: Runs() for name in tools}
    for _ in range(rounds):
        for name, found in runs.items():
            out = source.parent / "out"
            out.mkdir()
            cost = cost_of(command(name, source, out, by_language), dict(os.environ) | LIMITS)
            found.whole.append(cost)
            found.work.append(json.loads(cost.output.splitlines()[-1])["work"])
            found.kept = rows_in(out)
            shutil.rmtree(out)
    return runs


# One thread for each of the two processes or two for the one, whichever a tool has; and compiled
# modules are kept, as they are for a package that is installed.
LIMITS = {
    "POLARS_MAX_THREADS": str(CORES),
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONDONTWRITEBYTECODE": "",
}


def command(name: str, source: Path, out: Path, by_language: bool) -> list[str]:
    options = ["--job", name, "--out", str(out), *(["--language"] if by_language else [])]
    return [sys.executable, __file__, str(source), *options]


def run_job(name: str, job: Job) -> None:
    work = JOBS[name](job)
    started = time.perf_counter()
    work()
    print(json.dumps({"work": time.perf_counter() - started}))


def rows_in(out: Path) -> np.ndarray:
    """The numbers of the rows in an output; datamerge has them in ``meta``."""
    found: list[int] = []
    for file in sorted((out / "data" if (out / "data").is_dir() else out).glob("*.parquet")):
        names = pq.read_schema(file).names
        if "row" in names:
            found += pq.read_table(file, columns=["row"])["row"].to_pylist()
        else:
            metas = pq.read_table(file, columns=["meta"])["meta"].to_pylist()
            found += [orjson.loads(meta)["row"] for meta in metas]
    return np.array(found)


def table(runs: dict[str, Runs], truth: np.ndarray) -> Iterator[str]:
    yield "| tool | work s | ratio | whole s | ratio | CPU s | MB | kept | recall | precision |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    first = next(iter(runs.values())).median()
    for name, found in runs.items():
        took, kept = found.median(), found.kept if found.kept is not None else np.zeros(0)
        right = len(np.intersect1d(kept, truth))
        yield (
            f"| {name} | {took['work']:.2f} | {took['work'] / first['work']:.2f} "
            f"| {took['whole']:.2f} | {took['whole'] / first['whole']:.2f} | {took['cpu']:.1f} "
            f"| {took['peak']:,.0f} | {len(kept):,} | {right / len(truth):.5f} "
            f"| {right / max(len(kept), 1):.5f} |"
        )


def machine(cores: list[int], source: Path) -> str:
    packages = ["dask", "pyarrow", "py3langid", "polars", "duckdb", "datasets", "datatrove"]
    versions = ", ".join(f"{name} {version(name)}" for name in packages if find_spec(name))
    size = source.stat().st_size / 1e6
    return f"{len(cores)} cores, Python {platform.python_version()}, {versions}; {size:.0f} MB"


if __name__ == "__main__":
    main()
