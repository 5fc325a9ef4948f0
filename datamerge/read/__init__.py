"""Files, Hub paths and frames in hand, as one lazy frame in which every record is a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import dask.dataframe as dd

from .._backend import of_backend
from ..schema import normaliser
from . import memory
from .lines import SampleBy
from .load import Load, OnError, ReadError
from .plan import Source, checked, distinct, plan
from .records import COLUMNS, Rows

__all__ = ["ReadError", "read"]

Planned = Source | memory.Held


def read(
    *inputs: Any,
    name: str | None = None,
    blocksize: int | str | None = None,
    on_error: OnError = "raise",
    sample_by: SampleBy = "line",
    **overrides: Any,
) -> dd.DataFrame:
    """Read raw data sets into one lazy frame, each input a source with its own schema.

    Parameters
    ----------
    *inputs : str, path, mapping, pandas or Dask DataFrame, ``datasets.Dataset``, list of dict
        A file, glob or folder on any fsspec file system, or ``hf://datasets/org/name`` with or
        without a path inside; JSON Lines, JSON arrays, Parquet, CSV and plain text, plain or
        compressed (gzip, zstd, bz2, xz). A folder that :func:`datamerge.write` made stands for
        its kept rows. A mapping holds ``path`` and what differs for that source, as in a recipe.
    name : str, optional
        The source's name; else it comes from the path (``chats/*.jsonl`` is ``chats``,
        ``data/alpaca.json`` is ``alpaca``). For a Hub data set with configurations it also
        picks the one of that name.
    blocksize : int or str, optional
        Bytes a partition covers: larger files are split inside, smaller ones share one.
        By default 16 MiB, or an eighth of a smaller source, but at least 6 MiB. Ids do not
        depend on it.
    on_error : {"raise", "quarantine"}
        What happens with a file that cannot be read at all: a :class:`ReadError` that names it,
        or it is set aside as one malformed record. (A malformed record never stops a run.)
    sample_by : {"line", "paragraph", "document"}
        What one record of a plain text file is.
    **overrides
        Where the data are: ``split``, ``data_files``, ``revision``, ``storage_options``; and
        how they are to be understood: ``type``, ``field_messages``,
        ``message_property_mappings``, ``roles``, … (see :func:`datamerge.schema.recognise`).

    Returns
    -------
    dask.dataframe.DataFrame
        Columns ``id``, ``source``, ``messages`` and/or ``text``, ``meta``, ``drop_reason``,
        ``drop_detail``. An id is ``source/file#position``: the number of the record (from 0) in
        JSON arrays, Parquet and CSV, the byte offset in line-based files. A record that cannot
        be understood is a row with ``drop_reason`` ``malformed``, the reason in ``drop_detail``
        and its raw bytes in ``meta``.

    Raises
    ------
    FileNotFoundError
        A path, or a pattern, that matches nothing.
    ReadError
        A file that cannot be read at all.
    datamerge.schema.SchemaError
        A source whose schema is not recognised; the message says what to write.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read([{"instruction": "Add 2 and 2.", "output": "4"}], name="sums")
    >>> df.compute()["id"].tolist()
    ['sums#0']
    """
    if not inputs:
        raise ValueError("nothing to read: give at least one path or frame")
    if name is not None and len(inputs) > 1:
        raise ValueError("name= is for one input; give mappings {'path': …, 'name': …} for more")
    checked(blocksize, on_error, sample_by)
    how = {"blocksize": blocksize, "on_error": on_error, "sample_by": sample_by}
    shared = overrides if name is None else {**overrides, "name": name}
    sources = plan_all([_request(given, shared, how) for given in inputs])
    return of_backend(lay(sources, columns_of(sources)))


def _request(given: Any, shared: Mapping[str, Any], how: Mapping[str, Any]) -> dict[str, Any]:
    if memory.is_frame(given):
        return {"frame": given, "name": "frame", **shared}
    if isinstance(given, Mapping):
        if not given.keys() & {"path", "frame"}:
            raise ValueError(f"a source needs 'path' or 'frame'; here are {sorted(given)}")
        return {**({} if "frame" in given else how), **shared, **given}
    if isinstance(given, str | PathLike):
        return {"path": str(given), **how, **shared}
    raise TypeError(f"cannot read a {type(given).__name__}; give a path, a frame or a mapping")


def plan_all(requests: Sequence[Mapping[str, Any]]) -> list[Planned]:
    """Plan every source: find its files, recognise its schema. Reads bounded samples only."""
    planned: list[Planned] = []
    for request in requests:
        if "frame" in request:
            given = dict(request)
            planned.append(memory.hold(given.pop("frame"), given.pop("name", "frame"), given))
        else:
            planned.append(plan(request))
    names = distinct(requests, [source.name for source in planned])
    planned = [replace(source, name=name) for source, name in zip(planned, names, strict=True)]
    _refuse_shared_ids(planned)
    return planned


def _refuse_shared_ids(planned: Sequence[Planned]) -> None:
    """Ids begin with source and file: `a/b` with `c.jsonl` and `a` with `b/c.jsonl` would meet."""
    seen: dict[str, str] = {}
    for source in planned:
        for file in getattr(source, "files", ()):
            other = seen.setdefault(f"{source.name}/{file}", source.name)
            if other != source.name:
                raise ValueError(
                    f"the sources {other!r} and {source.name!r} would give the same ids to "
                    f"records of {file!r}; give one of them another name"
                )


def columns_of(sources: Sequence[Planned]) -> tuple[str, ...]:
    """The columns a frame over these sources has: ``messages`` and ``text`` as needed."""
    kinds = {source.schema.kind for source in sources}
    return tuple(c for c in COLUMNS if c not in ("messages", "text") or kinds & {c, "both"})


def lay(sources: Sequence[Planned], columns: tuple[str, ...]) -> dd.DataFrame:
    """The lazy frame over planned sources, in the order of their names."""
    frames = [_frame(source, columns) for source in sorted(sources, key=lambda s: s.name)]
    return dd.concat(frames) if len(frames) > 1 else frames[0]


def _frame(source: Planned, columns: tuple[str, ...]) -> dd.DataFrame:
    meta = Rows(normaliser(source.schema), source.name).frame(columns)
    if isinstance(source, memory.Held):
        held = memory.LoadHeld(source.name, source.schema, columns)
        return memory.lay(source, held, meta)
    load = Load(source.name, source.schema, columns, source.sample_by, source.on_error)
    parts = list(source.partitions) or [()]
    return dd.from_map(load, parts, meta=meta, label="read")
