"""Files that appear whole or not at all, and can tell later whether they still are.

What is sealed ends in a note, the length and hash of all before, and a mark: a file that was
cut short, filled with zeros by a power cut, or written by another version is told from a whole
one. Readers that go by the beginning of a file (``.npy``) need not know.
"""

from __future__ import annotations

import errno
import math
import os
import shutil
import struct
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa
import xxhash

# Length of the content, length of the note, hash of both, and the mark of this layout.
_END = struct.Struct("<QIQ8s")
_MARK = b"dmseal1\n"
_CHUNK = 1 << 22
# What is written in large pieces is mapped in large pieces later, however little is read of it.
_PIECE = 1 << 16


class DamagedError(OSError):
    """A kept file that is not what was written; it is removed, and the next run makes it again."""


class NoRoomError(OSError):
    """The disk, or the quota, is full."""


def damaged(path: Path, why: object = "it is not whole") -> DamagedError:
    """The error to raise of a damaged file, which is removed."""
    path.unlink(missing_ok=True)
    return DamagedError(
        f"{path} was damaged ({why}) and is removed; the same run again makes it again"
    )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with room_for(path):
            yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def room_for(path: Path | str) -> Iterator[None]:
    """Say what to do where there is no room for a file."""
    try:
        yield
    except OSError as error:
        if isinstance(error, NoRoomError) or not _is_full(error, Path(path).parent):
            raise
        raise NoRoomError(
            f"no room left for {path}: {error}. Make room there, or name another folder; then "
            "the same run goes on where it stopped"
        ) from error


def _is_full(error: OSError, folder: Path) -> bool:
    """Whether there is no room; NumPy says only how much it could write."""
    if error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return folder.exists() and shutil.disk_usage(folder).free < _CHUNK


def mapped(path: Path, kind: Any, shape: tuple[int, ...]) -> Any:
    """A new ``.npy`` file of zeros, mapped to be filled in.

    Its room on the disk is taken at once: where there is none, that is an error. A hole in
    a file that can't be filled later would end the process.
    """
    with room_for(path), path.open("wb") as file:
        about = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, about)
        start = file.tell()
        size = math.prod(shape) * np.dtype(kind).itemsize
        file.truncate(start + size)
        if size:
            _take(file, start, size)
    return np.load(path, mmap_mode="r+", allow_pickle=False)


def _take(file: BinaryIO, start: int, size: int) -> None:
    try:
        os.posix_fallocate(file.fileno(), start, size)
    except AttributeError:  # macOS
        return
    except OSError as error:  # some file systems can't tell before
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise


@contextmanager
def sealing(path: Path, note: Any = None) -> Iterator[Path]:
    """A temporary path that takes the place of ``path``, sealed, when the block ends well."""
    with replacing(path) as temporary:
        yield temporary
        with temporary.open("a+b") as file:
            _seal(file, orjson.dumps(note))


@contextmanager
def writing(path: Path, note: Any = None) -> Iterator[Callable[[Any], None]]:
    """Add buffers to a file that appears, sealed, when the block ends well.

    They are hashed on their way to the disk: nothing is read again for that. The note is what it
    is at the end.
    """
    digest, length = xxhash.xxh3_64(), 0
    with replacing(path) as temporary, temporary.open("wb") as file:

        def add(buffer: Any) -> None:
            nonlocal length
            array = isinstance(buffer, np.ndarray)
            view = buffer.reshape(-1).view(np.uint8) if array else memoryview(buffer)
            digest.update(view)
            file.write(view)
            length += len(view)

        yield add
        told = orjson.dumps(note)
        digest.update(told)
        file.write(told + _END.pack(length, len(told), digest.intdigest(), _MARK))


def save(path: Path, *, note: Any) -> None:
    """A sealed file that holds nothing but its note."""
    with writing(path, note):
        pass


def _seal(file: BinaryIO, note: bytes) -> None:
    length = file.seek(0, 2)
    digest = _hashed(file, length, note)
    file.seek(0, 2)
    file.write(note + _END.pack(length, len(note), digest, _MARK))


def _hashed(file: BinaryIO, length: int, note: bytes) -> int:
    digest = xxhash.xxh3_64()
    file.seek(0)
    while length:
        chunk = file.read(min(length, _CHUNK))
        if not chunk:
            break
        digest.update(chunk)
        length -= len(chunk)
    digest.update(note)
    return digest.intdigest()


def _end(file: BinaryIO) -> tuple[int, bytes, int] | None:
    """Length of the content, the note and the hash; None where the file does not end well."""
    size = file.seek(0, 2)
    if size < _END.size:
        return None
    file.seek(-_END.size, 2)
    length, told, digest, mark = _END.unpack(file.read())
    if mark != _MARK or length + told + _END.size != size:
        return None
    file.seek(length)
    return length, file.read(told), digest


def is_complete(path: Path) -> bool:
    """Whether the file is there and ends as it should; its content is not read."""
    try:
        with path.open("rb") as file:
            return _end(file) is not None
    except OSError:
        return False


def is_whole(path: Path) -> bool:
    """Whether the file is there, with the content that was written."""
    try:
        with path.open("rb") as file:
            found = _end(file)
            return found is not None and _hashed(file, found[0], found[1]) == found[2]
    except OSError:
        return False


def note(path: Path) -> Any:
    """What was noted at the end of a file.

    Raises
    ------
    DamagedError
        There is no end to the file, or no file.
    """
    try:
        with path.open("rb") as file:
            found = _end(file)
        if found is not None:
            return orjson.loads(found[1])
    except (OSError, orjson.JSONDecodeError) as error:
        raise damaged(path, error) from error
    raise damaged(path)


def chunks(path: Path, start: int, size: int) -> Iterator[bytes]:
    """A part of a file, some of it at a time, and nothing mapped."""
    with path.open("rb") as file:
        file.seek(start)
        while size:
            chunk = file.read(min(size, _PIECE))
            if not chunk:
                raise damaged(path)
            size -= len(chunk)
            yield chunk


def content(path: Path) -> pa.Buffer:
    """The file without its end, mapped."""
    try:
        with path.open("rb") as file:
            found = _end(file)
        if found is not None:
            with pa.memory_map(str(path)) as mapped:
                return mapped.read_buffer(found[0])
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from error
    raise damaged(path)
