"""Exact duplicates in each tool: Parquet in, the first of equal texts out, as Parquet."""

from __future__ import annotations

from collections.abc import Callable

from dedup_job import CORES, Job, Work
from dedup_ours import marked


def datamerge(job: Job) -> Work:
    return marked(job, "exact", normalise="none")


def polars(job: Job) -> Work:
    import polars as pl

    def work() -> None:
        rows = pl.scan_parquet(job.source).unique(subset="text", keep="first", maintain_order=True)
        job.kept.mkdir()
        rows.sink_parquet(job.kept / "kept.parquet", compression="zstd")

    return work


def duckdb(job: Job) -> Work:
    import duckdb

    query = (
        f"SELECT min(row) AS row, text FROM read_parquet('{job.source}') GROUP BY text ORDER BY row"
    )

    def work() -> None:
        job.kept.mkdir()
        target = job.kept / "kept.parquet"
        connection = duckdb.connect(config={"threads": CORES})
        connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")

    return work


def pandas(job: Job) -> Work:
    import pandas as pd

    def work() -> None:
        rows = pd.read_parquet(job.source).drop_duplicates("text")
        job.kept.mkdir()
        rows.to_parquet(job.kept / "kept.parquet", compression="zstd", index=False)

    return work


TOOLS: dict[str, Callable[[Job], Work]] = {
    "datamerge exact": datamerge,
    "polars": polars,
    "duckdb": duckdb,
    "pandas": pandas,
}
