"""What kind of file it is: by its name, and for ``.json`` by how it begins."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from .compression import CHUNK
from .delimited import Delimiter
from .records import Broken
from .values import BOM, SPACE, parse

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
_LINES = 20


def extension(path: str) -> tuple[str | None, str | None]:
    """Format and compression that a file's name tells; None where it tells none."""
    suffixes = [s.lower() for s in PurePosixPath(path).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression:
        suffixes.pop()
    return (FORMATS.get(suffixes[-1]) if suffixes else None), compression


def delimiter(name: str) -> Delimiter:
    """What parts the fields of a table in text, by the file's name."""
    return "\t" if ".tsv" in PurePosixPath(name.lower()).suffixes else ","


def json_format(head: bytes) -> str:
    """Whether a ``.json`` file is one ``array``, has a record a line, or ``values`` in a row.

    Lines it is when at least half of the first ones are JSON by themselves, or when the first
    does not end within ``head``.
    """
    body = head.removeprefix(BOM).lstrip(SPACE)
    lines = [line for line in body.split(b"\n")[: _LINES + 1] if line.strip()]
    unfinished = len(head) >= CHUNK and body.count(b"\n") < _LINES
    if unfinished:
        lines = lines[:-1]
    values = [value for line in lines[:_LINES] if (value := _container(line)) is not None]
    if body.startswith(b"["):
        return "lines" if len(values) > 1 and 2 * len(values) >= len(lines) else "array"
    return "lines" if (unfinished and not lines) or 2 * len(values) >= len(lines) else "values"


def _container(line: bytes) -> Any:
    value = parse(line)
    return None if isinstance(value, Broken) or not isinstance(value, dict | list | str) else value
