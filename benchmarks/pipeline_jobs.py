"""The same work in each tool: JSON Lines, language, phrases, Parquet (zstd), on two cores.

Each function here imports its tool, starts what must be started, and returns the work to be
timed; language models are loaded within it. All of them judge the answer, the second turn of
each chat, and keep the whole record.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache, reduce
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

KEEP = ("en", "pcm")  # Nigerian Pidgin is what the model calls some short English texts
NO_WORDS = "zxx"  # kept, as is whatever else has no words to go by
CHARACTERS = 500
CORES = 2
LETTERS_FOR_RE2 = 5000  # its automaton crawls beyond that
UNKNOWN_BELOW = -1e30  # the score of a text in which the model knows nothing
PHRASES = Path(__file__).parent.parent / "datamerge" / "assets" / "phrases" / "refusals.txt"


@dataclass(frozen=True)
class Job:
    """What to do: ``by_language`` or by phrases alone, from ``source`` into the folder ``out``."""

    source: Path
    out: Path
    by_language: bool

    @property
    def file(self) -> str:
        """One file for the tools that write one."""
        return str(self.out / "kept.parquet")


def is_kept_language(text: str) -> bool:
    """The language rule, by the plain call of the package that has the model."""
    import py3langid

    label, score = py3langid.classify(text[:CHARACTERS])
    return label in (*KEEP, NO_WORDS) or score < UNKNOWN_BELOW


def are_kept_languages(texts: list[str]) -> list[bool]:
    return [is_kept_language(text) for text in texts]


def in_processes(pool: Any, texts: list[str], size: int = 1000) -> list[bool]:
    """The language rule on both cores, for tools that run Python in one process."""
    batches = [[t[:CHARACTERS] for t in texts[i : i + size]] for i in range(0, len(texts), size)]
    return [kept for batch in pool.map(are_kept_languages, batches) for kept in batch]


def holds_none(texts: Any) -> list[bool]:
    """The phrase rule by Arrow, for tools that have no search of their own to match it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pa.array(texts)
    said = [pc.match_substring_regex(texts, p) for p in patterns(LETTERS_FOR_RE2)]
    return pc.invert(reduce(pc.or_, said)).to_pylist()


def language_pool() -> ProcessPoolExecutor:
    """Processes that have the language package; they are started before the clock is."""
    pool = ProcessPoolExecutor(
        CORES, mp_context=get_context("spawn"), initializer=import_module, initargs=("py3langid",)
    )
    wait([pool.submit(time.sleep, 0.1) for _ in range(CORES)])
    return pool


@lru_cache(maxsize=1)
def phrases() -> list[str]:
    lines = (line.strip() for line in PHRASES.read_text(encoding="utf-8").splitlines())
    return sorted(line for line in lines if line and not line.startswith("#"))


def patterns(letters: int = 1 << 30, *, ascii_only: str = "{}") -> list[str]:
    r"""The phrases as regular expressions of at most so many letters each.

    ``ascii_only`` is how a dialect says that ``\b`` and ``\s`` need know no more than ASCII.
    """
    found, batch, size = [], [], 0
    for phrase in phrases():
        if batch and size + len(phrase) > letters:
            found.append(batch)
            batch, size = [], 0
        batch.append(phrase)
        size += len(phrase)
    return [_alternation(batch, ascii_only) for batch in [*found, batch]]


def _alternation(batch: Iterable[str], ascii_only: str) -> str:
    space, edge = ascii_only.format(r"\s+"), ascii_only.format(r"\b")
    return "(?i)(?:" + "|".join(_one(phrase, space, edge) for phrase in batch) + ")"


def _one(phrase: str, space: str, edge: str) -> str:
    words = (re.escape(word).replace("'", "['’‘]") for word in phrase.split())
    first, last = (edge if letter.isalnum() else "" for letter in (phrase[0], phrase[-1]))
    return first + space.join(words) + last


def datamerge(job: Job, *, processes: bool = True) -> Callable[[], None]:
    import datamerge as dm

    if processes:
        client = dm.cluster.start("local", workers=CORES, threads=1, dashboard=None)
        client.run(import_module, "datamerge")

    def work() -> None:
        df = dm.read(job.source)
        if job.by_language:
            df = dm.filters.language(df, KEEP, text="response", min_score=0, max_chars=CHARACTERS)
        dm.write(dm.filters.phrases(df, "refusals"), job.out)

    return work


def datamerge_threads(job: Job) -> Callable[[], None]:
    """Without a cluster: Dask's threads in this process."""
    import dask

    dask.config.set(num_workers=CORES)
    return datamerge(job, processes=False)


def polars(job: Job) -> Callable[[], None]:
    import polars as pl

    turn = pl.Struct({"role": pl.String, "content": pl.String})
    schema = {"messages": pl.List(turn), "generator": pl.String, "row": pl.Int64}
    answer = pl.col("messages").list.get(1).struct.field("content")
    pool = language_pool() if job.by_language else None

    def judged(texts: pl.Series) -> pl.Series:
        return pl.Series(in_processes(pool, texts.to_list()), dtype=pl.Boolean)

    def work() -> None:
        rows = pl.scan_ndjson(job.source, schema=schema)
        for pattern in patterns(ascii_only="(?-u:{})"):
            rows = rows.filter(~answer.str.contains(pattern))
        if pool is not None:
            start = answer.str.head(CHARACTERS)
            rows = rows.filter(start.map_batches(judged, return_dtype=pl.Boolean))
        rows.sink_parquet(job.file, compression="zstd")

    return work


def duckdb(job: Job) -> Callable[[], None]:
    import duckdb
    import pyarrow as pa

    turns = "'STRUCT(role VARCHAR, content VARCHAR)[]'"
    columns = f"{{messages: {turns}, generator: 'VARCHAR', row: 'BIGINT'}}"
    read = f"read_json('{job.source}', format='newline_delimited', columns={columns})"
    rules = [f"NOT regexp_matches(answer, {_quoted(p)})" for p in patterns(LETTERS_FOR_RE2)]
    rules += [f"kept(left(answer, {CHARACTERS}))"] if job.by_language else []
    query = (
        f"SELECT * EXCLUDE answer FROM (SELECT *, messages[2].content AS answer FROM {read}) "
        f"WHERE {' AND '.join(rules)}"
    )
    pool = language_pool() if job.by_language else None

    def judged(texts: Any) -> Any:
        return pa.array(in_processes(pool, texts.to_pylist()), pa.bool_())

    def work() -> None:
        connection = duckdb.connect(config={"threads": CORES})
        connection.create_function("kept", judged, ["VARCHAR"], "BOOLEAN", type="arrow")
        connection.execute(f"COPY ({query}) TO '{job.file}' (FORMAT parquet, COMPRESSION zstd)")

    return work


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def datasets(job: Job) -> Callable[[], None]:
    """Hugging Face datasets; phrases by Arrow's RE2 on whole batches, which is its fast way."""
    import datasets
    import pyarrow.compute as pc

    datasets.disable_progress_bars()

    def answers(table: Any) -> Any:
        # After a filter every row is a chunk of its own, and RE2 would start anew at each.
        messages = table["messages"].combine_chunks()
        return pc.struct_field(pc.list_element(messages, 1), "content")

    def unsaid(table: Any) -> list[bool]:
        return holds_none(answers(table))

    def english(table: Any) -> list[bool]:
        return are_kept_languages(answers(table).to_pylist())

    def work() -> None:
        rows = datasets.load_dataset(
            "json", data_files=str(job.source), split="train", cache_dir=str(job.out / "cache")
        )
        rows = rows.with_format("arrow")
        for rule in [english, unsaid] if job.by_language else [unsaid]:
            rows = rows.filter(rule, batched=True, num_proc=CORES)
        rows.to_parquet(job.file)

    return work


def datatrove(job: Job) -> Callable[[], None]:
    """datatrove gives each task whole files, so it is given the rows in two of them.

    Its own RegexFilter runs Python's ``re`` a document at a time, five times slower than the
    whole job here; phrases are searched for by Arrow in batches instead.
    """
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.pipeline.filters.base_filter import BaseFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import ParquetWriter

    def document(_: Any, data: dict, path: str, number: int) -> dict:
        return {
            "text": data["messages"][1]["content"],
            "id": f"{path}/{number}",
            "metadata": data,
        }

    def record(_: Any, doc: Document) -> dict:
        kept = ("messages", "generator", "row")
        return {key: doc.metadata[key] for key in kept}

    class Unsaid(BaseFilter):
        name = "phrases"

        def filter(self, doc: Document) -> bool:
            return self.filter_batch([doc])[0]

        def filter_batch(self, batch: list[Document]) -> list[bool]:
            return holds_none([doc.text for doc in batch])

    def english(doc: Document) -> bool:
        return is_kept_language(doc.text)

    steps = [
        JsonlReader(str(job.source.parent / "halves"), adapter=document),
        *([LambdaFilter(english)] if job.by_language else []),
        Unsaid(batch_size=1000),
        ParquetWriter(str(job.out), adapter=record, compression="zstd"),
    ]

    def work() -> None:
        logs = str(job.out / "logs")
        LocalPipelineExecutor(steps, logging_dir=logs, tasks=CORES, workers=CORES).run()

    return work


JOBS: dict[str, Callable[[Job], Callable[[], None]]] = {
    "datamerge": datamerge,
    "datamerge, threads": datamerge_threads,
    "polars": polars,
    "duckdb": duckdb,
    "datasets": datasets,
    "datatrove": datatrove,
}
