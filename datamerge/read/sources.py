"""From what the user names (paths, globs, folders, Hub data sets) to sources and their files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

from fsspec.archive import AbstractArchiveFileSystem
from fsspec.core import has_magic, url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFile

from . import archived
from .formats import COMPRESSIONS, FORMATS, extension
from .splits import configured, matching, of_split, training

_HUB = re.compile(r"hf://((?:datasets|spaces|models)/)?([^/@]+/[^/@]+)(.*)")
# What file systems call the time, or the mark, of a file's last change.
_STAMPS = (
    *("mtime", "ETag", "etag", "blob_id", "LastModified", "last_modified", "modified"),
    *("md5", "md5Hash", "CRC", "created"),
)
_NO_DATA = {"readme.md", "license.txt", "license.md"}


@dataclass(frozen=True)
class File:
    """One file of a source: where it is, how it is named in ids, and what it looked like."""

    url: str
    name: str
    size: int
    stamp: str
    format: str
    compression: str | None
    path: str
    # A file system holds credentials: they are no part of what the file is, nor to be shown.
    fs: Any = field(repr=False, compare=False)

    def open(self) -> Any:
        """The file's bytes as stored, seekable."""
        if isinstance(self.fs, AbstractArchiveFileSystem):
            return archived.opened(self.fs, self.path)
        opened = self.fs.open(self.path, "rb")
        if isinstance(opened, MemoryFile):  # one for all who open it, with one position
            return BytesIO(opened.getvalue())
        return opened

    @property
    def is_local(self) -> bool:
        """Whether reading it again costs no download."""
        return isinstance(self.fs, LocalFileSystem)

    @property
    def is_changed(self) -> bool:
        """Whether it is no longer what it was when it was found; files elsewhere are not asked."""
        if not self.is_local or not self.stamp:
            return False
        try:
            now = self.fs.info(self.path)
        except FileNotFoundError:
            return True
        return (int(now["size"]), _stamp(self.fs, now)) != (self.size, self.stamp)

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells this file, as it is now, from any other."""
        return self.url, self.name, self.size, self.stamp, self.format, self.compression


def files_of(
    path: str,
    *,
    split: str | None = None,
    subset: str | None = None,
    data_files: str | Sequence[str] | None = None,
    revision: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> tuple[str, list[File]]:
    """The name a path implies for its source, and its data files in the order of their names."""
    url = _with_revision(path, revision)
    fs, root = _filesystem(url, storage_options or {})
    base, found = _expand(fs, root, path)
    infos = {_relative(info["name"], base): info for info in found}
    try:
        names = _chosen(list(infos), split, subset, data_files, _is_hub_folder(url, root, infos))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: {error}") from None
    if not names:
        raise FileNotFoundError(f"{path}: no data files ({', '.join(sorted(FORMATS))}) found there")
    chain = "".join(url.partition("::")[1:])
    files = [_file(fs, infos[name], name, chain) for name in sorted(names)]
    return _implied_name(path, root, base), files


def _chosen(
    names: list[str],
    split: str | None,
    subset: str | None,
    data_files: str | Sequence[str] | None,
    is_hub_folder: bool,
) -> list[str]:
    if data_files is not None:
        names = matching(names, data_files)
    elif is_hub_folder:
        names = configured(names, subset)
    if split is not None:
        return of_split(names, split)
    return training(names) if is_hub_folder and data_files is None else names


def _is_hub_folder(url: str, root: str, infos: Mapping[str, Any]) -> bool:
    return url.startswith("hf://") and not has_magic(root) and len(infos) > 1


def _filesystem(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    try:
        return url_to_fs(url, **options)
    except (ValueError, ImportError) as error:
        raise ValueError(f"{url}: {error}") from error


def _with_revision(path: str, revision: str | None) -> str:
    if revision is None:
        return path
    match = _HUB.match(path)
    if not match:
        raise ValueError(f"revision={revision!r} is for hf:// paths, not for {path}")
    prefix, repo, rest = match.groups()
    return f"hf://{prefix or ''}{repo}@{revision}{rest}"


def _expand(fs: Any, root: str, shown: str) -> tuple[str, list[dict[str, Any]]]:
    """The folder that names are relative to, and what is there to read."""
    if has_magic(root) and not fs.exists(root):
        return _globbed(fs, root, shown)
    try:
        info = fs.info(root)
    except FileNotFoundError:
        raise FileNotFoundError(_missing(shown)) from None
    if info["type"] == "file":
        return root.rpartition("/")[0], [info]
    base = root.rstrip("/")
    if fs.exists(f"{base}/ledger.json"):
        base = f"{base}/data"  # the output of an earlier run: its kept rows
    found = fs.find(base, detail=True).values()
    return base, [info for info in found if _is_data(_relative(info["name"], base))]


def _globbed(fs: Any, root: str, shown: str) -> tuple[str, list[dict[str, Any]]]:
    found = [info for info in fs.glob(root, detail=True).values() if info["type"] == "file"]
    if not found:
        raise FileNotFoundError(f"{shown}: no file matches")
    base = re.split(r"[*?\[]", root)[0].rpartition("/")[0]
    if extension(root) == (None, None):  # a pattern that takes whatever there is
        found = [info for info in found if _is_data(_relative(info["name"], base))]
    return base, found


def _missing(path: str) -> str:
    if re.fullmatch(r"[\w.-]+/[\w.-]+", path) and not PurePosixPath(path).suffix:
        return f"{path}: no such file or folder; for the Hub data set write hf://datasets/{path}"
    return f"{path}: no such file or folder"


def _is_data(name: str) -> bool:
    """Whether a file found in a folder holds data, as far as its name tells."""
    hidden = any(piece.startswith((".", "_")) for piece in name.split("/"))
    return not hidden and bool(extension(name)[0]) and name.lower() not in _NO_DATA


def _relative(path: str, base: str) -> str:
    return path[len(base) :].lstrip("/") if base and path.startswith(base) else path.lstrip("/")


def _file(fs: Any, info: Mapping[str, Any], name: str, chain: str) -> File:
    known, compression = extension(info["name"])
    return File(
        url=fs.unstrip_protocol(info["name"]) + chain,
        name=name,
        size=int(info.get("size") or 0),
        stamp=_stamp(fs, info),
        format=known or "lines",
        compression=compression,
        path=info["name"],
        fs=fs,
    )


def _stamp(fs: Any, info: Mapping[str, Any]) -> str:
    stamps = (info.get(key) for key in _STAMPS)
    stamp = str(next((stamp for stamp in stamps if stamp is not None), ""))
    if isinstance(fs, LocalFileSystem):
        # A copy may carry the time of another file; when its own entry was changed it can't.
        stamp += f" {info.get('created')}"
    return stamp


def _implied_name(path: str, root: str, base: str) -> str:
    if path.startswith("hf://"):
        parts = re.sub(r"^hf://(datasets/|spaces/|models/)?", "", path).split("/")
        return parts[1].partition("@")[0] if len(parts) > 1 else parts[0]
    if has_magic(root):
        return PurePosixPath(base).name or "data"
    name = PurePosixPath(root.rstrip("/")).name
    while PurePosixPath(name).suffix.lower() in (*FORMATS, *COMPRESSIONS):
        name = PurePosixPath(name).stem
    return name or "data"
