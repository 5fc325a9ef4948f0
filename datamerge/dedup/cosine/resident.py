"""Blocks, and vectors fresh from an encoder, that stay on a device from task to task.

What has to go is on disk as well, and can be read again: that is where it spills to.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ...compute import client
from ...compute.shortage import holder


class Sized(Protocol):
    """Something that takes memory."""

    @property
    def nbytes(self) -> int: ...


B = TypeVar("B", bound=Sized)
Key = tuple[str, Hashable]  # the folder of the search, and what tells what is held for it apart


class Resident:
    """Blocks by their keys, within so many bytes; the one longest not used goes first."""

    def __init__(self) -> None:
        self._held: OrderedDict[Key, Any] = OrderedDict()
        self._lock = threading.Lock()
        self.made = 0  # how often a block was not there

    @property
    def nbytes(self) -> int:
        """Bytes that are held."""
        with self._lock:
            return sum(block.nbytes for block in self._held.values())

    def get(self, key: Key, most: int, make: Callable[[], B]) -> B:
        """The block of this key; made, if it is not here (any more)."""
        found: B | None = self.find(key)
        if found is not None:
            return found
        with self._lock:
            self.made += 1
        made = make()  # two threads may make the same, at worst
        self.put(key, made, most)
        return made

    def put(self, key: Key, made: Sized, most: int) -> None:
        """Hold this; what that leaves no room for goes."""
        with self._lock:
            if all(key[0] != folder for folder, _ in self._held):
                with suppress(FileNotFoundError):  # a run that has ended meanwhile
                    Path(key[0], _HELD).touch()
            self._held[key] = made
            held = sum(one.nbytes for one in self._held.values())
            while self._held and held > most:
                held -= self._held.popitem(last=False)[1].nbytes

    def find(self, key: Key) -> Any:
        """What is held by this key, if anything is."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def folders(self) -> set[str]:
        """The searches that something is held for."""
        with self._lock:
            return {folder for folder, _ in self._held}

    def clear(self, folder: str | None = None) -> None:
        """Forget all, or those of one search."""
        with self._lock:
            for key in [key for key in self._held if folder in (None, key[0])]:
                del self._held[key]


BLOCKS = Resident()
_HELD = "held"  # a file that tells that some process holds something for the search


@holder
def clear() -> None:
    """Forget everything."""
    BLOCKS.clear()


def end_of(folder: str) -> None:
    """Forget what is held for a search in every worker, and here; where nothing is, ask nobody."""
    if not Path(folder, _HELD).exists():
        return
    BLOCKS.clear(folder)
    running = client()
    if running is not None and running.status == "running":
        # A worker that does not answer has no blocks any more, or is to be waited for by nobody.
        running.run(_clear, folder, wait=False, on_error="ignore")


@contextmanager
def ending(folder: str) -> Iterator[None]:
    """However the block ends, nothing is held for the search any more."""
    try:
        yield
    finally:
        end_of(folder)


async def _clear(folder: str) -> None:
    # A coroutine: for those Dask need not wait.
    BLOCKS.clear(folder)
