"""Time every kind of deduplication beside its peers, on two cores.

    python benchmarks/dedup.py [--jobs answers lines] [--only "datamerge jaccard" rensa]
        [--rounds 3] [--rows 20000] [--slow] [--python NAME=PATH ...]

Every run is a process of its own; the tools take turns, and the median of the rounds counts.
What was measured is kept: a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from dedup_cases import CASES, GROWING, GROWTH, NAMES, SHARE, Case
from dedup_checks import Checks
from dedup_data import WHOLE, Inputs
from dedup_job import CORES, Job
from dedup_jobs import MODULES, tools
from dedup_tables import Measured, growth_table, table
from measure import cost_of, pin

HERE = Path(__file__).parent
LIMITS = {
    "POLARS_MAX_THREADS": str(CORES),
    "RAYON_NUM_THREADS": str(CORES),
    "HF_HUB_OFFLINE": "1",
    "PYTHONDONTWRITEBYTECODE": "",
}
PACKAGES = [
    "numpy", "pyarrow", "dask", "numba", "torch", "gaoya", "rensa", "datasketch", "datatrove",
    "faiss-cpu", "usearch", "semhash", "model2vec", "polars", "duckdb", "pandas", "scipy",
]  # fmt: skip


def main() -> None:
    given = arguments()
    cores = pin(CORES)
    bench = Bench(given)
    print(machine(cores), flush=True)
    for case in CASES:
        if case.name in given.jobs and bench.chosen(case):
            bench.run(case)
            print(
                f"\n### {case.title}\n\n" + "\n".join(table(case.columns, bench.measured_of(case))),
                flush=True,
            )
    if "growth" in given.jobs:
        print("\n### Growth: seconds of work by lines\n\n" + "\n".join(bench.growth()), flush=True)
    bench.finish()


def arguments() -> argparse.Namespace:
    data = Path(os.environ.get("DATAMERGE_DATA", HERE.parents[1] / "shared" / "data"))
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "datamerge-bench"
    every = sorted({tool for kind in MODULES for tool in tools(kind)})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data / "bench", help="where the files are")
    parser.add_argument("--cache", type=Path, default=home, help="for inputs, truths, results")
    parser.add_argument("--jobs", nargs="+", choices=NAMES, default=NAMES, metavar="JOB")
    parser.add_argument("--only", nargs="+", choices=every, default=every, metavar="TOOL")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, help="at most so many rows, to try things out")
    parser.add_argument("--slow", action="store_true", help="the slow tools too")
    parser.add_argument("--patience", type=float, default=15, help="seconds; slower ones run once")
    parser.add_argument("--python", nargs="+", default=[], metavar="TOOL=PATH", type=named)
    parser.add_argument("--fresh", action="store_true", help="forget an interrupted run")
    return parser.parse_args()


def named(text: str) -> tuple[str, str]:
    tool, _, path = text.partition("=")
    if not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not TOOL=PATH")
    return tool, path


class Bench:
    """Runs tools in turns, and keeps what was measured in a file."""

    def __init__(self, given: argparse.Namespace):
        self.given = given
        self.inputs = Inputs(given.data, given.cache, say)
        self.checks = Checks(self.inputs)
        self.pythons = dict(given.python)
        self.file = given.cache / "dedup-unfinished.json"
        if given.fresh:
            self.file.unlink(missing_ok=True)
        self.results: dict[str, list[Measured]] = {}
        if self.file.exists():
            self.results = json.loads(self.file.read_text())
            say(f"going on with {self.file}")
        self.warm: set[tuple[str, str]] = set()

    def run(self, case: Case) -> None:
        for number in range(1 if case.once else self.given.rounds):
            for tool in self.chosen(case):
                runs = self.of(case.name, tool)
                if len(runs) > number or self.enough(runs):
                    continue
                job = self.job(case, tool, self.given.rows)
                self.warm_up(case.kind, tool, lambda tool=tool: self.job(case, tool, 2000))
                say(f"{case.name}, round {number + 1}: {tool}")
                self.add(case.name, tool, self.measured(case.kind, tool, job, check=not runs))

    def chosen(self, case: Case) -> list[str]:
        if case.only_slow and not self.given.slow:
            return []
        wanted = [*case.tools, *(case.slow if self.given.slow else ())]
        return [tool for tool in wanted if tool in self.given.only]

    def enough(self, runs: Sequence[Measured]) -> bool:
        return any("failed" in run or run["whole"] > self.given.patience for run in runs)

    def job(self, case: Case, tool: str, rows: int | None) -> Job:
        source = case.source(self.inputs, rows)
        return Job(source, self.given.cache / "out", self.options(case, tool, source))

    def options(self, case: Case, tool: str, source: Path) -> dict[str, Any]:
        options = dict(case.options)
        if case.kind == "pairs" and len(np.load(source, mmap_mode="r")) > WHOLE:
            options["share"] = SHARE
        return options | self.model(tool)

    def model(self, tool: str) -> dict[str, Any]:
        return {"model": str(self.inputs.static_model())} if tool == "semhash" else {}

    def warm_up(self, kind: str, tool: str, small: Callable[[], Job]) -> None:
        """Once on a few rows, so that nothing is compiled while the clock runs."""
        if tool.startswith("datamerge") and (kind, tool) not in self.warm:
            self.warm.add((kind, tool))
            self.measured(kind, tool, small(), check=False)

    def measured(self, kind: str, tool: str, job: Job, *, check: bool) -> Measured:
        shutil.rmtree(job.out, ignore_errors=True)
        job.out.mkdir()
        python = self.pythons.get(tool, sys.executable)
        command = [python, str(HERE / "dedup_jobs.py"), job.spoken(kind, tool)]
        env = dict(os.environ) | LIMITS | {"DATAMERGE_WORKDIR": str(job.out / "work")}
        try:
            cost = cost_of(command, env)
        except RuntimeError as error:
            say(f"{tool} failed: {str(error)[-2000:]}")
            return {"failed": str(error).strip().splitlines()[-1][:200]}
        said = json.loads(cost.output.splitlines()[-1])
        found = {"whole": cost.wall, "cpu": cost.cpu, "peak": cost.peak / 1e6} | said
        if check:
            found |= getattr(self.checks, kind)(job)
        shutil.rmtree(job.out)
        return found

    def key(self, name: str, tool: str) -> str:
        return f"{name} / {self.given.rows or 'all'} / {tool}"

    def of(self, name: str, tool: str) -> list[Measured]:
        return self.results.setdefault(self.key(name, tool), [])

    def add(self, name: str, tool: str, found: Measured) -> None:
        self.of(name, tool).append(found)
        half = self.file.with_suffix(".half")
        half.write_text(json.dumps(self.results, indent=1))
        half.rename(self.file)

    def finish(self) -> None:
        """Results of a run that is over bear its time; the next one begins anew."""
        if self.file.exists():
            kept = self.file.with_name(time.strftime("dedup-%Y%m%d-%H%M%S.json"))
            self.file.rename(kept)
            say(f"results are in {kept}")

    def measured_of(self, case: Case) -> dict[str, list[Measured]]:
        return {tool: self.of(case.name, tool) for tool in self.chosen(case)}

    def growth(self) -> Iterator[str]:
        most = self.given.rows
        sizes = [most * size // GROWTH[-1] for size in GROWTH] if most else list(GROWTH)
        tools = [tool for tool in GROWING if tool in self.given.only]
        took = {tool: [self.grown(tool, size) for size in sizes] for tool in tools}
        yield from growth_table(sizes, took)

    def grown(self, tool: str, size: int) -> float:
        kind, options = GROWING[tool]
        name = f"growth-{size}"
        if not self.of(name, tool):
            say(f"growth: {tool}, {size:,} lines")
            source, out = self.inputs.texts("lines", size), self.given.cache / "out"
            self.warm_up(kind, tool, lambda: Job(self.inputs.texts("lines", 2000), out, options))
            job = Job(source, out, options)
            self.add(name, tool, self.measured(kind, tool, job, check=False))
        return self.of(name, tool)[0].get("work", float("nan"))


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def machine(cores: Sequence[int]) -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return f"{len(cores)} cores, Python {platform.python_version()}; {', '.join(found)}"


if __name__ == "__main__":
    main()
