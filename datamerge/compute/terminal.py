"""What a terminal shows of long work; and text from a data set made safe for one."""

from __future__ import annotations

import shutil
import sys
import time
from functools import lru_cache
from typing import TextIO

from .progress import Progress, dashboard, figures, name, patience

OFTEN = 0.1  # seconds from one state of a line to the next


class Lines:
    """A reporter that keeps one line up to date in a terminal, and writes few lines to a file.

    Attributes
    ----------
    stream : text stream
        Where to write; standard error by default.
    patience : float
        Stages that take fewer seconds are not shown.
    link : str
        The address of the dashboard, where it has been told.
    """

    def __init__(
        self, stream: TextIO | None = None, *, patience: float = 0.0, link: str | None = None
    ):
        self.stream = stream or sys.stderr
        self.patience = patience
        self.link = link
        self.live = self.stream.isatty()
        self._shown = 0.0
        self._width = 0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        due = self.live and now - self._shown >= OFTEN
        if not (progress.ended or due) or (progress.seconds < self.patience and not self._width):
            return
        self._shown = now
        self._say_dashboard()
        self._write(describe(progress), progress.ended)

    def _write(self, line: str, ended: bool) -> None:
        if self.live:
            line = line[: shutil.get_terminal_size().columns - 1]  # what wraps cannot be taken back
            self.stream.write(f"\r{line.ljust(self._width)}")
            self._width = 0 if ended else len(line)
        else:
            self.stream.write(line)
        if ended:
            self.stream.write("\n")
        self.stream.flush()

    def _say_dashboard(self) -> None:
        link = None if self._width else dashboard()
        if link and link != self.link:
            self.link = link
            self.stream.write(f"dashboard: {link}\n")


def here(*, asked: bool) -> Lines | None:
    """Lines on standard error, where that is a terminal, or where they are asked for."""
    stream = sys.stderr
    if stream is None or stream.closed or not (asked or stream.isatty()):
        return None
    return _lines(stream, patience())


@lru_cache(maxsize=1)
def _lines(stream: TextIO, patience: float) -> Lines:
    return Lines(stream, patience=patience)


def describe(progress: Progress) -> str:
    """One line about a stage.

    >>> describe(Progress("write", 2, 4, 5000, 10.0))
    'writing: 2 of 4 parts, 5,000 rows, 500 rows/s, 10 s left'
    """
    return f"{safe(name(progress.stage), 60)}: {figures(progress)}"


def safe(text: str, most: int | None = None) -> str:
    r"""Text from a data set for a terminal: one line, no control or direction characters.

    >>> safe("a\x1b[31mb\n c")
    'a[31mb c'
    """
    words = " ".join(text.split())
    clean = "".join(c for c in words if c.isprintable() and c not in _DIRECTIONS)
    return clean if most is None or len(clean) <= most else clean[: most - 1] + "…"


_DIRECTIONS = {chr(n) for n in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
