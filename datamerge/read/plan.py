"""What will be read: every source with its files, its schema and its share of partitions."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, get_args

from dask.utils import parse_bytes

from .._choices import one_of
from ..schema import Schema, SchemaError, recognise
from . import cut, lines, parquet
from .load import OnError, Piece, ReadError, csv_columns, items, readable
from .records import Broken, Item
from .sources import File, files_of

SAMPLE_BYTES, SAMPLE_RECORDS, SAMPLE_FILES = 1 << 20, 100, 5
WHERE = ("split", "data_files", "revision", "storage_options")
HOW = ("blocksize", "on_error", "sample_by")


@dataclass(frozen=True)
class Source:
    """A source of records: its name, its schema, and the pieces that make each partition."""

    name: str
    schema: Schema
    partitions: tuple[tuple[Piece, ...], ...]
    sample_by: lines.SampleBy = "line"
    on_error: OnError = "raise"

    @property
    def files(self) -> set[str]:
        """What its files are called in ids."""
        return {piece.file.name for part in self.partitions for piece in part}


def plan(request: Mapping[str, Any]) -> Source:
    """Plan one source, asked for with the keys a recipe uses: ``path``, ``name``, ``type``, …"""
    request = dict(request)
    path, name = str(request.pop("path")), request.pop("name", None)
    where = {key: request.pop(key) for key in WHERE if key in request}
    how = {key: request.pop(key) for key in HOW if key in request}
    blocksize, on_error, sample_by = checked(**how)
    implied, files = files_of(path, subset=name, **where)
    name = name or implied
    schema = _schema(name, files, request, sample_by, on_error)
    parts = tuple(cut.partitions(files, blocksize, sample_by, on_error))
    return Source(name, schema, parts, sample_by, on_error)


def checked(
    blocksize: int | str | None = None,
    on_error: OnError = "raise",
    sample_by: lines.SampleBy = "line",
) -> tuple[int | None, OnError, lines.SampleBy]:
    """How a source is read, with the block size in bytes; raises where it can't be meant."""
    one_of("on_error", on_error, get_args(OnError))
    one_of("sample_by", sample_by, get_args(lines.SampleBy))
    size = None if blocksize is None else parse_bytes(blocksize)
    if size is not None and size < 1:
        raise ValueError(f"blocksize={blocksize!r} must be at least one byte")
    return size, on_error, sample_by


def _schema(
    name: str,
    files: Sequence[File],
    overrides: Mapping[str, Any],
    sample_by: lines.SampleBy,
    on_error: OnError,
) -> Schema:
    """Recognise the source's schema from the first records of its first files."""
    found: dict[str, Schema] = {}
    samples: list[Any] = []
    for file in files[:SAMPLE_FILES]:
        try:
            records = list(sample(file, sample_by))
        except ReadError:
            if on_error == "raise":
                raise
            continue
        if records:
            samples += records
            found[file.name] = recognise(records, source=name, **overrides)
    if len({schema.type for schema in found.values()}) > 1:
        listed = "; ".join(f"{file}: {schema.type}" for file, schema in found.items())
        raise SchemaError(
            f"source {name!r}: its files hold different schemas ({listed}). "
            "Read them as separate sources, or say which it is with type=."
        )
    return recognise(samples, source=name, **overrides)


def sample(file: File, sample_by: lines.SampleBy) -> Iterator[Any]:
    """The first records of a file that can be parsed, up to a bound in number and bytes."""
    budget = SAMPLE_BYTES
    with closing(_head(file, sample_by)) as found:
        try:
            for _, value, raw in itertools.islice(readable(found, file), SAMPLE_RECORDS):
                if not isinstance(value, Broken):
                    yield value
                budget -= len(raw or b"")
                if budget < 0:
                    return
        except Broken:
            return  # the stream breaks within the sample; reading will set the rest aside


def _head(file: File, sample_by: lines.SampleBy) -> Generator[Item, None, None]:
    """A file's first records; for a table without any, one that tells its columns."""
    if file.format == "parquet":
        with file.open() as opened:
            yield from parquet.head_items(opened, SAMPLE_RECORDS)
        return
    nothing = True
    for item in items(Piece(file), sample_by):
        nothing = False
        yield item
    if nothing and file.format == "csv" and (names := csv_columns(file)):
        yield 0, dict.fromkeys(names), None


def distinct(requests: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Names of sources, made distinct: those that only a path implies grow by their folder."""
    given = Counter(r["name"] for r in requests if r.get("name"))
    twice = [name for name, times in given.items() if times > 1]
    if twice:
        raise ValueError(f"two sources are named {twice[0]!r}; names must differ")
    result = list(names)
    for depth in range(1, 8):
        times = Counter(result)
        if all(n == 1 for n in times.values()):
            return result
        for i, request in enumerate(requests):
            if times[result[i]] > 1 and not request.get("name"):
                folders = PurePath(str(request.get("path", ""))).parts[-1 - depth : -1]
                result[i] = "/".join((*folders[:depth], names[i]))
    clash = next(name for name, n in Counter(result).items() if n > 1)
    raise ValueError(f"two sources would be named {clash!r}; give them names with name=")
