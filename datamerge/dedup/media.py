"""Rows whose images and videos are the same."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from .. import audit
from .._arrays import strings, turns
from .._version import __version__
from ..text import TextView, view
from . import evidence
from .adapt import adapted, id_array
from .digest import digests
from .duplicates import Duplicates
from .earlier import earlier_frames
from .media_files import Opener, Reference, Refused, references
from .pairs import Pairs
from .pixels import MOST_BYTES, content_digest, pixel_digest
from .rows import chosen, each_result, extract

TOLD = 1000  # of the media that could not be read, so many are named
_SHOWN = 200


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
        reader = _Reader(self.finder.opener, self.finder.pixels)
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


@dataclass
class _Reader:
    """Reads the media of a partition, each content once."""

    opener: Opener
    pixels: bool
    read: int = 0
    unreadable: list[list[Any]] = field(default_factory=list)
    seen: dict[bytes, bytes] = field(default_factory=dict)

    def note(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "count": len(self.unreadable),
            "unreadable": self.unreadable[:TOLD],
        }

    def digests(self, part: pd.DataFrame, columns: tuple[str, ...]) -> list[bytes | None]:
        """Of each row: the hash of all its media in order; None for none, or an unreadable one."""
        ids = id_array(part["id"]).to_pylist()
        columns_of = [values(part, name) for name in columns]
        return [self._row(key, [column[n] for column in columns_of]) for n, key in enumerate(ids)]

    def _row(self, key: Any, found: list[Any]) -> bytes | None:
        state, before, failed = xxhash.xxh3_128(), self.read, len(self.unreadable)
        for column, value in enumerate(found):
            try:
                for reference in references(value):
                    state.update(bytes([column % 256]) + (self._one(key, reference) or b""))
            except Refused as error:
                self.unreadable.append([key, "", str(error)])
        is_whole = len(self.unreadable) == failed and self.read > before
        return state.digest() if is_whole else None

    def _one(self, key: Any, reference: Reference) -> bytes | None:
        try:
            with self.opener.open(reference) as file:
                found = self._digest(file)
        except Exception as error:
            shown = reference[:_SHOWN] if isinstance(reference, str) else "bytes"
            self.unreadable.append([key, shown, _reason(error, shown)])
            return None
        self.read += 1
        return found

    def _digest(self, file: Any) -> bytes:
        content = b"bytes:" + content_digest(file)
        if not self.pixels or file.tell() > MOST_BYTES:
            return content
        if content not in self.seen:
            file.seek(0)
            pixels = pixel_digest(file)
            self.seen[content] = content if pixels is None else b"pixel:" + pixels
        return self.seen[content]


def _reason(error: Exception, shown: str) -> str:
    if isinstance(error, FileNotFoundError):
        # Dask turns columns of Python lists into strings.
        was_list = shown.startswith(("['", "[{", "{'"))
        return "no such file" + "; a list made text by Dask: use an Arrow column" * was_list
    name = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
    return f"{name}{error}"[:_SHOWN] or type(error).__name__


def values(part: pd.DataFrame, name: str) -> list[Any]:
    """What a column holds, or a field of the records that reading has put into ``meta``."""
    if name == "messages" and name in part.columns:
        return list(_contents(part))
    if name in part.columns:
        column = part[name]
        if column.dtype == object:
            return list(column)
        return pa.array(column, from_pandas=True).to_pylist()
    if "meta" not in part.columns:
        return [None] * len(part)
    return [_field(meta, name) for meta in strings(part["meta"]).to_pylist()]


def _field(meta: str | None, name: str) -> Any:
    if not meta or f'"{name}"' not in meta:
        return None
    found = orjson.loads(meta)
    return found.get(name) if isinstance(found, Mapping) else None


def _contents(part: pd.DataFrame) -> Iterator[list[Any]]:
    """The parts of each chat's messages that are no text; reading keeps them beside the text."""
    chats = turns(part["messages"])
    extras = chats.extra.to_pylist()
    for first, last in zip(chats.offsets[:-1], chats.offsets[1:], strict=True):
        told = [orjson.loads(extra) for extra in extras[first:last] if extra]
        yield [{"role": "", "content": one.get("content")} for one in told]
