"""The partition functions that look at media: what they hash to, and when files changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import xxhash

from ... import audit
from ..._arrays import strings
from ...text import TextView, view
from ..compared.adapt import id_array
from ..compared.digest import digests
from ..compared.texts import chosen
from .files import Opener, Reference, Refused, references
from .reader import Reader, values


@dataclass(frozen=True)
class StampMedia:
    """Partition function: a number that changes when a file does that a live row refers to."""

    columns: tuple[str, ...]
    opener: Opener

    def __call__(self, part: pd.DataFrame, number: int) -> int:
        alive = chosen(part, part[audit.REASON].isna().to_numpy(dtype=bool))
        total = 0
        for name in self.columns:
            for value in values(alive, name):
                total += sum(map(self._one, _references_or_none(value)))
        return total % 2**64

    def _one(self, reference: Reference) -> int:
        if isinstance(reference, bytes):
            return 0
        stamp = self.opener.stamp(reference)
        return (
            xxhash.xxh3_64_intdigest(f"{stamp} {reference}".encode(errors="surrogatepass"))
            if stamp
            else 0
        )


def _references_or_none(value: Any) -> list[Reference]:
    try:
        return list(references(value))
    except Refused:
        return []


@dataclass(frozen=True)
class ExtractMedia:
    """Partition function: the live rows with media, and the hash of what these are."""

    columns: tuple[str, ...]
    opener: Opener
    pixels: bool
    beside: TextView | None

    @property
    def keeps(self) -> bool:
        """Whether it can be told that what was read is as it was."""
        return not self.opener.is_remote

    def state(self, part: pd.DataFrame) -> str:
        """Sizes and times of the files of live rows."""
        return str(StampMedia(self.columns, self.opener)(part, 0))

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        alive = chosen(part, part[audit.REASON].isna().to_numpy(dtype=bool))
        reader = Reader(self.opener, self.pixels)
        found = reader.digests(alive, self.columns)
        present = np.array([digest is not None for digest in found], bool)
        rows = chosen(alive, present) if len(alive) else alive
        media = [digest for digest in found if digest is not None]
        digest = np.frombuffer(b"".join(media), np.uint64).reshape(-1, 2)
        return {
            "id": id_array(rows["id"]),
            "source": strings(rows["source"]),
            "chars": self._chars(rows),
            "digest": self._with_text(rows, digest),
            "alive": {str(k): int(n) for k, n in alive["source"].value_counts().items()},
            "note": reader.note(),
        }

    def _chars(self, rows: pd.DataFrame) -> np.ndarray:
        """The length of the text beside the media, for those who keep the longest."""
        if not {"messages", "text"} & set(rows.columns):
            return np.zeros(len(rows), np.int64)
        texts = pc.fill_null(view(rows, self.beside or "chat"), "")
        return pc.utf8_length(texts).to_numpy()

    def _with_text(self, rows: pd.DataFrame, media: np.ndarray) -> np.ndarray:
        if self.beside is None:
            return media
        texts = digests(pc.fill_null(view(rows, self.beside), ""), "loose")
        both = np.concatenate([media, texts], axis=1)
        whole = [xxhash.xxh3_128_digest(row.tobytes()) for row in both]
        return np.frombuffer(b"".join(whole), np.uint64).reshape(-1, 2)
