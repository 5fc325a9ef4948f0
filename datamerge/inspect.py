"""The output of a run, told in text: the ledger, and examples of everything that left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from .compute.terminal import safe
from .explore.flow import run
from .explore.frames.said import known, records
from .write.notes import faults
from .write.target import Target


def describe(out: str | Path, *, examples: int = 3, verify: bool = False) -> Iterator[str]:
    """The lines that ``datamerge inspect`` prints.

    Parameters
    ----------
    out : str or path
        The output folder.
    examples : int
        How many rows to show of each reason.
    verify : bool
        Read all files, and compare them with what was written; otherwise their lengths are.
    """
    tally = run.tally(str(out))
    for fault in faults(Target(str(out)), contents=verify):
        yield f"damaged: {fault}; the same run again makes the output whole"
    yield str(tally)
    reasons = tally.total["removed"]
    found = run.examples(str(out), reasons, each=examples)
    for reason, rows in reasons.items():
        yield f"\n{reason}: {rows:,} rows"
        for row in records(found[reason]) if reason in found else ():
            yield from _removed(row)
    if tally.total["malformed"]:
        yield f"\nmalformed: {tally.total['malformed']:,} records"
        for record in run.malformed(str(out), each=examples):
            yield from _malformed(record)


def _removed(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {safe(row['id'])}"
    yield f"    why:  {safe(known(row, 'drop_detail') or '', 200)}"
    yield f"    what: {safe(_said(row), 200)}"


def _said(row: Mapping[str, Any]) -> str:
    turns = known(row, "messages")
    said = [] if turns is None else [f"{turn['role']}: {turn['content']}" for turn in turns]
    return known(row, "text") or " | ".join(said)


def _malformed(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {safe(record['id'] or 'no id')}: {safe(record['reason'] or '', 200)}"
    yield f"    raw:  {safe(record['raw'], 200)}"


def removed(out: str | Path) -> pa.Table:
    """Every removed row of a run, with its reason and detail."""
    return ds.dataset(Path(out) / "removed", format="parquet").to_table()
