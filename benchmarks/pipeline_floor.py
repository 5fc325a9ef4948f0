"""What the work costs by itself: each part alone, compiled, on one core, best of three."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq
from pipeline_jobs import CHARACTERS, CORES, KEEP, LETTERS_FOR_RE2, holds_none, patterns


def parts(source: Path) -> Iterator[tuple[str, float]]:
    """Name and CPU seconds of each part."""
    from datamerge.filters.language import identify

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    yield "bytes read once", best(source.read_bytes)[0]
    options = pyarrow.json.ReadOptions(use_threads=False, block_size=16 << 20)
    seconds, table = best(lambda: pyarrow.json.read_json(source, options).combine_chunks())
    yield "JSON parsed by Arrow", seconds
    turns = table["messages"].combine_chunks()
    answers = pc.struct_field(pc.list_element(turns, 1), "content").cast(pa.large_string())
    identify(answers[:10])
    yield (
        "language model, compiled",
        best(lambda: identify(answers, max_chars=CHARACTERS, apart=KEEP))[0],
    )
    yield (
        f"phrases by RE2, {len(patterns(LETTERS_FOR_RE2))} passes",
        best(lambda: holds_none(answers))[0],
    )
    yield "Parquet, zstd", best(lambda: pq.write_table(table, io.BytesIO(), compression="zstd"))[0]


def best(work: Callable[[], Any], times: int = 3) -> tuple[float, Any]:
    seconds = float("inf")
    for _ in range(times):
        started = time.process_time()
        result = work()
        seconds = min(seconds, time.process_time() - started)
    return seconds, result


def lines(source: Path) -> Iterator[str]:
    yield "| part, on one core | CPU s |"
    yield "|---|--:|"
    total = 0.0
    for name, seconds in parts(source):
        total += seconds
        yield f"| {name} | {seconds:.2f} |"
    yield f"| in all; on {CORES} cores | {total:.2f}; {total / CORES:.2f} |"
