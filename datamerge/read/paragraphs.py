"""Paragraphs of a share of a plain text: those that begin in it, to their ends.

A paragraph ends at a blank line. So whoever reads a share asks whether the line before it is blank:
if not, its first lines are another share's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from .compression import CHUNK
from .lines import Block, is_blank, lines_of, stream_blocks, utf8
from .records import Broken
from .values import BOM

Line = tuple[int, bytes]


def of_bytes(file: BinaryIO, start: int, stop: int) -> Iterator[Line]:
    """The lines of paragraphs that begin in ``[start, stop)``."""
    position = _line_start(file, start)
    if position is None or position >= stop:
        return
    goes_on = position > 0 and not _is_behind_blank(file, position)
    file.seek(position)
    blocks = stream_blocks(iter(lambda: file.read(CHUNK), b""), position)
    yield from within(utf8(blocks), stop, goes_on=goes_on)


def within(blocks: Iterable[Block], stop: float, *, goes_on: bool) -> Iterator[Line]:
    """The lines of paragraphs that begin before ``stop``.

    ``goes_on``: the first line belongs to a paragraph that began before it. Where the stream breaks
    within that one, who reads it from its beginning is told of it.
    """
    is_open = False
    try:
        for position, line in lines_of(blocks):
            blank = is_blank(position, line)
            if position >= stop and (blank or not is_open):
                return
            if goes_on:
                goes_on = not blank
                continue
            is_open = not blank
            yield position, line
    except Broken:
        if not goes_on:
            raise


def _line_start(file: BinaryIO, start: int) -> int | None:
    """Where the first line from a byte on begins."""
    if not start:
        return 0
    position = start - 1
    file.seek(position)
    while piece := file.read(1 << 16):
        end = piece.find(b"\n")
        if end >= 0:
            return position + end + 1
        position += len(piece)
    return None


def _is_behind_blank(file: BinaryIO, position: int) -> bool:
    """Whether the line before the one at a position is blank."""
    stop = position - 1
    while stop:
        start = max(stop - 4096, 0)
        start = start if start >= len(BOM) else 0
        file.seek(start)
        before, newline, line = file.read(stop - start).rpartition(b"\n")
        if not is_blank(start + len(before), line):
            return False
        if newline:
            return True
        stop = start
    return True
