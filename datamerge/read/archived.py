"""Files inside an archive: all that are open read from one file, which has one position.

So threads that read two of them would move each other's; here each goes by a position of its own,
and one at a time.
"""

from __future__ import annotations

import io
import threading
from typing import Any
from weakref import WeakKeyDictionary

_locks: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
_making = threading.Lock()


def opened(fs: Any, path: str) -> io.BufferedReader:
    """A file of the archive that a file system stands for, seekable."""
    with _making:
        lock = _locks.setdefault(fs, threading.RLock())
    with lock:
        return io.BufferedReader(_Member(fs.open(path, "rb"), lock), 1 << 18)


class _Member(io.RawIOBase):
    """A file that is read at a position of its own."""

    def __init__(self, file: Any, lock: Any) -> None:
        self._file, self._lock, self._at = file, lock, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            with self._lock:
                self._file.seek(0, io.SEEK_END)
                offset += self._file.tell()
        elif whence == io.SEEK_CUR:
            offset += self._at
        if offset < 0:
            raise ValueError(f"negative seek position {offset}")
        self._at = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        with self._lock:
            self._file.seek(self._at)
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            with self._lock:
                self._file.close()
        super().close()
