"""From records to a partition: normalise each one, set the odd ones aside, keep the count."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from .._arrays import messages_array, messages_column, string_column
from ..audit import DETAIL, MALFORMED, REASON
from ..schema import RecordError

# Where a record stands, its value (or a Broken), and its raw bytes (None: the value will do).
Item = tuple[int, Any, bytes | None]

COLUMNS = ("id", "source", "messages", "text", "meta", REASON, DETAIL)


class Broken(Exception):  # noqa: N818 - a value as often as it is raised
    """Something that could not be read: why, where, and the bytes that were there."""

    def __init__(self, reason: str, position: int | None = None, raw: bytes = b""):
        super().__init__(reason)
        self.reason, self.position, self.raw = reason, position, raw


class Rows:
    """Columns under construction: one row for every record, the malformed ones included."""

    def __init__(self, normalise: Callable[[Any], Iterable[Any]], source: str):
        self.normalise, self.source = normalise, source
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
        if raw is None:
            raw = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
        self.details[len(self.ids)] = reason
        self._append(f"{prefix}{position}", (None, None, None, None, _raw(raw)))

    def frame(self, columns: tuple[str, ...]) -> pd.DataFrame:
        """The partition, with these columns."""
        index = pd.RangeIndex(len(self.ids))
        details: list[str | None] = [None] * len(self.ids)
        for row, detail in self.details.items():
            details[row] = detail
        built: dict[str, Callable[[], pd.Series]] = {
            "id": lambda: string_column(self.ids, index),
            "source": lambda: string_column(_repeat(self.source, len(index)), index),
            "messages": lambda: messages_column(self._messages(), index),
            "text": lambda: string_column(self.texts, index),
            "meta": lambda: string_column(self.metas, index),
            REASON: lambda: string_column([d and MALFORMED for d in details], index),
            DETAIL: lambda: string_column(details, index),
        }
        return pd.DataFrame({name: built[name]() for name in columns}, index=index)

    def _messages(self) -> pa.Array:
        lengths = np.array(self.lengths, dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return messages_array(offsets, self.roles, self.contents, self.extras, lengths == 0)


def _repeat(value: str, times: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.large_string()), times)


def _raw(data: bytes) -> str:
    """Raw bytes as a JSON object: as text where they are UTF-8, in base64 where not."""
    try:
        return orjson.dumps({"raw": data.decode("utf-8")}).decode()
    except UnicodeDecodeError:
        return orjson.dumps({"raw_base64": base64.b64encode(data).decode()}).decode()
