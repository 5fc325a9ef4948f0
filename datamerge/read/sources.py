"""From what the user names (paths, globs, folders, Hub data sets) to sources and their files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import fsspec
from fsspec.core import url_to_fs

FORMATS = {
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "text",
    ".md": "text",
    ".text": "text",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bz2", ".xz": "xz"}
SPLITS = re.compile(r"(?:^|[/._-])(train|test|validation|valid|dev|eval)(?=[/._-])", re.IGNORECASE)


@dataclass(frozen=True)
class File:
    """One file of a source: where it is, how it is named in ids, and what it looked like."""

    url: str
    name: str
    size: int
    stamp: str
    format: str
    compression: str | None
    # Credentials and the like are not part of what the file is, nor fit to be shown.
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def open(self) -> Any:
        """The file's bytes as stored, seekable."""
        fs, path = url_to_fs(self.url, **self.options)
        return fs.open(path, "rb")


def extension(path: str) -> tuple[str | None, str | None]:
    """Format and compression that a file's name tells; None where it tells none."""
    suffixes = [s.lower() for s in PurePosixPath(path).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression:
        suffixes.pop()
    return (FORMATS.get(suffixes[-1]) if suffixes else None), compression


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
    options = dict(storage_options or {})
    url = _with_revision(path, revision)
    fs, root = _filesystem(url, options)
    base, infos = _expand(fs, root, path)
    relative = {info["name"]: _relative(info["name"], base) for info in infos}
    if data_files is not None:
        infos = _chosen(infos, relative, data_files, path)
    elif not fsspec.core.has_magic(root):
        infos = _subset_and_split(infos, relative, split, subset, is_hub=url.startswith("hf://"))
    elif split is not None:
        infos = _of_split(infos, relative, split)
    if not infos:
        raise FileNotFoundError(f"{path}: no data files ({', '.join(sorted(FORMATS))}) found there")
    files = [_file(fs, info, relative[info["name"]], options) for info in infos]
    return _implied_name(path, root, base), sorted(files, key=lambda f: f.name)


def _filesystem(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    try:
        return url_to_fs(url, **options)
    except (ValueError, ImportError) as error:
        raise ValueError(f"{url}: {error}") from error


def _with_revision(path: str, revision: str | None) -> str:
    if revision is None:
        return path
    match = re.match(r"hf://((?:datasets|spaces|models)/)?([^/@]+/[^/@]+)(.*)", path)
    if not match:
        raise ValueError(f"revision={revision!r} is for hf:// paths, not for {path}")
    prefix, repo, rest = match.groups()
    return f"hf://{prefix or ''}{repo}@{revision}{rest}"


def _expand(fs: Any, root: str, shown: str) -> tuple[str, list[dict[str, Any]]]:
    """The folder that names are relative to, and what is there to read."""
    if fsspec.core.has_magic(root):
        found = [info for info in fs.glob(root, detail=True).values() if info["type"] == "file"]
        if not found:
            raise FileNotFoundError(f"{shown}: no file matches")
        base = root[: re.search(r"[*?\[]", root).start()].rpartition("/")[0]  # type: ignore[union-attr]
        return base, found
    try:
        info = fs.info(root)
    except FileNotFoundError:
        raise FileNotFoundError(_missing(shown)) from None
    if info["type"] == "file":
        return root.rpartition("/")[0], [info]
    if fs.exists(f"{root.rstrip('/')}/ledger.json"):
        root = f"{root.rstrip('/')}/data"  # the output of an earlier run: its kept rows
    base = root.rstrip("/")
    found = fs.find(base, detail=True).values()
    return base, [i for i in found if extension(i["name"])[0] and not _hidden(i["name"], base)]


def _missing(path: str) -> str:
    if re.fullmatch(r"[\w.-]+/[\w.-]+", path) and not PurePosixPath(path).suffix:
        return f"{path}: no such file or folder; for the Hub data set write hf://datasets/{path}"
    return f"{path}: no such file or folder"


def _hidden(path: str, base: str) -> bool:
    name = _relative(path, base)
    return any(piece.startswith((".", "_")) for piece in name.split("/")) or (
        PurePosixPath(name).name.lower() in {"readme.md", "license.txt", "license.md"}
    )


def _relative(path: str, base: str) -> str:
    return path[len(base) :].lstrip("/") if base and path.startswith(base) else path.lstrip("/")


def _chosen(infos: Any, relative: Any, data_files: str | Sequence[str], path: str) -> list[Any]:
    from fnmatch import fnmatch

    patterns = [data_files] if isinstance(data_files, str) else list(data_files)
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in relative.values()):
            raise FileNotFoundError(f"{path}: data_files {pattern!r} matches nothing there")
    return [i for i in infos if any(fnmatch(relative[i["name"]], p) for p in patterns)]


def _subset_and_split(
    infos: Any, relative: Any, split: str | None, subset: str | None, *, is_hub: bool
) -> list[Any]:
    """A Hub data set holds configurations (folders) and splits; training data is ``train``."""
    if is_hub and subset is not None:
        inside = [i for i in infos if f"{subset}/" in f"/{relative[i['name']]}"]
        infos = inside or infos
    if split is not None:
        return _of_split(infos, relative, split)
    if is_hub and any(_split_of(relative[i["name"]]) == "train" for i in infos):
        return _of_split(infos, relative, "train")
    return list(infos)


def _of_split(infos: Any, relative: Any, split: str) -> list[Any]:
    found = [i for i in infos if _split_of(relative[i["name"]]) == split.lower()]
    if not found:
        there = sorted({s for i in infos if (s := _split_of(relative[i["name"]]))})
        raise FileNotFoundError(f"split={split!r}: no file of that split; there are {there}")
    return found


def _split_of(name: str) -> str | None:
    match = SPLITS.search(name)
    return match.group(1).lower() if match else None


def _file(fs: Any, info: Mapping[str, Any], name: str, options: Mapping[str, Any]) -> File:
    known, compression = extension(info["name"])
    stamps = (info.get(k) for k in ("mtime", "ETag", "etag", "blob_id", "last_modified", "md5"))
    return File(
        url=fs.unstrip_protocol(info["name"]),
        name=name,
        size=int(info.get("size") or 0),
        stamp=str(next((s for s in stamps if s is not None), "")),
        format=known or "lines",
        compression=compression,
        options=options,
    )


def _implied_name(path: str, root: str, base: str) -> str:
    if path.startswith("hf://"):
        parts = re.sub(r"^hf://(datasets/|spaces/|models/)?", "", path).split("/")
        return parts[1].partition("@")[0] if len(parts) > 1 else parts[0]
    if fsspec.core.has_magic(root):
        return PurePosixPath(base).name or "data"
    name = PurePosixPath(root.rstrip("/")).name
    while PurePosixPath(name).suffix.lower() in (*FORMATS, *COMPRESSIONS):
        name = PurePosixPath(name).stem
    return name or "data"
