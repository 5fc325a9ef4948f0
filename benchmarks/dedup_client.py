"""Memory of the client while duplicates of many short rows are found: bytes a row, and where.

The work is done by a process of its own, so that what grows here is the client's part, with the
scheduler. Of short texts the shares of ids and hashes are the largest. One row in ten is a copy of
another, and one in twenty has a word exchanged.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import dask
import numpy as np
import orjson

FINDERS = ("exact", "minhash", "jaccard", "semantic")
FILES, WORDS, VOCABULARY = 8, 14, 30_000


def make(folder: Path, rows: int) -> list[str]:
    """Rows as files of JSON lines."""
    random = np.random.default_rng(0)
    words = np.array([f"w{n:x}" for n in range(VOCABULARY)], object)
    paths = []
    for number, size in enumerate(np.diff(np.linspace(0, rows, FILES + 1).astype(int)).tolist()):
        drawn = random.integers(0, VOCABULARY, (size, WORDS))
        fate = random.random(size)
        copied = np.flatnonzero(fate < 0.15)
        drawn[copied] = drawn[random.integers(0, size, len(copied))]
        near = copied[fate[copied] < 0.05]
        drawn[near, random.integers(0, WORDS, len(near))] = 0
        path = folder / f"short-{number}.jsonl"
        with path.open("wb") as file:
            for line in words[drawn].tolist():
                file.write(orjson.dumps({"text": " ".join(line)}) + b"\n")
        paths.append(str(path))
    return paths


def held(name: str = "RssAnon") -> int:
    """Bytes of this process's memory, of Linux: not of files, unless another kind is named."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) * 1024


@dataclass
class Watch:
    """Looks at the memory of this process, and at where the main thread is, again and again."""

    most: int = 0
    whole: int = 0
    by_place: dict[str, int] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        main = threading.main_thread().ident
        while not self._ended.wait(0.004):
            now, frame = held(), sys._current_frames().get(main or 0)
            self.most, self.whole = max(self.most, now), max(self.whole, held("VmRSS"))
            place = _place(frame)
            self.by_place[place] = max(self.by_place.get(place, 0), now)

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()


def _place(frame: FrameType | None) -> str:
    """The innermost function of the package that the thread is in."""
    while frame is not None:
        code = frame.f_code
        if "/datamerge/" in code.co_filename and "/compute/" not in code.co_filename:
            return (
                f"{code.co_filename.rpartition('/datamerge/')[2]}:{code.co_name}:{frame.f_lineno}"
            )
        frame = frame.f_back
    return "elsewhere"


def finder(name: str, df: Any) -> Any:
    import datamerge as dm

    options: dict[str, dict[str, Any]] = {
        "minhash": {"ngram": 2},
        "jaccard": {"ngram": 2},
        "semantic": {"mode": "clustered", "threshold": 0.98},
    }
    return getattr(dm.dedup, name)(df, **options.get(name, {}))


def measured(work: Callable[[], Any]) -> tuple[Any, Watch, int, float, float]:
    from datamerge.compute.memory import give_back

    give_back()
    before, watch, started = held(), Watch(), (time.perf_counter(), time.process_time())
    with watch.watching():
        result = work()
    return result, watch, before, time.perf_counter() - started[0], time.process_time() - started[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", default=FINDERS, choices=FINDERS)
    parser.add_argument("--limit", default="4GiB", help="of the worker")
    parser.add_argument("--places", type=int, default=0, help="so many functions with the most")
    parser.add_argument("--data", type=Path, help="where rows are made, or were")
    parser.add_argument("--digest", action="store_true", help="print what tells the decisions")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    from distributed import Client

    import datamerge as dm

    with tempfile.TemporaryDirectory() as folder:
        data = given.data or Path(folder)
        data.mkdir(parents=True, exist_ok=True)
        paths = sorted(map(str, data.glob("short-*.jsonl"))) or make(data, given.rows)
        dask.config.set({"datamerge.workdir": f"{folder}/work"})
        options: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 1}
        options |= {"memory_limit": given.limit, "dashboard_address": None}
        with Client(**options):
            warm(Path(folder))
            print(
                "| finder | part | s | s of the client | bytes a row, no files | all MiB at most |"
            )
            print("|---|---|--:|--:|--:|--:|")
            df = dm.read(*paths, blocksize="4MiB")
            rows = given.rows
            for name in given.only:
                found = finder(name, df)
                for part, work in (("find", found._find), ("mark", found.mark)):
                    _, watch, before, seconds, own = measured(work)
                    each = (watch.most - before) / rows
                    cells = f"{seconds:.1f} | {own:.1f} | {each:.0f} | {watch.whole >> 20}"
                    print(f"| {name} | {part} | {cells} |")
                    worst = sorted(watch.by_place.items(), key=lambda one: -one[1])
                    for place, most in worst[: given.places]:
                        print(f"    {(most - before) / rows:6.0f}  {place}")
                    sys.stdout.flush()
                if given.digest:
                    import hashlib

                    evidence = found._layers[0][1].folder
                    for path in sorted(evidence.iterdir()):
                        if path.name != "about.json":
                            print(path.name, hashlib.md5(path.read_bytes()).hexdigest())
                    table = found.decisions()
                    print(len(table), hashlib.md5(table.to_csv().encode()).hexdigest())
                    del table
                del found


def warm(folder: Path) -> None:
    """What is compiled and loaded once is not what rows take."""
    import datamerge as dm

    texts = [f"some text of {n} words, {n % 3}" for n in range(30)]
    df = dm.read(texts, name="few")
    for name in FINDERS:
        finder(name, df).mark()


if __name__ == "__main__":
    main()
