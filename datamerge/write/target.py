"""The output folder: files appear in it whole or not at all, and stay, power cut or not."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal

import fsspec
import xxhash
from fsspec.implementations.local import LocalFileSystem

from .._merge_card import FOLDERS
from ..workdir.sealed import room_for

Format = Literal["parquet", "jsonl"]
Files = dict[str, list[Any]]  # by name: the length and the hash


@dataclass(frozen=True)
class Target:
    """Where a run is written and how; the same on every worker."""

    path: str
    format: Format = "parquet"
    schema: str | None = None
    options: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def fs(self) -> Any:
        """The file system of the output."""
        return fsspec.core.url_to_fs(self.path, **self.options)[0]

    @property
    def root(self) -> str:
        """The output folder as that file system names it."""
        return str(fsspec.core.url_to_fs(self.path, **self.options)[1]).rstrip("/")

    @contextmanager
    def replacing(self, name: str) -> Iterator[Any]:
        """A file under the output folder that appears only once it is whole.

        Until then it is in ``.run``, which goes at the end with all that a crash left there.
        """
        fs, final = self.fs, f"{self.root}/{name}"
        temporary = f"{self.root}/.run/{PurePosixPath(final).name}.{uuid.uuid4().hex}.tmp"
        for folder in (f"{self.root}/.run", str(PurePosixPath(final).parent)):
            fs.makedirs(folder, exist_ok=True)
        try:
            with room_for(final), fs.open(temporary, "wb") as file:
                yield Summed(file)
                if isinstance(fs, LocalFileSystem):  # others keep what is closed
                    file.flush()
                    os.fsync(file.fileno())
            _rename(fs, temporary, final)
        except BaseException:
            if fs.exists(temporary):
                fs.rm(temporary)
            raise

    def settle(self) -> None:
        """Have the names of files on the disk, where it is a local one; what they hold is there."""
        if not isinstance(self.fs, LocalFileSystem):
            return
        for name in ("", ".run", *FOLDERS):
            folder = Path(self.root, name)
            if folder.exists():
                _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:  # some file systems have nothing to do there, and say so
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(opened)


class Summed:
    """A file that is written, and what is to be noted of it: its length and hash so far."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._length, self._digest = 0, xxhash.xxh3_64()

    def write(self, data: Any) -> int:
        """Write on."""
        self._digest.update(data)
        self._length += memoryview(data).nbytes
        return self._file.write(data)

    @property
    def sums(self) -> list[Any]:
        """Length and hash."""
        return [self._length, self._digest.hexdigest()]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _rename(fs: Any, temporary: str, final: str) -> None:
    try:
        if isinstance(fs, LocalFileSystem):
            Path(temporary).replace(final)
        else:
            fs.mv(temporary, final)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{final} could not be put in its place: another run has finished or replaced this "
            "folder meanwhile"
        ) from error
