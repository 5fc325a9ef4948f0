"""Media that records refer to: what a value of a column means, and opening it with care.

Paths in a data set come from strangers. Below a ``root`` nothing outside it is opened, only
regular files are, and what lies on another machine is left there unless that is wanted.
"""

from __future__ import annotations

import base64
import io
import os
import posixpath
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import unquote

import fsspec
import numpy as np
import pandas as pd

Reference: TypeAlias = str | bytes
REMOTE = ("http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf")
LARGEST = 1 << 36  # bytes of a file that are read to compare it
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://|^(data):", re.IGNORECASE)
_PARTS = ("image_url", "input_image", "image", "video_url", "input_video", "video", "audio_url")


class Refused(ValueError):  # noqa: N818 - reported as a value
    """Something that is not opened, and why."""


def references(value: Any) -> Iterator[Reference]:
    """The media a value stands for, in order: a path, bytes, a dict that holds one, or a list.

    Of messages and their contents, the parts that are images or videos.
    """
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return
    if isinstance(value, str | os.PathLike):
        if text := os.fspath(value):
            yield text
    elif isinstance(value, bytes | bytearray | memoryview):
        yield bytes(value)
    elif isinstance(value, Mapping):
        yield from _of_mapping(value)
    elif isinstance(value, list | tuple | np.ndarray):
        for one in value:
            yield from references(one)
    else:
        raise Refused(f"a value of type {type(value).__name__} is neither a path nor bytes")


def _of_mapping(value: Mapping[str, Any]) -> Iterator[Reference]:
    if value.get("bytes") is not None:
        yield from references(value["bytes"])
    elif value.get("content") is not None and "role" in value:
        yield from _of_content(value["content"])
    else:
        names = ("path", "url", *_PARTS)
        yield from references(next((value[name] for name in names if value.get(name)), None))


def _of_content(content: Any) -> Iterator[Reference]:
    for part in content if isinstance(content, list) else ():
        if isinstance(part, Mapping) and part.get("type") in _PARTS:
            yield from _of_mapping(part)


@dataclass(frozen=True)
class Opener:
    """Opens what references stand for, as far as that is allowed."""

    root: str | None = None
    remote: bool = False
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_remote(self) -> bool:
        """Whether media may lie where only reading them tells that they have changed."""
        return self.remote or "://" in (self.root or "")

    def open(self, reference: Reference) -> BinaryIO:
        """The bytes, as a file; raises Refused, or what a file system raises."""
        if isinstance(reference, bytes):
            return io.BytesIO(reference)
        if (path := self.local(reference)) is not None:
            return _regular(path)
        kind = _scheme(reference)
        if kind == "data":
            return io.BytesIO(_inline(reference))
        if kind is None:
            fs, base = fsspec.core.url_to_fs(self.root, **self.options)
            return fs.open(f"{base.rstrip('/')}/{_inside(reference)}", "rb")
        if kind not in REMOTE:
            raise Refused(f"{kind}: is not opened")
        if not self.remote:
            raise Refused(f"{kind}: is not fetched; remote=True allows it")
        return fsspec.open(reference, "rb", **self.options).open()

    def local(self, reference: Reference) -> Path | None:
        """The file of this machine that is meant; None for other media; raises Refused."""
        if isinstance(reference, bytes):
            return None
        if "::" in reference or "\0" in reference:
            raise Refused("not a plain path or url")
        kind = _scheme(reference)
        if kind == "file":
            reference, kind = unquote(reference[len("file://") :]), None
        if kind is not None or "://" in (self.root or ""):
            return None
        if self.root is None:
            return Path(reference)
        base = Path(self.root).expanduser().resolve()
        found = (base / _inside(reference)).resolve()
        if not found.is_relative_to(base):
            raise Refused("a link leads out of root")
        return found

    def stamp(self, reference: Reference) -> str:
        """Changes when a local file does; of other media nothing is known without reading them."""
        try:
            path = self.local(reference)
            known = path.stat() if path is not None else None
        except (OSError, ValueError):
            return "missing"
        return f"{known.st_size} {known.st_mtime_ns}" if known else ""


def _scheme(reference: str) -> str | None:
    """What a url begins with; None for a path."""
    found = _SCHEME.match(reference)
    return (found[1] or found[2]).lower() if found else None


def _regular(path: Path) -> BinaryIO:
    """A regular file, opened; a device, a pipe, or what only looks like a file might never end."""
    known = path.stat()
    if not stat.S_ISREG(known.st_mode):
        raise Refused("not a regular file")
    if not known.st_size:
        raise Refused("an empty file")
    if known.st_size > LARGEST:
        raise Refused(f"a file of {known.st_size:,} bytes; the most is {LARGEST:,}")
    return path.open("rb")


def _inside(path: str) -> str:
    """The path, if it is relative and stays where it begins."""
    plain = posixpath.normpath(path.replace("\\", "/"))
    if plain.startswith(("/", "~")) or re.match(r"^[A-Za-z]:", plain):
        raise Refused("an absolute path, where root= is given")
    if plain.split("/")[0] == "..":
        raise Refused("the path leads out of root")
    return path


def _inline(reference: str) -> bytes:
    """The bytes of a data: url."""
    head, comma, body = reference.partition(",")
    if not comma or not head.endswith(";base64"):
        raise Refused("a data: url without base64")
    return base64.b64decode(body, validate=True)
