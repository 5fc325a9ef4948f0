"""One large file of a kind that can't be cut anywhere: read, filtered and written in little memory.

A CSV file with newlines in its quoted fields, the same compressed, and a compressed JSON array go
through two worker processes of 1 GiB each, which Dask's nannies end where they take more; so do
JSON Lines, which can be cut anywhere. Filters are language and phrases. For each file it prints the
seconds, those of the processor that workers took, and the peak memory of every process.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import stream_data
from stream import GB, Memory, started

KINDS = ("jsonl", "csv", "csv.gz", "json.gz")
ROWS = 1000  # written at a time


def write(kind: str, size: float, answers: Path, path: Path) -> None:
    """A file of so many GB when it is unpacked."""
    made_from = stream_data.texts(answers, path.parent)
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as raw:
        file = gzip.GzipFile("", "wb", 6, raw) if kind.endswith("gz") else raw
        parts = PARTS[kind.partition(".")[0]](made_from)
        written = 0
        for part in parts:
            if written >= size * GB:
                break
            file.write(part)
            written += len(part)
        if kind.startswith("json."):
            file.write(b"]")
        if file is not raw:
            file.close()
    temporary.replace(path)


def records(made_from: stream_data.Texts) -> Iterator[list[dict[str, Any]]]:
    """Chats as question and answer, without end."""
    first = 0
    while True:
        rows = [made_from.record(row) for row in range(first, first + ROWS)]
        yield [
            {
                "question": row["messages"][0]["content"],
                "answer": row["messages"][1]["content"],
                "kind": row["kind"],
            }
            for row in rows
        ]
        first += ROWS


def csv_parts(made_from: stream_data.Texts) -> Iterator[bytes]:
    yield b"question,answer,kind\n"
    for rows in records(made_from):
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(row.values() for row in rows)
        yield text.getvalue().encode()


def array_parts(made_from: stream_data.Texts) -> Iterator[bytes]:
    opening = b"["
    for rows in records(made_from):
        yield opening + b",\n".join(map(orjson.dumps, rows))
        opening = b",\n"


def lines_parts(made_from: stream_data.Texts) -> Iterator[bytes]:
    for rows in records(made_from):
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


PARTS = {"jsonl": lines_parts, "csv": csv_parts, "json": array_parts}


def measured(path: Path, work: Path, given: argparse.Namespace) -> dict[str, Any]:
    from distributed import Client

    import datamerge as dm

    with started(work, given) as cluster, Client(cluster) as client:
        names = {pid: f"worker {n}" for n, pid in enumerate(client.run(os.getpid).values())}
        memory = Memory({os.getpid(): "client and scheduler", **names})
        begun = time.perf_counter()
        df = dm.read(str(path))
        planned = time.perf_counter() - begun
        found = {"bytes": path.stat().st_size, "partitions": df.npartitions, "planned": planned}
        df = df.pipe(dm.filters.language, keep=["en"]).pipe(dm.filters.phrases, "refusals")
        try:
            found |= {"rows": dm.write(df, work / "out").total["read"]}
        except Exception as error:
            found |= {"rows": f"{type(error).__name__}"}
            print(str(error)[:2000], file=sys.stderr)
        found["seconds"] = time.perf_counter() - begun
        found["cpu"] = sum(client.run(time.process_time).values())
        found["peaks"] = memory.stop()
        found["a worker was ended"] = set(client.run(os.getpid).values()) != set(names)
    return found


def told(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    names = sorted({name for one in results.values() for name in one["peaks"]})
    yield (
        "| file | MB | partitions | rows | s | CPU s | "
        + " | ".join(f"{n}, MiB" for n in names)
        + " |"
    )
    yield "|---" + "|--:" * (5 + len(names)) + "|"
    for kind, one in results.items():
        rows = f"{one['rows']:,}" if isinstance(one["rows"], int) else one["rows"]
        cells = [kind, f"{one['bytes'] / 1e6:,.0f}", one["partitions"], rows]
        cells += [f"{one['seconds']:,.1f}", f"{one['cpu']:,.1f}"]
        cells += [f"{one['peaks'].get(name, 0):,.0f}" for name in names]
        yield "| " + " | ".join(map(str, cells)) + " |"
    for kind, one in results.items():
        if one["a worker was ended"]:
            yield f"{kind}: a worker was ended"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=0.4, help="GB of each file, unpacked")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--data", type=Path, default=os.environ.get("DATAMERGE_DATA"))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "stream")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", default="1GiB", help="of a worker")
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    data = given.data or Path(__file__).parents[2] / "shared" / "data"
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.one:
        work = Path(tempfile.mkdtemp(dir=given.folder))
        found = measured(given.folder / f"{given.size:g}.{given.one}", work, given)
        shutil.rmtree(work)
        (given.folder / "found.json").write_text(json.dumps(found))
        return
    results = {}
    for kind in given.kinds:
        path = given.folder / f"{given.size:g}.{kind}"
        if not path.exists():
            write(kind, given.size, data / "bench" / "alpaca_eval_60.parquet", path)
        subprocess.run([sys.executable, *sys.argv, "--one", kind], check=True)
        results[kind] = json.loads((given.folder / "found.json").read_text())
        print("\n".join(told(results)), flush=True)


if __name__ == "__main__":
    main()
