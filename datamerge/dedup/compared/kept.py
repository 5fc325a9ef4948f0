"""What a finder's work gave of each partition, on disk: one sealed file a partition.

A file is named by what the partition is made from and by the work. Decisions of finders before are
cheap to look up, and are others with every source that is added: not they are part of the name,
but which rows they leave alive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
from dask.dataframe.dask_expr import new_collection
from dask.tokenize import tokenize

from ... import audit, workdir
from ..._arrays import one_chunk
from ...compute import each_partition
from ...workdir import arrays, checkpoint, intact, sealed
from .adapt import Ids

if TYPE_CHECKING:
    from .worked import Numbered

_COLUMNS = ("chars", "digest")


def files(df: dd.DataFrame, work: Numbered, *, stage: str) -> list[Path]:
    """Where what the work gives of each partition is kept: made now where it is missing."""
    folder, plain = workdir.folder("compared"), _without_lookups(df)
    token = tokenize(work)[:16]
    names = [f"{name}-{token}" for name in checkpoint.names(plain)]
    state = getattr(work.work, "state", None)
    if plain is df and state is None:
        paths = [_path(folder, name) for name in names]
        lacking = checkpoint.missing(paths)
        if not lacking:
            return paths
        keep = Keep(work, str(folder), checkpoint.listed(folder, names))
        done = each_partition(df, keep, stage=stage, partitions=lacking)
    else:
        paths = [folder] * len(names)
        keep = Keep(work, str(folder), checkpoint.listed(folder, names), True, state)
        done = each_partition(df, keep, stage=stage)
    for _, number, name in done:
        paths[number] = _path(folder, name)
        intact.made(paths[number])
    return paths


def _without_lookups(df: dd.DataFrame) -> dd.DataFrame:
    """The frame as it was before finders marked rows."""
    node = df.expr
    while type(node).__name__ == "MapPartitions" and _marks(node.func):
        node = node.frame
    return df if node is df.expr else new_collection(node)


def _marks(function: Any) -> bool:
    return isinstance(function, audit.Step) and function.is_lookup


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.part"


@dataclass(frozen=True)
class Keep:
    """Partition function: does the work and keeps what it gives; returns the name of that.

    ``looks``: what the work depends on beside what the partition is made from is told by the
    partition, so that only here it can be seen whether it was done before.
    """

    work: Numbered
    folder: str
    names: str
    looks: bool = False
    state: Callable[[pd.DataFrame], str] | None = None

    def __call__(self, part: pd.DataFrame, number: int) -> str:
        name = checkpoint.named(self.names, number)
        if self.looks:
            name += f"-{self._seen(part)}"
        path = _path(Path(self.folder), name)
        if not (self.looks and sealed.is_whole(path)):
            save(path, self.work(part, number))
        return name

    def _seen(self, part: pd.DataFrame) -> str:
        alive = arrays.told(part[audit.REASON].isna().to_numpy(dtype=bool))
        return alive if self.state is None else f"{alive}-{self.state(part)}"


def save(path: Path, result: Mapping[str, Any]) -> None:
    """Keep what the work gave."""
    rows = pa.table({"id": result["id"], "source": result["source"]})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
        writer.write_table(rows)
    held = {name: np.asarray(result[name]) for name in _COLUMNS}
    held["rows"] = np.frombuffer(sink.getvalue(), np.uint8)
    note = {"alive": result["alive"], "note": result.get("note")}
    arrays.save(path, {**result.get("arrays", {}), **held}, note)


def ids(path: Path) -> Ids:
    """The ids of the rows."""
    return _read(path, pa.ipc.IpcReadOptions(included_fields=[0]))["id"]


def rows(path: Path) -> dict[str, pa.Array]:
    """Ids, sources and lengths of the rows."""
    chars = np.array(arrays.load(path, "chars"), np.int64)
    return {**_read(path, pa.ipc.IpcReadOptions()), "chars": pa.array(chars)}


def _read(path: Path, options: pa.ipc.IpcReadOptions) -> dict[str, pa.Array]:
    held = np.array(arrays.load(path, "rows"))
    table = pa.ipc.open_stream(held, options=options).read_all()
    return {name: one_chunk(table[name]) for name in table.column_names}


def told(path: Path) -> tuple[int, dict[str, Any]]:
    """How many rows there are, and what is told of them; nothing else is read."""
    about = {name: value for name, value in arrays.noted(path).items() if value is not None}
    return len(arrays.load(path, "digest")), about
