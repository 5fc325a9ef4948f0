"""What one partition becomes on disk: kept rows, removed rows, malformed records, and a tally."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .._arrays import strings
from ..audit import DETAIL, MALFORMED, REASON
from .records import kept_table, native, sayable
from .target import Files, Target

# Columns in which to look for repeated values is in vain.
SELDOM_REPEATED = ("id", "text", "content", "value", "drop_detail")
SUFFIX = {"parquet": "parquet", "jsonl": "jsonl"}


@dataclass(frozen=True)
class WritePart:
    """Writes one partition under the target and returns its tally."""

    target: Target

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        if self.target.schema:
            part = sayable(part, self.target.schema)
        reason = strings(part[REASON])
        kept = reason.is_null().to_numpy(zero_copy_only=False)
        malformed = pc.fill_null(pc.equal(reason, MALFORMED), False).to_numpy(zero_copy_only=False)
        files = self._kept(part, kept, number)
        files |= self._removed(part[~kept & ~malformed], number)
        files |= self._malformed(part[malformed], number)
        note = {**tally_of(part), "files": files}
        with self.target.replacing(f".run/part-{number:05d}.json") as file:
            file.write(orjson.dumps(note, option=orjson.OPT_SORT_KEYS))
        return note

    def _kept(self, part: pd.DataFrame, kept: np.ndarray, number: int) -> Files:
        if not kept.any() and number:
            return {}  # the first part is written even when empty: it carries the columns
        name = f"data/part-{number:05d}.{SUFFIX[self.target.format]}"
        with self.target.replacing(name) as file:
            if self.target.format == "jsonl":
                for record in native(part[kept], self.target.schema):
                    file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
            elif self.target.schema:
                write_parquet(kept_table(part[kept], self.target.schema), file)
            else:
                table = kept_table(part, None)  # Arrow picks rows faster than pandas
                write_parquet(table if kept.all() else table.filter(pa.array(kept)), file)
        return {name: file.sums}

    def _removed(self, part: pd.DataFrame, number: int) -> Files:
        if not len(part):
            return {}
        name = f"removed/part-{number:05d}.parquet"
        with self.target.replacing(name) as file:
            write_parquet(kept_table(part, None, removed=True), file)
        return {name: file.sums}

    def _malformed(self, part: pd.DataFrame, number: int) -> Files:
        if not len(part):
            return {}
        name = f"malformed/part-{number:05d}.jsonl"
        with self.target.replacing(name) as file:
            for record in _malformed_records(part):
                file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        return {name: file.sums}


def write_parquet(table: pa.Table, file: Any) -> None:
    """The table as Parquet, the way every file of a run is written.

    Without rows there is no row group either: one of no rows trips up some readers.
    """
    repeated = [
        path for path in _leaves(table.schema) if path.split(".")[-1] not in SELDOM_REPEATED
    ]
    with pq.ParquetWriter(
        file, table.schema, compression="zstd", write_statistics=False, use_dictionary=repeated
    ) as writer:
        if table.num_rows:
            writer.write_table(table, row_group_size=20_000)


def _leaves(fields: Iterable[pa.Field], above: str = "") -> Iterator[str]:
    """The paths of the columns, as Parquet names them."""
    for one in fields:
        path, kind = f"{above}{one.name}", one.type
        while pa.types.is_list(kind) or pa.types.is_large_list(kind):
            path, kind = f"{path}.list.element", kind.value_type
        if pa.types.is_struct(kind):
            yield from _leaves(kind.fields, f"{path}.")
        else:
            yield path


def _malformed_records(part: pd.DataFrame) -> Iterator[dict[str, Any]]:
    ids, details = strings(part["id"]).to_pylist(), strings(part[DETAIL]).to_pylist()
    for key, reason, raw in zip(ids, details, strings(part["meta"]).to_pylist(), strict=True):
        file, _, position = key.rpartition("#")
        yield {
            "id": key,
            "file": file,
            "position": int(position.partition(".")[0]),
            "reason": reason,
            **orjson.loads(raw),
        }


def tally_of(part: pd.DataFrame) -> dict[str, Any]:
    """Rows, and tokens where counted, by source and reason; the reason of a kept row is ''."""
    keys = pd.DataFrame({"source": part["source"], "reason": part[REASON].fillna("")})
    tokens: Any = 0
    if "tokens" in part.columns:
        tokens = pd.to_numeric(part["tokens"], errors="coerce").fillna(0).astype(np.int64)
    grouped = keys.assign(rows=1, tokens=tokens).groupby(
        ["source", "reason"], sort=True, observed=True
    )
    found: dict[str, Any] = {}
    sums = grouped[["rows", "tokens"]].sum().reset_index()
    for source, reason, rows, tokens_of in sums.to_numpy().tolist():
        found.setdefault(source, {})[reason] = [rows, tokens_of]
    return {"rows": found, "tokens": "tokens" in part.columns}
