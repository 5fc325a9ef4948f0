"""The end of a run: one compute that writes kept and removed rows, then the account of it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import dask.dataframe as dd
import pandas as pd
from dask.tokenize import tokenize

from .. import audit, workdir
from .._backend import as_pandas
from .._merge_card import FOLDERS
from ..compute import each_partition, graph_of
from . import notes
from .finish import finish, merge_parts, tidy
from .ledger import Tally, ledger_of
from .parts import WritePart
from .target import Format, Target

__all__ = ["Tally", "write"]

# What is removed of a run that is replaced; first what says that it is whole.
OURS = ("ledger.json", notes.RUN, *FOLDERS, ".run", "README.md", "recipe.yaml")


def write(
    df: dd.DataFrame | pd.DataFrame,
    path: str | Path,
    *,
    format: Format = "parquet",
    schema: str | None = None,
    single_file: bool = False,
    overwrite: bool = False,
    recipe: Mapping[str, Any] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Tally:
    """Write what is kept, what was removed and why, and the account of both.

    Computes the frame once. Every file appears whole or not at all; a run that was killed
    goes on where it stopped when it is started again, and ends in the same bytes.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        A frame that :func:`datamerge.read` made, with any steps laid over it.
    path : str or path
        The output folder, on any fsspec file system.
    format : {"parquet", "jsonl"}
        The format of the kept rows; removed rows are Parquet always.
    schema : str, optional
        Write kept rows as ``sharegpt``, ``messages``, ``alpaca``, … records rather than in
        datamerge's columns. A row the schema cannot say is removed with reason ``schema``.
    single_file : bool
        All kept rows in one file, ``data/train.parquet`` or ``.jsonl``.
    overwrite : bool
        Replace the output of another run in the same folder. Without it that is an error.
    recipe : mapping, optional
        What to note in ``recipe.yaml``; by default the steps the frame has been through.
    storage_options : mapping, optional
        Passed to fsspec.

    Returns
    -------
    Tally
        Rows per source and step; printed, it is the ledger as a table.

    Raises
    ------
    FileExistsError
        The folder holds the output of another run, or files that are not datamerge's.
    datamerge.audit.ConservationError
        A source has more or fewer rows at the end than were read.

    Examples
    --------
    >>> import datamerge as dm, tempfile
    >>> df = dm.read([{"prompt": "2 + 2?", "completion": "4"}], name="sums")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tally = dm.write(df, folder + "/merged")
    >>> tally.total
    {'read': 1, 'kept': 1, 'removed': {}, 'malformed': 0}
    """
    if format not in get_args(Format):
        raise ValueError(f"format={format!r}; it is one of {', '.join(get_args(Format))}")
    lazy: Any = as_pandas(df)
    if isinstance(lazy, pd.DataFrame):
        lazy = dd.from_pandas(lazy, npartitions=1, sort=False)
    missing = [c for c in ("id", "source", "meta", audit.REASON) if c not in lazy.columns]
    if missing:
        raise ValueError(f"the frame lacks {', '.join(missing)}; make it with datamerge.read")
    target = Target(str(path), format, schema, dict(storage_options or {}))
    run = tokenize(workdir.made_by(), lazy._name, format, schema, single_file)
    if (done := _claim(target, run, overwrite)) is not None:
        return done
    written = _write_parts(lazy, target)
    if single_file:
        merge_parts(target, written)
    passed = audit.lineage(lazy)
    tallies = [written.parts[number] for number in sorted(written.parts)]
    tally = ledger_of(tallies, passed, audit.sources(lazy), path=str(path))
    finish(target, run, written, tally, passed, recipe, single_file=single_file)
    return tally


def _claim(target: Target, run: str, overwrite: bool) -> Tally | None:
    """Make the folder this run's own; returns its tally where it is finished already."""
    fs, root = target.fs, target.root
    ledger, begun = notes.read(target, "ledger.json"), notes.begun(target)
    if begun is not None and begun.get("run") == run:
        return None if ledger is None else _finished(target, ledger)
    if ledger is not None and not overwrite:
        raise FileExistsError(f"{target.path} holds another run; pass overwrite=True to replace it")
    if ledger is None and begun is None and fs.exists(root) and fs.ls(root) and not overwrite:
        raise FileExistsError(f"{target.path} is not empty; pass overwrite=True to write there")
    for name in OURS:
        if fs.exists(f"{root}/{name}"):
            fs.rm(f"{root}/{name}", recursive=True)
    notes.save(target, notes.RUN, {"run": run})
    return None


def _finished(target: Target, ledger: Mapping[str, Any]) -> Tally | None:
    """The tally of a finished run; None where files of it are gone or cut short."""
    found = notes.faults(target)
    if not found:
        tidy(target)
        return Tally.from_dict(target.path, ledger)
    told = "; ".join(found[:3]) + (f" and {len(found) - 3:,} more" if len(found) > 3 else "")
    print(f"{target.path} is made whole again: {told}", file=sys.stderr)
    target.fs.rm(f"{target.root}/ledger.json")
    return None


def _write_parts(df: dd.DataFrame, target: Target) -> notes.Notes:
    """Write the parts that are missing; returns the notes of all."""
    written = notes.so_far(target)
    todo = [n for n in range(df.npartitions) if n not in written.parts]
    uncounted = [n for n in range(len(graph_of(df).leaves)) if n not in written.leaves]
    if todo or uncounted:
        for kind, number, result in each_partition(
            df, WritePart(target), stage="write", partitions=todo, leaves=uncounted
        ):
            if kind == "partition":
                written.parts[number] = result
            else:
                written.leaves[number] = result
                notes.save(target, f".run/leaf-{number:05d}.json", result)
    _check(written.leaves, written.parts)
    return written


def _check(leaves: Mapping[int, Mapping[str, int]], tallies: Mapping[int, Any]) -> None:
    """Conservation: rows read = kept + removed + malformed, source by source."""
    if not leaves:
        return
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for found in leaves.values():
        before.update(found)
    for tally in tallies.values():
        for source, reasons in tally["rows"].items():
            after[source] += sum(rows for rows, _ in reasons.values())
    audit.conserved(before, after)
