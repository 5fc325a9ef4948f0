"""Large compressed files of lines: unpacked once into the work directory, in blocks of whole lines.

A compressed stream can only be read from its beginning, so without that one task would have to take
all of it. One process unpacks a file, and the others wait for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import workdir
from ..workdir import sealed
from . import lines
from .compression import decompressed
from .records import Broken
from .sources import File

BLOCK = 2 << 20
PATIENCE = 120.0  # seconds without a block after which who unpacks is taken for dead


def blocks(file: File, share: tuple[int, int]) -> Iterator[lines.Block]:
    """The lines of the kth of n shares; with the last one comes the error of a broken stream."""
    folder = _folder(file)
    told = sealed.note(folder / "index")
    starts, (k, n) = told["starts"], share
    for number in range(len(starts) * k // n, len(starts) * (k + 1) // n):
        yield starts[number], _content(folder, str(number))
    if told["broken"] is not None and k == n - 1:
        reason, position = told["broken"]
        raise Broken(reason, position, _content(folder, "rest"))


def _content(folder: Path, name: str) -> bytes:
    path = folder / name
    if not sealed.is_whole(path):
        (folder / "index").unlink(missing_ok=True)  # without it the file is unpacked again
        raise sealed.damaged(path)
    return sealed.content(path).to_pybytes()


def _folder(file: File) -> Path:
    """Where its blocks are; made if they are not there."""
    folder = workdir.place("unpacked", file.key)
    while not sealed.is_whole(folder / "index"):
        folder.mkdir(exist_ok=True)
        try:
            (folder / "unpacking").touch(exist_ok=False)
        except FileExistsError:
            _wait(folder / "unpacking")
            continue
        try:
            sealed.save(folder / "index", note=_unpack(file, folder))
        finally:
            (folder / "unpacking").unlink(missing_ok=True)
    workdir.used(folder)
    return folder


def _wait(mark: Path) -> None:
    """Until who unpacks is done, or was not heard of for a while."""
    last, since = None, time.monotonic()
    with suppress(FileNotFoundError):
        while time.monotonic() - since < PATIENCE:
            now = mark.stat().st_mtime_ns
            if now != last:
                last, since = now, time.monotonic()
            time.sleep(0.1)
        mark.unlink()


def _unpack(file: File, folder: Path) -> dict[str, Any]:
    """Write the blocks; returns where in the file each begins, and why the stream broke."""
    starts: list[int] = []
    broken = None
    try:
        with file.open() as opened:
            chunks = decompressed(opened, file.compression, BLOCK)
            for position, data in lines.stream_blocks(chunks):
                _write(folder / str(len(starts)), data)
                starts.append(position)
                os.utime(folder / "unpacking")
    except Broken as error:
        _write(folder / "rest", error.raw)
        broken = error.reason, error.position
    return {"starts": starts, "broken": broken}


def _write(path: Path, data: bytes) -> None:
    with sealed.sealing(path) as temporary:
        temporary.write_bytes(data)
