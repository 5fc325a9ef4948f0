"""A finished run, read back from its folder: the ledger, and a few rows of what left and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import fsspec
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...write.ledger import Tally

EACH = 3  # examples of a reason
GROUPS = 200  # row groups looked through, at most; a group has up to 20,000 rows
BATCH = 256  # rows decoded at once: they may be long
LINE = 200_000  # bytes of a malformed record read


def tally(path: str) -> Tally:
    """The account of a run, from its ``ledger.json``; on any fsspec file system."""
    fs, root = fsspec.core.url_to_fs(path)
    try:
        found = orjson.loads(fs.cat_file(f"{root}/ledger.json"))
    except FileNotFoundError:
        missing = f"{path}: no ledger.json; not the output of a finished run"
        raise FileNotFoundError(missing) from None
    return Tally.from_dict(path, found)


def examples(path: str, wanted: Mapping[str, int], *, each: int = EACH) -> dict[str, pd.DataFrame]:
    """The first removed rows of each reason, in the order of the parts.

    Parameters
    ----------
    path : str
        The output folder, on any fsspec file system.
    wanted : mapping of reason to rows
        The reasons, and how many rows the run removed for each.
    each : int
        How many rows of a reason.
    """
    missing = {reason: min(each, rows) for reason, rows in wanted.items() if rows}
    found: dict[str, list[pa.Table]] = {reason: [] for reason in missing}
    for groups, (file, group) in enumerate(_groups(path)):
        if not missing or groups == GROUPS:
            break
        for batch in _of_these(file, group, list(missing)):
            for reason in list(missing):
                rows = batch.filter(pc.field("drop_reason") == reason).slice(0, missing[reason])
                found[reason].append(rows)
                missing[reason] -= len(rows)
                if not missing[reason]:
                    del missing[reason]
            if not missing:
                break
    return {reason: _frame(tables) for reason, tables in found.items() if _any_rows(tables)}


def _any_rows(tables: list[pa.Table]) -> bool:
    return any(len(table) for table in tables)


def _frame(tables: list[pa.Table]) -> pd.DataFrame:
    return pa.concat_tables(tables, promote_options="permissive").to_pandas(
        types_mapper=pd.ArrowDtype
    )


def _groups(path: str) -> Iterator[tuple[pq.ParquetFile, int]]:
    fs, root = fsspec.core.url_to_fs(path)
    for part in sorted(fs.glob(f"{root}/removed/part-*.parquet")):
        with fs.open(part, "rb") as opened:
            file = pq.ParquetFile(opened)
            for group in range(file.num_row_groups):
                yield file, group


def _of_these(file: pq.ParquetFile, group: int, reasons: list[str]) -> Iterator[pa.Table]:
    """The rows of a group with these reasons; nothing else is read where it has none."""
    why = file.read_row_group(group, columns=["drop_reason"])["drop_reason"]
    if not pc.any(pc.is_in(why, value_set=pa.array(reasons, why.type))).as_py():
        return
    for batch in file.iter_batches(batch_size=BATCH, row_groups=[group]):
        yield pa.table(batch)


def malformed(path: str, *, each: int = EACH) -> list[dict[str, Any]]:
    """The first malformed records: ``id``, ``reason`` and ``raw``."""
    fs, root = fsspec.core.url_to_fs(path)
    found: list[dict[str, Any]] = []
    for part in sorted(fs.glob(f"{root}/malformed/part-*.jsonl")):
        with fs.open(part, "rb") as opened:
            while len(found) < each and (line := opened.readline(LINE)):
                found.append(_record(line))
                while not line.endswith(b"\n") and (line := opened.readline(LINE)):
                    pass
        if len(found) == each:
            break
    return found


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        start = line.decode("utf-8", "replace")
        return {
            "id": None,
            "reason": "a very long record, of which this is the start",
            "raw": start,
        }
    raw = record.get("raw", record.get("raw_base64", ""))
    return {"id": record.get("id"), "reason": record.get("reason"), "raw": str(raw)}
