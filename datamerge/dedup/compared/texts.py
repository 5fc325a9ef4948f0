"""The texts of live rows, and what tells them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ... import audit
from ..._arrays import strings, turns
from ...text import TextView, view
from .adapt import id_array
from .digest import Normal, buffers, chat_digests, digests

What = Literal["loose", "words", "none", "view"]  # "view": the text alone, whoever says what


@dataclass(frozen=True)
class Extract:
    """Partition function: the live rows that have something to compare, and their digests."""

    text: TextView
    normal: What

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        read = [c for c in ("id", "source", "messages", "text", self.text) if c in part.columns]
        alive = part[list(dict.fromkeys(read))]
        alive = chosen(alive, part[audit.REASON].isna().to_numpy(dtype=bool))
        plain = view(alive, self.text)
        present = has_text(plain)  # what is chosen of results need not be copied of texts
        mask = pa.array(present)
        return {
            "id": id_array(alive["id"]).filter(mask),
            "source": strings(alive["source"]).filter(mask),
            "chars": pc.utf8_length(plain).fill_null(0).to_numpy()[present],
            "digest": self._digests(alive, plain)[present],
            "alive": {str(k): int(n) for k, n in alive["source"].value_counts().items()},
        }

    def _digests(self, rows: pd.DataFrame, plain: pa.LargeStringArray) -> np.ndarray:
        """What makes two rows the same: for a chat, its roles and tool calls too."""
        normal: Normal = "none" if self.normal == "view" else self.normal
        if self.text != "chat" or self.normal == "view" or "messages" not in rows.columns:
            return digests(plain, normal)
        chats = turns(rows["messages"])
        found, has_turns = chat_digests(chats, normal), np.diff(chats.offsets) > 0
        if not has_turns.all():
            found[~has_turns] = digests(plain.filter(pa.array(~has_turns)), normal)
        return found


def chosen(part: pd.DataFrame, flags: np.ndarray) -> pd.DataFrame:
    """The rows so flagged; no copy where that is all of them."""
    return part if flags.all() else part[flags]


def has_text(texts: pa.LargeStringArray) -> np.ndarray:
    """Boolean per text: is there anything in it but white space?"""
    data, offsets = buffers(texts)
    present = np.diff(offsets) > 0
    if texts.null_count:
        present &= texts.is_valid().to_numpy(zero_copy_only=False)
    present[present] = data[offsets[:-1][present]] - np.uint8(33) < 94  # visible ASCII first
    unsure = pa.array(~present)
    filled = pc.not_equal(pc.utf8_trim_whitespace(texts.filter(unsure)), "")
    present[~present] = pc.fill_null(filled, False).to_numpy(zero_copy_only=False)
    return present
