"""datamerge's own way in every job from Parquet to Parquet: read, find, mark, write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dedup_job import CORES, Job, Work

FEW = 1_000  # enough for some to be duplicates


def marked(job: Job, how: str, **options: Any) -> Work:
    """The work with this finder, without a cluster.

    It is done on a few rows before the clock starts: what numba has compiled is loaded when it is
    first called, as what others have compiled is when they are imported.
    """
    import dask

    import datamerge as dm

    dask.config.set(num_workers=CORES)
    find = getattr(dm.dedup, how)

    def merge(source: Path, out: Path) -> None:
        df = dm.read(source)
        dm.write(find(df, text="text", **options).mark(df), out)

    few = job.out / "few.parquet"
    pq.write_table(pa.Table.from_batches([next(pq.ParquetFile(job.source).iter_batches(FEW))]), few)
    merge(few, job.out / "few")
    return lambda: merge(job.source, job.out / "merged")
