"""Files cut into partitions: large ones inside, small ones together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

from . import lines, parquet
from .compression import decompressed
from .formats import json_format
from .load import OnError, Piece, ReadError
from .records import Broken
from .sources import File

# Of a source too small for as many partitions of the larger size as it should have, so that all
# cores of a small machine have something to do, partitions are smaller, down to the lesser one.
BLOCKSIZE, LEAST, PARTITIONS = 16 << 20, 6 << 20, 8
PARQUET, COMPRESSED = 3, 4  # bytes of texts a byte of such a file holds, about
LOOKS = 16  # files at a time
MOST_SHARES = 16  # of a row group: each may have to decode all of it


def partitions(
    files: Sequence[File], blocksize: int | None, sample_by: lines.SampleBy, on_error: OnError
) -> Iterator[tuple[Piece, ...]]:
    """The pieces of each partition: about so many bytes, by default as many as suit the source."""
    if blocksize is None:
        size = sum(map(_contents, files)) // PARTITIONS
        blocksize = min(max(size, LEAST), BLOCKSIZE)
    return _packed(_cut(files, blocksize, sample_by, on_error), blocksize)


def _cut(
    files: Sequence[File], blocksize: int, sample_by: lines.SampleBy, on_error: OnError
) -> Iterator[Piece]:
    """The pieces of all files, in their order."""
    large = {file for file in files if _is_cut(file, blocksize, sample_by)}

    def cut(file: File) -> list[Piece]:
        return list(_pieces(file, blocksize, on_error))

    # What large files hold is told by their footers or beginnings, which may be far away.
    pool = ThreadPoolExecutor(LOOKS)
    try:
        found = pool.map(cut, [file for file in files if file in large])
        for file in files:
            yield from next(found) if file in large else [Piece(file)]
    finally:
        pool.shutdown(cancel_futures=True)


def _contents(file: File) -> int:
    """About how many bytes it would be as plain text."""
    if file.format == "parquet":
        return file.size * PARQUET
    return file.size * (COMPRESSED if file.compression else 1)


def _is_cut(file: File, blocksize: int, sample_by: lines.SampleBy) -> bool:
    """Whether a file is read in several pieces: a large one, unless nobody can cut it."""
    return _contents(file) > blocksize and (file.format != "text" or sample_by != "document")


def _pieces(file: File, blocksize: int, on_error: OnError) -> Iterator[Piece]:
    """A large file in pieces of about ``blocksize``; one that can't be read as a whole."""
    try:
        if file.format == "parquet":
            yield from _row_groups(file, blocksize)
        else:
            if on_error == "quarantine" and file.format in ("lines", "text"):
                # As a whole: else all pieces but the first would be rows.
                lines.require_utf8(_begins_with(file))
            yield from (_shares if file.compression else _blocks)(file, blocksize)
    except (Broken, OSError) as error:
        if on_error == "raise":
            raise ReadError(f"{file.url}: {error}") from error
        yield Piece(file)


def _blocks(file: File, blocksize: int) -> Iterator[Piece]:
    file = _told(file)
    count = -(-file.size // blocksize)
    bounds = [file.size * number // count for number in range(count + 1)]
    yield from (Piece(file, start, stop) for start, stop in pairwise(bounds))


def _shares(file: File, blocksize: int) -> Iterator[Piece]:
    """Of a compressed file, where it can be told from what it was before."""
    told = _told(file)
    if not file.stamp:
        yield Piece(file)
        return
    count = -(-_contents(told) // blocksize)
    yield from (Piece(told, share=(number, count)) for number in range(count))


def _told(file: File) -> File:
    """Whether a ``.json`` file is an array or what else, by its beginning."""
    if file.format != "json":
        return file
    head = _beginning(file)
    lines.require_utf8(head)
    return replace(file, format=json_format(head))


def _begins_with(file: File) -> bytes:
    """The beginning; nothing of a stream that is broken, which those who read it tell."""
    try:
        return _beginning(file)
    except Broken:
        return b""


def _beginning(file: File) -> bytes:
    with file.open() as opened:
        return next(decompressed(opened, file.compression), b"")


def _row_groups(file: File, blocksize: int) -> Iterator[Piece]:
    with file.open() as opened:
        metadata = parquet.open_parquet(opened).metadata
    start, size = 0, 0
    for group in range(metadata.num_row_groups):
        size += metadata.row_group(group).total_byte_size
        if size >= blocksize or group == metadata.num_row_groups - 1:
            rows = metadata.row_group(group).num_rows
            most = max(min(rows, MOST_SHARES), 1)
            shares = min(max(size // blocksize, 1), most) if group == start else 1
            for share in range(shares):
                yield Piece(file, start, group + 1, (share, shares))
            start, size = group + 1, 0


def _packed(pieces: Iterable[Piece], blocksize: int) -> Iterator[tuple[Piece, ...]]:
    """Small files share a partition, in their order, up to the block size."""
    gathered: list[Piece] = []
    size = 0
    for piece in pieces:
        if gathered and (not piece.whole or size + _contents(piece.file) > blocksize):
            yield tuple(gathered)
            gathered, size = [], 0
        gathered.append(piece)
        size += _contents(piece.file) if piece.whole else blocksize
    if gathered:
        yield tuple(gathered)
