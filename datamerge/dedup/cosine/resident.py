"""Blocks that stay on a device from task to task, in this process.

What has to go can be read again from the mapped vectors: that is where it spills to.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar

from ...compute import client
from ...compute.shortage import holder


class Sized(Protocol):
    """Something that takes memory."""

    @property
    def nbytes(self) -> int: ...


B = TypeVar("B", bound=Sized)
Key = tuple[str, Hashable]  # the folder of the search, and what tells blocks of it apart


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
        with self._lock:
            found: B | None = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
                return found
            self.made += 1
        made = make()  # two threads may make the same, at worst
        with self._lock:
            self._held[key] = made
            held = sum(block.nbytes for block in self._held.values())
            while self._held and held > most:
                held -= self._held.popitem(last=False)[1].nbytes
        return made

    def clear(self, folder: str | None = None) -> None:
        """Forget all, or those of one search."""
        with self._lock:
            for key in [key for key in self._held if folder in (None, key[0])]:
                del self._held[key]


BLOCKS = Resident()


@holder
def clear() -> None:
    """Forget all blocks."""
    BLOCKS.clear()


def end_of(folder: str) -> None:
    """Forget the blocks of a search in every worker, and here."""
    BLOCKS.clear(folder)
    running = client()
    if running is not None and running.status == "running":
        # A worker that does not answer has no blocks any more, or is to be waited for by nobody.
        running.run(_clear, folder, wait=False, on_error="ignore")


async def _clear(folder: str) -> None:
    # A coroutine: for those Dask need not wait.
    BLOCKS.clear(folder)
