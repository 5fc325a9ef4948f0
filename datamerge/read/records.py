"""From records to a partition: normalise each one, set the odd ones aside, keep the count."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .._arrays import MESSAGES, messages_array, messages_column, one_chunk, string_column
from ..audit import DETAIL, MALFORMED, REASON
from ..schema import RecordError
from ..schema.meta import dump

# Where a record stands, its value (or a Broken), and its raw bytes (None: the value will do).
Item = tuple[int, Any, bytes | None]

COLUMNS = ("id", "source", "messages", "text", "meta", REASON, DETAIL)
_TEXT = pa.large_string()


class Broken(Exception):  # noqa: N818 - a value as often as it is raised
    """Something that could not be read: why, where, and the bytes that were there."""

    def __init__(self, reason: str, position: int | None = None, raw: bytes = b""):
        super().__init__(reason)
        self.reason, self.position, self.raw = reason, position, raw


class Rows:
    """Columns under construction: one row for every record, the malformed ones included."""

    def __init__(self, normalise: Callable[[Any], Iterable[Any]], source: str):
        self.normalise, self.source = normalise, source
        self._tables: list[pa.Table] = []
        self._begin()

    def _begin(self) -> None:
        self.ids: list[str] = []
        self.texts: list[str | None] = []
        self.metas: list[str] = []
        self.details: dict[int, str] = {}
        self.lengths: list[int] = []
        self.roles: list[str] = []
        self.contents: list[str] = []
        self.extras: list[str | None] = []

    def add(self, items: Iterable[Item], file: str) -> None:
        """Take every record of a file (or block); ids are ``file#position``."""
        normalise, prefix = self.normalise, f"{file}#"
        try:
            for position, value, raw in items:
                if isinstance(value, Broken):
                    self.set_aside(prefix, position, value.reason, raw)
                    continue
                try:
                    rows = normalise(value)
                except RecordError as error:
                    self.set_aside(prefix, position, str(error), raw, value)
                    continue
                for nth, row in enumerate(rows):
                    self._append(f"{prefix}{position}.{nth}" if nth else f"{prefix}{position}", row)
        except Broken as error:
            self.set_aside(prefix, error.position or 0, error.reason, error.raw)

    def _append(self, key: str, row: Any) -> None:
        roles, contents, extras, text, meta = row
        self.ids.append(key)
        self.texts.append(text)
        self.metas.append(meta)
        self.lengths.append(len(roles or ()))
        if roles:
            self.roles += roles
            self.contents += contents
            self.extras += extras if extras is not None else [None] * len(roles)

    def set_aside(
        self, prefix: str, position: int, reason: str, raw: bytes | None, value: Any = None
    ) -> None:
        """A malformed record: a dead row that carries its raw bytes."""
        self.details[len(self.ids)] = reason
        raw = shown(value) if raw is None else raw
        self._append(f"{prefix}{position}", (None, None, None, None, _raw(raw)))

    def add_table(self, table: pa.Table) -> None:
        """Take rows that are columns already, as `table` gives them."""
        before = self.table()
        self._tables = [before, table] if before.num_rows else [table]
        self._begin()

    def table(self) -> pa.Table:
        """The rows so far: ``id``, ``messages``, ``text``, ``meta`` and ``detail``."""
        lengths = np.array(self.lengths, dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        details = [self.details.get(row) for row in range(len(self.ids))] if self.details else None
        built = {
            "id": pa.array(self.ids, _TEXT),
            "messages": messages_array(
                offsets, self.roles, self.contents, self.extras, lengths == 0
            ),
            "text": pa.array(self.texts, _TEXT),
            "meta": pa.array(self.metas, _TEXT),
            "detail": pa.nulls(len(self.ids), _TEXT) if details is None else pa.array(details),
        }
        last = [pa.table(built, SCHEMA)] if self.ids or not self._tables else []
        return pa.concat_tables([*self._tables, *last])

    def frame(self, columns: tuple[str, ...]) -> pd.DataFrame:
        """The partition, with these columns."""
        table = self.table()
        index = pd.RangeIndex(table.num_rows)
        found = {name: one_chunk(table[name]) for name in table.column_names}
        found[DETAIL] = found.pop("detail")
        found[REASON] = pc.if_else(found[DETAIL].is_valid(), MALFORMED, pa.scalar(None, _TEXT))
        found["source"] = pa.repeat(pa.scalar(self.source, _TEXT), table.num_rows)
        return pd.DataFrame({name: _column(found[name], index) for name in columns}, index=index)


SCHEMA = pa.schema(
    {
        "id": _TEXT,
        "messages": MESSAGES.pyarrow_dtype,
        "text": _TEXT,
        "meta": _TEXT,
        "detail": _TEXT,
    }
)


def _column(array: pa.Array, index: pd.Index) -> pd.Series:
    return string_column(array, index) if array.type == _TEXT else messages_column(array, index)


def shown(value: Any) -> bytes:
    """A value that came without bytes of its own, as JSON where it can be."""
    try:
        return dump({"": value})[4:-1].encode()
    except RecordError:
        with suppress(RecursionError):
            return ascii(value).encode()
        return f"a {type(value).__name__} nested too deep to be shown".encode()


def _raw(data: bytes) -> str:
    """Raw bytes as a JSON object: as text where they are UTF-8, in base64 where not."""
    try:
        return orjson.dumps({"raw": data.decode("utf-8")}).decode()
    except UnicodeDecodeError:
        return orjson.dumps({"raw_base64": base64.b64encode(data).decode()}).decode()
