"""What is to be rewritten: the Parquet files of a data set, or the partitions of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from dask.tokenize import tokenize

from .._backend import as_pandas
from ..compute import each_partition
from ..read.sources import files_of
from ..write.target import Target


@dataclass(frozen=True)
class Source:
    """Files in order, what tells them from others, and the folder of a finished output.

    ``root`` is that folder's path, whose other files go with the data.
    """

    fs: Any
    paths: tuple[str, ...]
    key: str
    root: str | None = None


def of_path(path: str, options: dict[str, Any]) -> Source:
    """The Parquet files of a file, folder, glob or finished output."""
    _, files = files_of(path, storage_options=options)
    for file in files:
        if file.format != "parquet" or file.compression:
            raise ValueError(
                f"{file.url} is not Parquet; of other files give the frame of datamerge.read"
            )
    fs, first = files[0].fs, files[0].path
    base = first.removesuffix(files[0].name).rstrip("/")
    root = base.removesuffix("/data")
    is_output = base.endswith("/data") and fs.exists(f"{root}/ledger.json")
    paths = tuple(file.path for file in files)
    key = tokenize([file.key for file in files])
    return Source(fs, paths, key, root if is_output else None)


def name_of(df: Any) -> str:
    """What tells a frame from others."""
    return str(df._name) if hasattr(df, "_name") else str(tokenize(df))


def of_frame(df: Any, target: Target) -> Source:
    """The partitions of a frame as files under the target, each written once.

    They are in ``.run``, which goes in the end.
    """
    df = as_pandas(df)
    if isinstance(df, pd.DataFrame):
        df = dd.from_pandas(df, npartitions=1, sort=False)
    fs, folder = target.fs, f"{target.root}/.run/partitions"
    paths = [f"{folder}/{number:05d}.parquet" for number in range(df.npartitions)]
    missing = [number for number, path in enumerate(paths) if not fs.exists(path)]
    if missing:
        for _ in each_partition(df, Write(target), stage="stage", partitions=missing):
            pass
    return Source(fs, tuple(paths), name_of(df))


@dataclass(frozen=True)
class Write:
    """Partition function: all rows and columns as they are, without the index."""

    target: Target

    def __call__(self, part: pd.DataFrame, number: int) -> int:
        """Write the file."""
        table = pa.Table.from_pandas(part, preserve_index=False)
        with self.target.replacing(f".run/partitions/{number:05d}.parquet") as file:
            pq.write_table(table, file, compression="zstd", row_group_size=20_000)
        return len(part)


def refuse_within(found: Source, path: str, target: Target) -> None:
    """A data set is not written into itself, nor to where it would be read as a part of it."""
    if found.fs.protocol != target.fs.protocol:
        return
    root = target.root
    folder = str(found.fs._strip_protocol(path)).rstrip("/")
    is_inside = found.fs.isdir(folder) and _within(root, folder)
    if is_inside or any(_within(one, root) for one in found.paths):
        raise ValueError(
            f"{target.path} and what is rewritten hold each other; give another folder"
        )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
