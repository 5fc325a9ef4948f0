"""The output of a run, told in text: the ledger, and examples of everything that left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from .terminal import safe
from .write import Tally


def load(out: str | Path) -> Tally:
    """The tally of a finished run, from its ``ledger.json``."""
    path = Path(out) / "ledger.json"
    try:
        ledger = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{out}: no ledger.json; not the output of a finished run"
        ) from None
    return Tally.from_dict(str(out), ledger)


def describe(out: str | Path, *, examples: int = 3) -> Iterator[str]:
    """The lines that ``datamerge inspect`` prints.

    Parameters
    ----------
    out : str or path
        The output folder.
    examples : int
        How many rows to show of each reason.
    """
    tally = load(out)
    yield str(tally)
    for reason, rows in tally.total["removed"].items():
        yield f"\n{reason}: {rows:,} rows"
        if rows:
            yield from _removed(Path(out), reason, examples)
    if tally.total["malformed"]:
        yield f"\nmalformed: {tally.total['malformed']:,} records"
        yield from _malformed(Path(out), examples)


def _removed(out: Path, reason: str, examples: int) -> Iterator[str]:
    removed = ds.dataset(out / "removed", format="parquet")
    table = removed.head(examples, filter=pc.field("drop_reason") == reason)
    for row in table.to_pylist():
        yield f"  {safe(row['id'])}"
        yield f"    why:  {safe(row['drop_detail'] or '', 200)}"
        yield f"    what: {safe(_said(row), 200)}"


def _said(row: Mapping[str, Any]) -> str:
    turns = row.get("messages") or []
    return row.get("text") or " | ".join(f"{t['role']}: {t['content']}" for t in turns)


def _malformed(out: Path, examples: int) -> Iterator[str]:
    shown = 0
    for path in sorted((out / "malformed").glob("*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                if shown == examples:
                    return
                record = orjson.loads(line)
                yield f"  {safe(record['id'])}: {safe(record['reason'], 200)}"
                raw = record.get("raw", record.get("raw_base64", ""))
                yield f"    raw:  {safe(str(raw), 200)}"
                shown += 1


def removed(out: str | Path) -> pa.Table:
    """Every removed row of a run, with its reason and detail."""
    return ds.dataset(Path(out) / "removed", format="parquet").to_table()
