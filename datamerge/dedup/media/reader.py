"""Reading the media of a partition: where a row holds them, and the hash of all of a row's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import xxhash

from ..._arrays import strings, turns
from ..compared.adapt import id_array
from .files import Opener, Reference, Refused, references
from .pixels import MOST_BYTES, content_digest, pixel_digest

TOLD = 1000  # of the media that could not be read, so many are named
_SHOWN = 200


@dataclass
class Reader:
    """Reads the media of a partition, each content once."""

    opener: Opener
    pixels: bool
    read: int = 0
    unreadable: list[list[Any]] = field(default_factory=list)
    seen: dict[bytes, bytes] = field(default_factory=dict)

    def note(self) -> dict[str, Any]:
        """What was read, and what could not be."""
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
