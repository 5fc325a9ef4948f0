"""How long the explorer of duplicates takes to answer when the threshold moves.

    python benchmarks/explorer.py --rows 1000000 --pairs 5000000

Makes evidence of so many rows and pairs, in communities of very uneven size whose rows are
scattered over the files, shows it in the explorer, and moves the slider to random places, as the
page does: from the question to the answer, without a browser. No peer does this: the budget is
100 ms on two cores, below which counts seem to follow the hand.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pyarrow as pa
from measure import pin

from datamerge.dedup import evidence
from datamerge.dedup.compared.rows import Compared
from datamerge.dedup.duplicates import Duplicates
from datamerge.dedup.evidence.pairs import PAIR, Pairs
from datamerge.dedup.evidence.search import Saved
from datamerge.explore.duplicates import duplicates

FLOOR = 0.75
SOURCES = 12


def pairs(rows: int, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """So many distinct pairs of rows, as records; which rows are near each other is random."""
    found = np.zeros(0, np.int64)
    while len(found) < wanted:
        more = wanted - len(found) + wanted // 10
        left = rng.integers(0, rows, more)
        right = left + np.minimum((rng.pareto(1.2, more) * 3).astype(np.int64) + 1, 1_000)
        inside = right < rows
        found = np.union1d(found, left[inside] * rows + right[inside])
    chosen = rng.choice(found, wanted, replace=False)
    scattered = rng.permutation(rows).astype(np.int32)
    made = np.empty(wanted, PAIR)
    made["left"], made["right"] = scattered[chosen // rows], scattered[chosen % rows]
    made["score"] = FLOOR + (1 - FLOOR) * rng.beta(1, 3, wanted)
    return made


def compared(rows: int, rng: np.random.Generator) -> Compared:
    """Rows of a few sources and files."""
    names = [f"source-{number}" for number in range(SOURCES)]
    source = rng.integers(0, SOURCES, rows)
    counts = np.bincount(source, minlength=SOURCES).tolist()
    ids = [f"web/part-{row * 40 // rows:02d}.jsonl#{row}" for row in range(rows)]
    return Compared(
        id=pa.array(ids, pa.large_string()),
        source=pa.array(names, pa.large_string()).take(pa.array(source)),
        chars=np.full(rows, 100),
        digest=np.zeros((rows, 2), np.uint64),
        place=np.zeros((rows, 2), np.int64),
        old=np.zeros(rows, bool),
        alive=dict(zip(names, counts, strict=True)),
    )


def made(folder: Path, rows: int, wanted: int, name: str, seed: int) -> tuple[str, Saved, float]:
    """What a finder might have found."""
    rng = np.random.default_rng(seed)
    about = {"how": name, "same": "exact", "word": name, "floor": FLOOR, "text": "chat"}
    found = Pairs(np.arange(rows), pairs(rows, wanted, rng), None)
    of_rows = compared(rows, np.random.default_rng(0))
    evidence.save(folder / name, of_rows, np.arange(rows), found, about)
    return name, Saved(folder / name, "frame", name, about, {}, None, None), 0.8


Times = list[tuple[float, float]]  # milliseconds by the clock, and of the processor


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    started, used = time.perf_counter(), time.process_time()
    work()
    return 1000 * (time.perf_counter() - started), 1000 * (time.process_time() - used)


def told(name: str, times: Times) -> str:
    wall, cpu = (list(each) for each in zip(*times, strict=True))
    ninety_fifth = (
        statistics.quantiles(wall, n=20, method="inclusive")[-1] if len(wall) > 1 else wall[0]
    )
    figures = (statistics.median(wall), ninety_fifth, max(wall), statistics.median(cpu))
    return f"| {name} | {' | '.join(f'{figure:.0f}' for figure in figures)} |"


def moves(widget: Any, count: int, answers: list[int]) -> Times:
    """The slider to random places: what the page asks, and what it would be sent."""
    rng = np.random.default_rng(1)
    widget.send = lambda answer, buffers=None: answers.append(len(json.dumps(answer)))
    times = []
    for threshold in rng.uniform(FLOOR, 1, count).round(4).tolist():
        about = {"finder": widget.finder, "threshold": threshold}
        question = {"ask": "counts", "about": about, "from": "bench", "number": 1}
        times.append(timed(lambda question=question: widget._questions.asked(None, question, [])))
    return times


def lists(widget: Any, count: int, answers: list[int]) -> Times:
    """The list of clusters made anew, which happens once the slider rests."""
    widget.send = lambda answer, buffers=None: answers.append(len(json.dumps(answer)))
    question = {"ask": "clusters", "about": {"fresh": True}, "from": "bench", "number": 1}
    return [timed(lambda: widget._questions.asked(None, question, [])) for _ in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5_000_000)
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--cores", type=int, default=2)
    given = parser.parse_args()
    pin(given.cores)
    with tempfile.TemporaryDirectory() as folder, dask.config.set({"datamerge.workdir": folder}):
        room, answers = Path(folder), list[int]()
        one = made(room, given.rows, given.pairs, "semantic", 0)
        two = made(room, given.rows, given.pairs // 5, "jaccard", 1)
        lines = []
        for name, layers in {"one finder": [one], "two finders": [one, two]}.items():
            found = Duplicates._of(layers)
            held: list[Any] = []
            opened = timed(
                lambda found=found, held=held: held.append(
                    duplicates(found, room / "decisions.jsonl")
                )
            )
            (widget,) = held
            moves(widget, 3, answers)  # what is compiled is loaded before the clock starts
            lines.append(told(f"{name}: opened", [opened]))
            lines.append(told(f"{name}: threshold moved", moves(widget, given.moves, answers)))
            lists(widget, 1, answers)
            lines.append(told(f"{name}: clusters listed", lists(widget, 10, answers)))
            for row in range(0, 2_000, 20):
                widget.decide("distinct", widget._view.id(row), widget._view.id(row + 1))
            lines.append(told(f"{name}: moved, 100 decisions", moves(widget, 20, answers)))
            widget.decisions = ()
        print(f"{given.rows:,} rows, {given.pairs:,} pairs, {given.cores} cores; milliseconds\n")
        print("| what | median | p95 | most | CPU |\n|---|--:|--:|--:|--:|")
        print(*lines, sep="\n")
        print(f"\nThe largest answer: {max(answers):,} bytes")


if __name__ == "__main__":
    main()
