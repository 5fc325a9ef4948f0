"""A costly lazy frame written down once, so that what comes after need not compute it again.

Each partition is one Arrow file in the work directory, under the name of the frame's own
expression; a partition that is already there is not made again, so a killed run goes on.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather

from . import audit, workdir
from ._arrays import MESSAGES, STRING
from .compute import each_partition, graph_of


@dataclass(frozen=True)
class LoadKept:
    """Reads a partition of a checkpoint."""

    folder: str
    lineage: tuple[audit.Passed, ...] = ()
    sources: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None

    __name__ = "kept"
    reads_rows = True

    def __call__(self, number: int) -> pd.DataFrame:
        columns = list(self.columns) if self.columns else None
        table = feather.read_table(_part(Path(self.folder), number), columns=columns)
        noted = (table.schema.pandas_metadata or {}).get("columns", ())
        arrow = {column["numpy_type"] for column in noted}
        return table.to_pandas(types_mapper=lambda kind: _dtype(kind, arrow))

    def __dask_tokenize__(self) -> tuple[object, ...]:
        return ("LoadKept", Path(self.folder).name, self.columns)


def _dtype(kind: pa.DataType, noted: set[str]) -> object:
    """The dtypes partitions have; numbers keep NumPy's or pandas' nullable ones."""
    if pa.types.is_large_string(kind) or pa.types.is_string(kind):
        return STRING
    is_arrow = kind == MESSAGES.pyarrow_dtype or f"{kind}[pyarrow]" in noted
    return pd.ArrowDtype(kind) if is_arrow else None


def keep(df: dd.DataFrame) -> dd.DataFrame:
    """The same frame, read from its checkpoint, which is made now where it is missing.

    A frame that only marks duplicates on top of a checkpoint is cheap, and left as it is. So is
    one that only reads columns of local Parquet files, which a checkpoint would be a copy of.
    """
    if not _is_costly(df):
        return df
    folder = workdir.place("frames", df._name)
    folder.mkdir(exist_ok=True)
    counts = _Counts.read(folder)
    missing = [
        n
        for n in range(df.npartitions)
        if n not in counts.kept_rows or not _part(folder, n).exists()
    ]
    leaves = [n for n in range(len(graph_of(df).leaves)) if n not in counts.read_rows]
    if missing or leaves:
        work = _Keep(str(folder))
        for kind, number, result in each_partition(
            df, work, stage="prepare", partitions=missing, leaves=leaves
        ):
            counts.note(kind, number, result)
    counts.check()
    return dd.from_map(
        LoadKept(str(folder), tuple(audit.lineage(df)), audit.sources(df)),
        list(range(df.npartitions)),
        meta=df._meta,
        label="kept",
    )


def _is_costly(df: dd.DataFrame) -> bool:
    nodes = list(audit.nodes(df))
    operands = [operand for node in nodes for operand in node.operands]
    if any(isinstance(o, audit.Step) and not o.is_lookup for o in operands):
        return True
    return not any(isinstance(o, LoadKept) for o in operands) and not all(map(_is_cheap, nodes))


def _is_cheap(node: Any) -> bool:
    """Whether doing it again takes less than reading its rows from a checkpoint would."""
    kind = type(node).__name__
    if kind == "FromMap":
        read_again = getattr(node.func, "is_cheap", None)
        return read_again is not None and all(map(read_again, *node.iterables))
    if kind == "MapPartitions":
        return bool(getattr(node.func, "is_lookup", False))
    return kind in ("ArrowStringConversion", "Concat")


@dataclass(frozen=True)
class _Keep:
    folder: str

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, int]:
        table = pa.Table.from_pandas(part, preserve_index=False)
        with workdir.replacing(_part(Path(self.folder), number)) as temporary:
            feather.write_feather(table, temporary, compression="lz4")
        counts = part["source"].value_counts(sort=False)
        return {str(source): int(n) for source, n in counts.items()}


def _part(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.arrow"


class _Counts:
    """Rows by source, as read and as kept, partition by partition; on disk as they come."""

    def __init__(self, path: Path):
        self.path = path
        self.read_rows: dict[int, dict[str, int]] = {}
        self.kept_rows: dict[int, dict[str, int]] = {}

    @classmethod
    def read(cls, folder: Path) -> _Counts:
        """The counts noted so far; a line cut short by a crash is as good as missing."""
        counts = cls(folder / "rows.jsonl")
        for line in counts.path.read_text().splitlines() if counts.path.exists() else ():
            try:
                kind, number, found = json.loads(line)
            except ValueError:
                continue
            counts._of(kind)[number] = found
        return counts

    def _of(self, kind: str) -> dict[int, dict[str, int]]:
        return self.read_rows if kind == "leaf" else self.kept_rows

    def note(self, kind: str, number: int, found: dict[str, int]) -> None:
        self._of(kind)[number] = found
        with self.path.open("a") as file:
            file.write(f"{json.dumps([kind, number, found])}\n")

    def check(self) -> None:
        """Every row that was read must have been kept (some leaves don't tell what they read)."""
        if not self.read_rows:
            return
        before: Counter[str] = Counter()
        after: Counter[str] = Counter()
        for found in self.read_rows.values():
            before.update(found)
        for found in self.kept_rows.values():
            after.update(found)
        audit.conserved(before, after)
