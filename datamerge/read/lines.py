"""Records of line-based files: JSON Lines and plain text, whole, compressed or cut into blocks.

Positions are byte offsets in the (decompressed) file, so that a block can be read on its own
and a record keeps its position whatever the block size.
"""

from __future__ import annotations

import bz2
import json
import lzma
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Literal

import orjson

from .records import Broken, Item

CHUNK = 1 << 20
BOM = b"\xef\xbb\xbf"
SampleBy = Literal["line", "paragraph", "document"]


def block_lines(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """The lines that begin in ``[start, stop)``, each with its offset, without line ends.

    A line that runs past ``stop`` belongs to the block it begins in and is read to its end.
    """
    file.seek(max(start - 1, 0))
    data = file.read(stop - max(start - 1, 0))
    position = max(start - 1, 0)
    if start:
        first = data.find(b"\n")
        if first < 0:
            return
        data, position = data[first + 1 :], position + first + 1
    if data and not data.endswith(b"\n"):
        data += _rest_of_line(file)
    yield from _split(data, position)


def _rest_of_line(file: BinaryIO) -> bytes:
    pieces, size = [], 1 << 16
    while piece := file.read(size):
        end = piece.find(b"\n")
        if end >= 0:
            pieces.append(piece[:end])
            break
        pieces.append(piece)
        size = min(size * 2, 1 << 24)
    return b"".join(pieces)


def _split(data: bytes, position: int) -> Iterator[tuple[int, bytes]]:
    for line in data.split(b"\n"):
        yield position, line
        position += len(line) + 1


def stream_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines of a stream of chunks with their offsets; a broken stream ends with its error.

    What arrived before the break is yielded; the unfinished last line goes into the error.
    """
    pending: list[bytes] = []
    position = 0
    try:
        for chunk in chunks:
            head, newline, tail = chunk.rpartition(b"\n")
            if newline:
                for at, line in _split(b"".join((*pending, head)), position):
                    yield at, line
                    position = at + len(line) + 1
                pending = [tail]
            else:
                pending.append(chunk)
    except Broken as error:
        raise Broken(error.reason, position, b"".join(pending)) from None
    if rest := b"".join(pending):
        yield position, rest


def decompressed(file: BinaryIO, compression: str | None) -> Iterator[bytes]:
    """The content of a file as chunks; raises Broken where the compressed stream breaks."""
    if compression is None:
        while chunk := file.read(CHUNK):
            yield chunk
        return
    if compression == "zstd":
        yield from _zstd(file)
        return
    make = {
        "gzip": lambda: zlib.decompressobj(wbits=31),
        "bz2": bz2.BZ2Decompressor,
        "xz": lzma.LZMADecompressor,
    }[compression]
    yield from _members(file, make, compression)


def _members(file: BinaryIO, make: Any, compression: str) -> Iterator[bytes]:
    """Every member of a compressed file, one after another."""
    member, fed = make(), False
    while chunk := file.read(CHUNK):
        while chunk:
            fed = True
            try:
                data = member.decompress(chunk)
            except (zlib.error, OSError, EOFError, lzma.LZMAError) as error:
                raise Broken(f"{compression} stream is corrupt: {error}") from None
            if data:
                yield data
            chunk = b""
            if member.eof:
                chunk, member, fed = member.unused_data.lstrip(b"\0"), make(), False
    if fed:
        raise Broken(f"{compression} stream is truncated")


def _zstd(file: BinaryIO) -> Iterator[bytes]:
    import pyarrow as pa

    stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    while True:
        try:
            chunk = stream.read(CHUNK)
        except OSError as error:
            raise Broken(f"zstd stream is truncated or corrupt: {error}") from None
        if not chunk:
            return
        yield chunk


def json_items(lines: Iterator[tuple[int, bytes]]) -> Iterator[Item]:
    """Each non-blank line as a parsed record; a line that is not JSON as its error."""
    loads = orjson.loads
    for position, line in lines:
        if position == 0 and line.startswith(BOM):
            line = line[len(BOM) :]
        try:
            yield position, loads(line), line
        except orjson.JSONDecodeError:
            if line.strip():
                yield position, parse(line), line


def parse(data: bytes) -> Any:
    """JSON as the standard library reads it: NaN and integers of any size are welcome.

    Returns the value, or a Broken that says what is wrong with it.
    """
    try:
        return json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Broken(f"invalid UTF-8 at byte {error.start}: {error.reason}")
    except json.JSONDecodeError as error:
        return Broken(f"invalid JSON at character {error.pos}: {error.msg}")
    except (RecursionError, ValueError) as error:
        return Broken(f"invalid JSON: {error}")


def text_items(lines: Iterator[tuple[int, bytes]], by: SampleBy) -> Iterator[Item]:
    """Plain text as records: a line, a paragraph (up to a blank line), or the whole file each."""
    if by == "line":
        for position, line in lines:
            if line.strip():
                yield _decoded(position, line.rstrip(b"\r"))
        return
    start, gathered = 0, []
    for position, line in lines:
        if by == "paragraph" and not line.strip():
            if gathered:
                yield _decoded(start, b"\n".join(gathered))
            gathered = []
            continue
        if not gathered:
            start = position
        gathered.append(line.rstrip(b"\r"))
    if any(line.strip() for line in gathered):
        yield _decoded(start, b"\n".join(gathered))


def _decoded(position: int, data: bytes) -> Item:
    raw = data.removeprefix(BOM) if position == 0 else data
    try:
        return position, raw.decode("utf-8"), raw
    except UnicodeDecodeError as error:
        return position, Broken(f"invalid UTF-8 at byte {error.start}: {error.reason}"), raw
