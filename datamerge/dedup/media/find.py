"""Rows whose images and videos are the same."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import xxhash

from ... import audit
from ..._arrays import strings
from ..._version import __version__
from ...text import TextView, view
from .. import evidence
from ..compared.adapt import adapted, id_array
from ..compared.digest import digests
from ..compared.earlier import earlier_frames
from ..compared.rows import chosen, each_result, extract
from ..duplicates import Duplicates
from ..evidence.pairs import Pairs
from .files import Opener, Reference, Refused, references
from .reader import TOLD, Reader, values


class MediaWarning(UserWarning):
    """Media that could not be read, or none at all."""


class MediaDuplicates(Duplicates):
    """Duplicates by their images and videos, and the files that could not be read.

    What was found is found again when a local file has changed since.
    """

    @property
    def unreadable(self) -> pd.DataFrame:
        """Media that could not be read: ``id``, ``path``, ``reason``; the first 1,000 of them."""
        told = self._evidence.about["unreadable"]
        return pd.DataFrame(told, columns=["id", "path", "reason"])


@dataclass(frozen=True)
class Media:
    """Rows whose media have the same content, or the same pixels, one after the other."""

    columns: tuple[str, ...]
    opener: Opener
    pixels: bool
    text: TextView | None = None

    how = "media"
    word = "same media"
    floor = 1.0

    def stamp(self, df: Any, against: Any = None) -> str:
        """Sizes and times of all files, whatever the order of rows."""
        work = StampMedia(self)
        frames = [adapted(df), *earlier_frames(against)]
        total = sum(stamp for frame in frames for stamp in each_result(frame, work, stage="stat"))
        return f"{total % 2**64:016x}"

    def find(self, df: Any, folder: Path, against: Any = None) -> Any:
        """Hash all media and keep which rows have the same; returns the frame to mark."""
        kept, rows = extract(df, ExtractMedia(self), stage="media", against=against)
        unreadable = sorted((one for note in rows.notes for one in note["unreadable"]), key=str)
        count = sum(note["count"] for note in rows.notes)
        read = sum(note["read"] for note in rows.notes)
        about = {**self._about(), "media": read, "unreadable_count": count}
        evidence.save(
            folder,
            rows,
            rows.first_of_same(),
            Pairs.none(),
            {**about, "unreadable": unreadable[:TOLD]},
        )
        self._warn(read, count, unreadable)
        return kept

    def _warn(self, read: int, count: int, unreadable: list[list[Any]]) -> None:
        if count:
            key, path, reason = unreadable[0]
            warnings.warn(
                f"dedup.media could not read {count:,} of {read + count:,} media; their rows are "
                f"not compared (see .unreadable). The first: {path!r} of {key!r}: {reason}",
                MediaWarning,
                stacklevel=2,
            )
        elif not read:
            warnings.warn(
                f"dedup.media found nothing in {', '.join(self.columns)}: name the columns, or the "
                "fields of meta, that hold the media",
                MediaWarning,
                stacklevel=2,
            )

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the step was called with."""
        said = {"columns": list(self.columns), "root": self.opener.root, "pixels": self.pixels}
        return said | {"text": self.text, "remote": self.opener.remote}

    def _about(self) -> dict[str, Any]:
        return {
            "how": self.how,
            "same": self.how,
            "floor": self.floor,
            "datamerge": __version__,
            **self.arguments(1.0),
        }


@dataclass(frozen=True)
class StampMedia:
    """Partition function: a number that changes when a file does that a live row refers to."""

    finder: Media

    def __call__(self, part: pd.DataFrame, number: int) -> int:
        alive = chosen(part, part[audit.REASON].isna().to_numpy(dtype=bool))
        total = 0
        for name in self.finder.columns:
            for value in values(alive, name):
                total += sum(map(self._one, _references_or_none(value)))
        return total % 2**64

    def _one(self, reference: Reference) -> int:
        if isinstance(reference, bytes):
            return 0
        stamp = self.finder.opener.stamp(reference)
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

    finder: Media

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        alive = chosen(part, part[audit.REASON].isna().to_numpy(dtype=bool))
        reader = Reader(self.finder.opener, self.finder.pixels)
        found = reader.digests(alive, self.finder.columns)
        present = np.array([digest is not None for digest in found], bool)
        rows = chosen(alive, present) if len(alive) else alive
        media = [digest for digest in found if digest is not None]
        digest = np.frombuffer(b"".join(media), np.uint64).reshape(-1, 2)
        return {
            "id": id_array(rows["id"]),
            "source": strings(rows["source"]),
            "chars": self._chars(rows),
            "digest": self._with_text(rows, digest),
            "place": np.column_stack([np.full(len(rows), number), np.arange(len(rows))]),
            "alive": {str(k): int(n) for k, n in alive["source"].value_counts().items()},
            "note": reader.note(),
        }

    def _chars(self, rows: pd.DataFrame) -> np.ndarray:
        """The length of the text beside the media, for those who keep the longest."""
        if not {"messages", "text"} & set(rows.columns):
            return np.zeros(len(rows), np.int64)
        texts = pc.fill_null(view(rows, self.finder.text or "chat"), "")
        return pc.utf8_length(texts).to_numpy()

    def _with_text(self, rows: pd.DataFrame, media: np.ndarray) -> np.ndarray:
        if self.finder.text is None:
            return media
        texts = digests(pc.fill_null(view(rows, self.finder.text), ""), "loose")
        both = np.concatenate([media, texts], axis=1)
        whole = [xxhash.xxh3_128_digest(row.tobytes()) for row in both]
        return np.frombuffer(b"".join(whole), np.uint64).reshape(-1, 2)
