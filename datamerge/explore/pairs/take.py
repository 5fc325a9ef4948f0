"""What rows say, taken from the partitions they are in: a partition function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..._arrays import strings
from ...dedup.compared.adapt import Ids, readable_part
from ...dedup.deciding.keep import _keys
from ...dedup.deciding.lookup import hashed
from ..frames.said import encodable, indented, known, records
from .words import Said

MOST = 100_000  # characters of a row that are looked at


@dataclass(frozen=True)
class Take:
    """Partition function: what the rows with these ids say, and maybe which rows are here."""

    ids: Ids
    own: tuple[str, ...]
    noted: str | None = None

    def __call__(self, part: pd.DataFrame, number: int) -> tuple[dict[Any, Said], np.ndarray]:
        ids = strings(part["id"]) if self.noted or self._is_text else pa.array(part["id"])
        chosen = pc.is_in(ids if self._is_text else ids.cast(pa.int64()), value_set=self.ids)
        at = np.flatnonzero(chosen.to_numpy(zero_copy_only=False))
        said = [self._said(row) for row in records(readable_part(part.iloc[at]))]
        names = ids.take(pa.array(at)).cast(self.ids.type).to_pylist()
        return dict(zip(names, said, strict=True)), self._here(ids)

    @property
    def _is_text(self) -> bool:
        return self.ids.type != pa.int64()

    def _here(self, ids: pa.Array) -> np.ndarray:
        if self.noted is None:
            return np.zeros(0, np.int64)
        keys, values = _keys(self.noted), hashed(ids)
        where = np.searchsorted(keys, values)
        inside = where < len(keys)
        inside[inside] = keys[where[inside]] == values[inside]
        return where[inside]

    def _said(self, row: Mapping[str, Any]) -> list[tuple[str | None, str]]:
        said: list[tuple[str | None, str]] = []
        for name in self.own:
            said.append((name, _text(row, name)))
        chat = row.get("messages")
        for turn in chat if isinstance(chat, list | tuple | np.ndarray) else ():
            said.append((str(turn.get("role") or "")[:80], _text(turn, "content")))
            if turn.get("extra"):
                said.append(("other fields", indented(turn["extra"])))
        text = _text(row, "text")
        if text and "text" not in self.own:
            said.append((None, text))
        return _bounded(said)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = known(row, name)
    return "" if value is None else encodable(str(value))


def _bounded(said: list[tuple[str | None, str]]) -> list[tuple[str | None, str]]:
    room, held = MOST, []
    for role, content in said[:1_000]:
        held.append((role, content[:room]))
        room -= len(content)
        if room <= 0:
            break
    return held
