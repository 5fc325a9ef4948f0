"""Large compressed files: unpacked once into the work directory, in blocks.

A compressed stream can only be read from its beginning, so without that one task would have to take
all of it. One process unpacks a file, and the others wait for it. Blocks hold whole lines; where
records may hold line ends, blocks are cut anywhere, and an index of records is kept beside them.
"""

from __future__ import annotations

import bisect
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from .. import workdir
from ..workdir import sealed, waiting
from . import indexed, lines, paragraphs
from .compression import decompressed
from .records import Broken, Item
from .sources import File

BLOCK = 2 << 20


def blocks(file: File, share: tuple[int, int]) -> Iterator[lines.Block]:
    """The lines of the kth of n shares; with the last one comes the error of a broken stream."""
    folder = _folder(file)
    told = sealed.note(folder / "index")
    yield from _blocks(folder, told, *_share(told, share), ends=share[0] == share[1] - 1)


def paragraphs_of(file: File, share: tuple[int, int]) -> Iterator[paragraphs.Line]:
    """The lines of paragraphs that begin in the kth of n shares."""
    folder = _folder(file)
    told = sealed.note(folder / "index")
    starts, (first, last), ends = told["starts"], _share(told, share), share[0] == share[1] - 1
    if first == last and not ends:
        return
    goes_on = False
    if first:
        *before, line = _content(folder, str(first - 1)).rsplit(b"\n", 1)
        is_first = first == 1 and not before
        goes_on = not lines.is_blank(0 if is_first else 1, line)
    found = lines.utf8(_blocks(folder, told, first, len(starts), ends=True))
    yield from paragraphs.within(found, math.inf if ends else starts[last], goes_on=goes_on)


def _share(told: Mapping[str, Any], share: tuple[int, int]) -> tuple[int, int]:
    """The numbers of its blocks."""
    count, (k, n) = len(told["starts"]), share
    return count * k // n, count * (k + 1) // n


def _blocks(
    folder: Path, told: Mapping[str, Any], first: int, last: int, *, ends: bool
) -> Iterator[lines.Block]:
    """Some blocks; ``ends``: and the error of a broken stream."""
    for number in range(first, last):
        yield told["starts"][number], _content(folder, str(number))
    if told["broken"] is not None and ends:
        reason, position = told["broken"]
        raise Broken(reason, position, _content(folder, "rest"))


def items(file: File, share: tuple[int, int]) -> Iterator[Item]:
    """The records of the kth of n shares of a file with an index."""
    folder, (k, n) = _folder(file), share
    told = sealed.note(folder / "index")
    size = told["size"]
    start, stop = size * k // n, size * (k + 1) // n
    if start < stop or k == n - 1:
        content = cast(BinaryIO, Content(folder, told["starts"], size))
        reason = None if told["broken"] is None else told["broken"][0]
        yield from indexed.items(file, content, _index(folder), start, stop, reason)


class Content:
    """What was unpacked, as one file: as much of one as is needed to read it by parts."""

    def __init__(self, folder: Path, starts: list[int], size: int):
        self.folder, self.starts, self.size = folder, starts, size
        self.position = 0
        self.number, self.block = -1, b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.position = offset + (self.size if whence == os.SEEK_END else 0)
        return self.position

    def read(self, size: int = -1) -> bytes:
        stop = self.size if size < 0 else min(self.position + size, self.size)
        found = []
        while self.position < stop:
            found.append(self._part(stop))
            self.position += len(found[-1])
        return b"".join(found)

    def _part(self, stop: int) -> bytes:
        """What is wanted of the block at the position."""
        number = bisect.bisect_right(self.starts, self.position) - 1
        if number != self.number:
            self.number, self.block = number, _content(self.folder, str(number))
        start = self.starts[number]
        return self.block[self.position - start : stop - start]


def _content(folder: Path, name: str) -> bytes:
    return sealed.content(_whole(folder, name)).to_pybytes()


def _index(folder: Path) -> np.ndarray:
    return np.load(_whole(folder, "records.npy"), allow_pickle=False)


def _whole(folder: Path, name: str) -> Path:
    path = folder / name
    if not sealed.is_whole(path):
        (folder / "index").unlink(missing_ok=True)  # without it the file is unpacked again
        raise sealed.damaged(path)
    return path


def _folder(file: File) -> Path:
    """Where its blocks are; made if they are not there."""
    folder = workdir.place("unpacked", file.key)
    folder.mkdir(exist_ok=True)

    def make(alive: waiting.Alive) -> None:
        unpack = _unpack_indexed if file.format in indexed.FORMATS else _unpack_lines
        sealed.save(folder / "index", note=unpack(file, folder, alive))

    waiting.once(folder / "unpacking", partial(sealed.is_whole, folder / "index"), make)
    workdir.used(folder)
    return folder


def _unpack_lines(file: File, folder: Path, alive: waiting.Alive) -> dict[str, Any]:
    """Write blocks of lines; returns where in the file each begins, and why the stream broke."""
    starts: list[int] = []
    broken = None
    try:
        with file.open() as opened:
            chunks = decompressed(opened, file.compression, BLOCK)
            _write_blocks(folder, lines.stream_blocks(chunks), starts, alive)
    except Broken as error:
        _write(folder / "rest", error.raw)
        broken = error.reason, error.position
    return {"starts": starts, "broken": broken}


def _unpack_indexed(file: File, folder: Path, alive: waiting.Alive) -> dict[str, Any]:
    """Write blocks and the index; returns where each begins, their size, and why it broke."""
    scanner = indexed.scanner(file)
    starts: list[int] = []
    found, broken, size = [scanner.first], None, 0

    def positioned(chunks: Iterable[bytes]) -> Iterator[lines.Block]:
        nonlocal size
        for chunk in chunks:
            found.append(scanner.places(chunk))
            yield size, chunk
            size += len(chunk)

    try:
        with file.open() as opened:
            chunks = decompressed(opened, file.compression, BLOCK)
            _write_blocks(folder, positioned(chunks), starts, alive)
    except Broken as error:
        broken = error.reason, None
    with sealed.sealing(folder / "records.npy") as temporary, temporary.open("wb") as index:
        np.save(index, np.concatenate(found), allow_pickle=False)
    return {"starts": starts, "broken": broken, "size": size}


def _write_blocks(
    folder: Path, blocks: Iterable[lines.Block], starts: list[int], alive: waiting.Alive
) -> None:
    for position, data in blocks:
        _write(folder / str(len(starts)), data)
        starts.append(position)
        alive()


def _write(path: Path, data: bytes) -> None:
    with sealed.sealing(path) as temporary:
        temporary.write_bytes(data)
