"""What takes long to make is made by one process, while the others that need it wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

PATIENCE = 120.0  # seconds without a sign after which who makes it is taken for dead
EVERY = 0.1

Alive = Callable[[], None]


def once(mark: Path, is_there: Callable[[], bool], make: Callable[[Alive], None]) -> None:
    """Make something, unless it is there; a file marks that someone is about it.

    Who makes it gives a sign now and then, by calling what it is given.
    """
    while not is_there():
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            wait(mark)
            continue
        try:
            if not is_there():
                make(partial(_sign, mark))
        finally:
            mark.unlink(missing_ok=True)


def _sign(mark: Path) -> None:
    with suppress(FileNotFoundError):  # somebody lost patience
        os.utime(mark)


def wait(mark: Path) -> None:
    """Until who makes it is done, or was not heard of for a while."""
    last, since = None, time.monotonic()
    with suppress(FileNotFoundError):
        while time.monotonic() - since < PATIENCE:
            now = mark.stat().st_mtime_ns
            if now != last:
                last, since = now, time.monotonic()
            time.sleep(EVERY)
        mark.unlink()
