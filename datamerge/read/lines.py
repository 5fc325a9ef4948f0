"""Records of line-based files: JSON Lines and plain text, whole, compressed or cut into blocks.

Positions are byte offsets in the (decompressed) file, so that a block can be read on its own
and a record keeps its position whatever the block size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Literal

import orjson

from .records import Broken, Item
from .values import BOM, long_numbers, parse

SampleBy = Literal["line", "paragraph", "document"]
# Whole lines, without the last line end, and where the first of them begins.
Block = tuple[int, bytes]


def read_block(file: BinaryIO, start: int, stop: int) -> Iterator[Block]:
    """The lines that begin in ``[start, stop)``; the last is read to its end."""
    position = max(start - 1, 0)
    file.seek(position)
    data = file.read(stop - position)
    if start:
        first = data.find(b"\n") + 1
        if not first:
            return
        data, position = data[first:], position + first
    if data.endswith(b"\n"):
        yield position, data[:-1]
    elif data:
        yield position, data + _rest_of_line(file)


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


def stream_blocks(chunks: Iterable[bytes], position: int = 0) -> Iterator[Block]:
    """The lines of a stream of chunks, from a position on; a broken stream ends with its error.

    What arrived before the break is yielded; the unfinished last line goes into the error.
    """
    pending: list[bytes] = []
    try:
        for chunk in chunks:
            head, newline, tail = chunk.rpartition(b"\n")
            if newline:
                data = b"".join((*pending, head))
                yield position, data
                position += len(data) + 1
                pending = [tail]
            else:
                pending.append(chunk)
    except Broken as error:
        raise Broken(error.reason, position, b"".join(pending)) from None
    if rest := b"".join(pending):
        yield position, rest


def utf8(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same, unless the file is of another encoding."""
    for position, data in blocks:
        if position == 0:
            require_utf8(data)
        yield position, data


def require_utf8(head: bytes) -> None:
    """Raise where a file begins like one of another encoding."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Broken("the file is UTF-16; convert it to UTF-8 first")


def lines_of(blocks: Iterable[Block]) -> Iterator[tuple[int, bytes]]:
    """Each line with its offset, without its line end."""
    for position, data in blocks:
        for line in data.split(b"\n"):
            yield position, line
            position += len(line) + 1


def json_items(blocks: Iterable[Block]) -> Iterator[Item]:
    """Each non-blank line as a parsed record; a line that is not JSON as its error."""
    for position, data in blocks:
        loads, exact = orjson.loads, _exact(position, data)
        for line in data.split(b"\n"):
            try:
                yield position, (parse if position in exact else loads)(line), line
            except orjson.JSONDecodeError:
                text = line if position else line.removeprefix(BOM)
                if text.strip():
                    yield position, parse(text), line
            position += len(line) + 1


def _exact(position: int, data: bytes) -> set[int]:
    """Offsets of the lines that only `parse` reads exactly."""
    return {position + data.rfind(b"\n", 0, place) + 1 for place in long_numbers(data)}


def is_blank(position: int, line: bytes) -> bool:
    """Whether a line says nothing; at the beginning of a file there may be a mark."""
    return not (line if position else line.removeprefix(BOM)).strip()


def text_items(lines: Iterable[tuple[int, bytes]], by: SampleBy) -> Iterator[Item]:
    """Plain text as records: a line, a paragraph (up to a blank line), or the whole file each.

    Where the stream breaks, what was gathered goes into the error.
    """
    start = 0
    gathered: list[bytes] = []
    try:
        for position, line in lines:
            blank = is_blank(position, line)
            if not blank or (gathered and by == "document"):
                start = start if gathered else position
                gathered.append(line)
            if gathered and (by == "line" or (blank and by == "paragraph")):
                yield _decoded(start, b"\n".join(gathered))
                gathered = []
    except Broken as error:
        if not gathered:
            raise
        raise Broken(error.reason, start, b"\n".join((*gathered, error.raw))) from None
    if gathered:
        yield _decoded(start, b"\n".join(gathered))


def _decoded(position: int, raw: bytes) -> Item:
    try:
        text = (raw if position else raw.removeprefix(BOM)).decode("utf-8")
    except UnicodeDecodeError as error:
        return position, Broken(f"invalid UTF-8 at byte {error.start}: {error.reason}"), raw
    return position, text.replace("\r\n", "\n").removesuffix("\r"), raw
