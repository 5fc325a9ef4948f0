"""Peak memory of every process while duplicates are found by one worker with a limit.

Lines are one-line package summaries; a clique is 100,000 rows that are all nearly equal, by wording
(a template of 60 words, of which one or two differ) or by their vectors.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROWS, WORDS, DIM = 100_000, 60, 384


@dataclass(frozen=True)
class Near:
    """An encoder that knows a text by its number: a vector with a cosine of 0.999 to the others."""

    dim: int = DIM
    fingerprint: str = "near-1"

    def encode(self, texts: list[str]) -> np.ndarray:
        centre = np.full(self.dim, self.dim**-0.5)
        noise = np.array([np.random.default_rng(int(text)).normal(size=self.dim) for text in texts])
        noise *= 0.0316 / np.linalg.norm(noise, axis=1, keepdims=True)
        vectors = centre + noise
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def template(folder: Path) -> str:
    """One text 100,000 times, with one or two words of it exchanged."""
    random = np.random.default_rng(0)
    words = np.array([f"word{n}" for n in range(WORDS)], dtype=object)
    texts = []
    for row in range(ROWS):
        text = words.copy()
        text[random.integers(0, WORDS, 1 + row % 2)] = f"other{row}"
        texts.append(" ".join(text))
    return _written(folder / "template.parquet", texts)


def numbers(folder: Path) -> str:
    return _written(folder / "numbers.parquet", [str(row) for row in range(ROWS)])


def _written(path: Path, texts: list[str]) -> str:
    pd.DataFrame({"text": texts}).to_parquet(path, row_group_size=20_000)
    return str(path)


def jobs(data: Path, folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    import datamerge as dm

    def lines() -> Any:
        return dm.read(data / "bench" / "pypi_summaries.parquet", type="text", field_text="summary")

    yield "lines, exact", lambda: dm.dedup.exact(lines())
    yield "lines, jaccard", lambda: dm.dedup.jaccard(lines(), ngram=2)
    yield "lines, minhash", lambda: dm.dedup.minhash(lines(), ngram=2)
    yield "lines, semantic", lambda: dm.dedup.semantic(lines(), threshold=0.95)
    path = template(folder)
    yield "clique, jaccard", lambda: dm.dedup.jaccard(dm.read(path), ngram=2)
    yield "clique, minhash", lambda: dm.dedup.minhash(dm.read(path), ngram=2)
    ids = numbers(folder)
    yield (
        "clique, semantic",
        lambda: dm.dedup.semantic(dm.read(ids), encoder=Near()),
    )


def peak(pid: int | str = "self") -> float:
    """The most memory a process has held so far, in MiB: VmHWM of Linux."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def run(find: Callable[[], Any], limit: str, out: Path) -> tuple[float, int, list[float]]:
    """Seconds from frame to written output, rows removed, and the peak of each worker."""
    from distributed import Client

    import datamerge as dm

    options: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 1, "memory_limit": limit}
    with Client(**options, dashboard_address=None) as client:
        started = time.perf_counter()
        tally = dm.write(find().mark(), out)
        seconds = time.perf_counter() - started
        pids = client.run(os.getpid).values()
        gone = sum(tally.total["removed"].values())
        return seconds, gone, [peak(pid) for pid in pids]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("DATAMERGE_DATA"))
    parser.add_argument("--limit", default="1GiB")
    parser.add_argument("--only", nargs="+", default=[])
    given = parser.parse_args()
    data = Path(given.data or Path(__file__).parents[2] / "shared" / "data")
    warnings.simplefilter("ignore")
    print(f"| job, one worker of {given.limit} | s | removed | worker MiB | client MiB so far |")
    print("|---|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["DATAMERGE_WORKDIR"] = f"{folder}/work"
        for number, (name, find) in enumerate(jobs(data, Path(folder))):
            if given.only and name not in given.only:
                continue
            seconds, removed, workers = run(find, given.limit, Path(folder) / str(number))
            cells = [f"{seconds:.1f}", f"{removed:,}", f"{max(workers):,.0f}", f"{peak():,.0f}"]
            print(f"| {name} | {' | '.join(cells)} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
