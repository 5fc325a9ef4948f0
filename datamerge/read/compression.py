"""Compressed files as a stream of chunks, up to the place where they break."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from .records import Broken

CHUNK = 1 << 20
# No step of decompression makes more than this, so no file blows up in memory, and no more
# than this is lost of what stands before a break.
STEP = 1 << 16

_MEMBER: dict[str, Any] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "bz2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}


def decompressed(file: BinaryIO, compression: str | None, size: int = CHUNK) -> Iterator[bytes]:
    """The content of a file in chunks of about ``size``; Broken where a stream breaks."""
    if compression is None:
        while chunk := file.read(size):
            yield chunk
    elif compression == "zstd":
        yield from _gathered(_zstd(file), size)
    else:
        yield from _gathered(_members(file, _MEMBER[compression], compression), size)


def _gathered(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Pieces put together; what was there before a break still comes."""
    gathered: list[bytes] = []
    held = 0
    try:
        for piece in pieces:
            gathered.append(piece)
            held += len(piece)
            if held >= size:
                yield b"".join(gathered)
                gathered, held = [], 0
    except Broken:
        if gathered:
            yield b"".join(gathered)
        raise
    if gathered:
        yield b"".join(gathered)


def _members(file: BinaryIO, make: Any, compression: str) -> Iterator[bytes]:
    """Every member of a compressed file, one after another."""
    member, started = make(), False
    while chunk := file.read(CHUNK):
        while chunk := chunk if started else chunk.lstrip(b"\0"):  # padding between members
            started = True
            try:
                yield from _drained(member, chunk)
            except (zlib.error, OSError, EOFError, lzma.LZMAError) as error:
                raise Broken(f"{compression} stream is corrupt: {error}") from None
            chunk = b""
            if member.eof:
                chunk, member, started = member.unused_data, make(), False
    if started:
        raise Broken(f"{compression} stream is truncated")


def _drained(member: Any, chunk: bytes) -> Iterator[bytes]:
    """All that a decompressor makes of a chunk, a step at a time."""
    while True:
        made = member.decompress(chunk, STEP)
        if made:
            yield made
        chunk = getattr(member, "unconsumed_tail", b"")
        if member.eof or (not chunk and len(made) < STEP):
            return


def _zstd(file: BinaryIO) -> Iterator[bytes]:
    import pyarrow as pa

    stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    while True:
        try:
            made = stream.read(STEP // 4)
        except OSError as error:
            raise Broken(f"zstd stream is truncated or corrupt: {error}") from None
        if not made:
            return
        yield made
