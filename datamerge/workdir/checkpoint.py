"""A costly lazy frame written down once, so that what comes after need not compute it again.

Each partition is one file in the work directory, named by what it is made from (see
:mod:`.origins`), with the rows of each source noted at its end. A killed run goes on with the
partitions that are missing; so does a run with one more source, whose other partitions are the
same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
from dask.tokenize import tokenize

from .. import audit, workdir
from .._arrays import MESSAGES, STRING
from ..compute import each_partition, graph_of, rows_by_source
from . import intact, sealed
from .origins import Origins

# Names of files by the name of the frame: the same frame is kept, and looked up, several times.
_known: dict[str, tuple[list[str], list[str]]] = {}


@dataclass(frozen=True)
class LoadKept:
    """Reads a partition of a checkpoint."""

    folder: str
    lineage: tuple[audit.Passed, ...] = ()
    sources: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None

    __name__ = "kept"
    reads_rows = True

    def __call__(self, name: str) -> pd.DataFrame:
        path, columns = _part(Path(self.folder), name), list(self.columns) if self.columns else None
        try:
            table = feather.read_table(pa.BufferReader(sealed.content(path)), columns=columns)
        except pa.ArrowException as error:
            raise sealed.damaged(path, error) from error
        noted = (table.schema.pandas_metadata or {}).get("columns", ())
        arrow = {column["numpy_type"] for column in noted}
        return table.to_pandas(types_mapper=lambda kind: _dtype(kind, arrow))

    def where(self, name: str) -> str:
        """What it reads, for people: ids tell the file and the place of rows."""
        ids = replace(self, columns=("id",))(name)["id"]
        return f"rows {ids.iloc[0]} to {ids.iloc[-1]}" if len(ids) else "no rows"

    def __dask_tokenize__(self) -> tuple[object, ...]:
        # What it reads is told by the names of the partitions, wherever the work directory is.
        return ("LoadKept", self.columns)


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
    folder = workdir.folder("frames")
    parts, leaves = _names(df)
    kept = [_part(folder, name) for name in parts]
    counted = [_rows(folder, name) for name in leaves]
    lacking, uncounted = missing(kept), missing(counted)
    if lacking or uncounted:
        work = _Keep(str(folder), listed(folder, parts))
        for kind, number, result in each_partition(
            df, work, stage="prepare", partitions=lacking, leaves=uncounted
        ):
            if kind == "leaf":
                sealed.save(counted[number], note=result)
            else:
                intact.made(kept[number])
    _check(counted, kept)
    return dd.from_map(
        LoadKept(str(folder), tuple(audit.lineage(df)), audit.sources(df)),
        parts,
        meta=df._meta,
        label="kept",
    )


def names(df: dd.DataFrame) -> list[str]:
    """Of each partition what tells it from others: what it is made from, and by which code."""
    return _names(df)[0]


def _names(df: dd.DataFrame) -> tuple[list[str], list[str]]:
    """What the files of a frame's partitions and of its leaves' rows are called."""
    if df._name not in _known:
        graph = graph_of(df)
        origins, made_by = Origins(graph.tasks), workdir.made_by()[:8]

        def named(keys: Sequence[Any]) -> list[str]:
            return [f"{origins.of(key)}-{made_by}" for key in keys]

        _known[df._name] = named(graph.partitions), named(graph.leaves)
    return _known[df._name]


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
    names: str  # in a file: a task is told its number, and does not carry the names of all others

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, int]:
        table = pa.Table.from_pandas(part, preserve_index=False)
        counts, path = rows_by_source(part), _part(Path(self.folder), named(self.names, number))
        with sealed.sealing(path, counts) as temporary:
            feather.write_feather(table, temporary, compression="lz4")
        return counts


def listed(folder: Path, names: list[str]) -> str:
    """Keep the names of partitions for tasks; where."""
    path = folder / f"{tokenize(names)}.names"
    sealed.save(path, note=names)
    return str(path)


def named(path: str, number: int) -> str:
    """What a partition is called, by what :func:`listed` has kept."""
    return _read(path)[number]


@lru_cache(maxsize=4)
def _read(path: str) -> list[str]:
    return list(sealed.note(Path(path)))


def _part(folder: Path, name: str) -> Path:
    return folder / f"{name}.arrow"


def _rows(folder: Path, name: str) -> Path:
    """Where it is noted how many rows of each source a leaf has read."""
    return folder / f"{name}.rows"


def missing(paths: Sequence[Path]) -> list[int]:
    """The numbers of files that are not there, or damaged; each file once."""
    numbers = {path: number for number, path in reversed(list(enumerate(paths)))}
    whole = intact.whole_of(numbers)
    return sorted(number for path, number in numbers.items() if path not in whole)


def _check(counted: Sequence[Path], kept: Sequence[Path]) -> None:
    """Every row that was read must have been kept (some leaves don't tell what they read)."""
    if not counted:
        return
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for path in counted:
        before.update(sealed.note(path))
    for path in kept:
        after.update(sealed.note(path))
    audit.conserved(before, after)
