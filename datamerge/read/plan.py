"""What will be read: every source with its files, its schema and its share of partitions."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from ..schema import Schema, SchemaError, recognise
from . import arrays, lines, tables
from .load import OnError, Piece, ReadError, items, readable
from .records import Broken
from .sources import File, files_of

SAMPLE_BYTES, SAMPLE_RECORDS, SAMPLE_FILES = 1 << 20, 100, 5
WHERE = ("split", "data_files", "revision", "storage_options")


@dataclass(frozen=True)
class Source:
    """A source of records: its name, its schema, and the pieces that make each partition."""

    name: str
    schema: Schema
    partitions: tuple[tuple[Piece, ...], ...]
    sample_by: lines.SampleBy = "line"


def plan(
    request: Mapping[str, Any], *, blocksize: int, on_error: OnError, sample_by: lines.SampleBy
) -> Source:
    """Plan one source, asked for with the keys a recipe uses: ``path``, ``name``, ``type``, …"""
    request = dict(request)
    path, name = str(request.pop("path")), request.pop("name", None)
    where = {key: request.pop(key) for key in WHERE if key in request}
    sample_by = request.pop("sample_by", sample_by)
    implied, files = files_of(path, subset=name, **where)
    name = name or implied
    files = [_sniffed(file, on_error) for file in files]
    schema = _schema(name, files, request, sample_by, on_error)
    pieces = [p for file in files for p in _pieces(file, blocksize, sample_by, on_error)]
    return Source(name, schema, tuple(_packed(pieces, blocksize)), sample_by)


def _sniffed(file: File, on_error: OnError) -> File:
    """A ``.json`` file may hold an array, lines, or values one after another: look which."""
    if file.format != "json":
        return file
    try:
        with file.open() as opened:
            head = next(lines.decompressed(opened, file.compression), b"")
    except (OSError, Broken) as error:
        if on_error == "raise":
            raise ReadError(f"{file.url}: {error}") from error
        return replace(file, format="lines")
    body = head.removeprefix(lines.BOM).lstrip(arrays.SPACE)
    if body.startswith(b"["):
        return replace(file, format="array")
    first, newline, _ = body.partition(b"\n")
    one_a_line = not newline or not isinstance(lines.parse(first), Broken)
    return replace(file, format="lines" if one_a_line else "values")


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
    try:
        found = readable(_head_items(file, sample_by), file)
        for _, value, raw in itertools.islice(found, SAMPLE_RECORDS):
            if not isinstance(value, Broken):
                yield value
            budget -= len(raw or b"")
            if budget < 0:
                return
    except Broken:
        return  # the stream breaks within the sample; reading will set the rest aside


def _head_items(file: File, sample_by: lines.SampleBy) -> Iterator[Any]:
    if file.format == "parquet":
        return _parquet_head(file)
    if file.format in ("array", "values"):
        return _array_head(file)
    return items(Piece(file), sample_by)


def _parquet_head(file: File) -> Iterator[Any]:
    with file.open() as opened:
        parquet = tables.open_parquet(opened)
        try:
            batch = next(parquet.iter_batches(batch_size=SAMPLE_RECORDS), None)
        except (OSError, ValueError) as error:
            raise Broken(f"its first rows can't be read: {error}", 0, b"?") from None
        for nth, row in enumerate(batch.to_pylist() if batch is not None else ()):
            yield nth, row, None
        if batch is None or not batch.num_rows:
            # No rows, but column names: enough to recognise by.
            yield 0, dict.fromkeys(parquet.schema_arrow.names), None


def _array_head(file: File) -> Iterator[Any]:
    """The first elements, found in as much of the file as it takes to hold one."""
    with file.open() as opened:
        chunks = lines.decompressed(opened, file.compression)
        data = b""
        for chunk in chunks:
            data += chunk
            found = [item for item in arrays.all_items(data) if not isinstance(item[1], Broken)]
            if found:
                yield from found
                return


def _pieces(
    file: File, blocksize: int, sample_by: lines.SampleBy, on_error: OnError
) -> Iterator[Piece]:
    """A large plain file in pieces of about ``blocksize``; any other as one."""
    splittable = file.format in ("lines", "array", "values", "parquet") or (
        file.format == "text" and sample_by == "line"
    )
    if file.compression or not splittable or file.size <= blocksize:
        yield Piece(file)
    elif file.format == "parquet":
        yield from _row_groups(file, blocksize, on_error)
    else:
        for start in range(0, file.size, blocksize):
            yield Piece(file, start, min(start + blocksize, file.size))


def _row_groups(file: File, blocksize: int, on_error: OnError) -> Iterator[Piece]:
    try:
        with file.open() as opened:
            metadata = tables.open_parquet(opened).metadata
    except (Broken, OSError) as error:
        if on_error == "raise":
            raise ReadError(f"{file.url}: {error}") from error
        yield Piece(file)
        return
    start, size = 0, 0
    for group in range(metadata.num_row_groups):
        size += metadata.row_group(group).total_byte_size
        if size >= blocksize or group == metadata.num_row_groups - 1:
            yield Piece(file, start, group + 1)
            start, size = group + 1, 0


def _packed(pieces: Sequence[Piece], blocksize: int) -> Iterator[tuple[Piece, ...]]:
    """Small files share a partition, in their order, up to the block size."""
    gathered: list[Piece] = []
    size = 0
    for piece in pieces:
        if gathered and (not piece.whole or size + piece.file.size > blocksize):
            yield tuple(gathered)
            gathered, size = [], 0
        gathered.append(piece)
        size += piece.file.size if piece.whole else blocksize
    if gathered:
        yield tuple(gathered)


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
