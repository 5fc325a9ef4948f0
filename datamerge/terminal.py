"""What a run shows while it works: stage, rows, rate, time left, where the dashboard is."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from .compute import Progress

STAGES = {
    "prepare": "reading and filtering",
    "exact": "hashing texts",
    "stat": "looking for files",
    "media": "hashing files",
    "shingle": "shingling",
    "prefix": "finding the rarest shingles",
    "lists": "listing candidates",
    "estimate": "estimating pairs",
    "embed": "embedding",
    "quantise": "preparing vectors",
    "cluster": "clustering",
    "recall": "measuring recall",
    "group": "grouping near-equal rows",
    "compare": "comparing",
    "keep": "reading the column to keep by",
    "write": "writing",
}
_UNTOLD = {"choose"}  # done before one could read it


class Lines:
    """A reporter that keeps one line up to date in a terminal, and writes few lines to a file.

    Attributes
    ----------
    stream : text stream
        Where to write; standard error by default.
    """

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self._shown = 0.0
        self._width = 0

    def __call__(self, progress: Progress) -> None:
        if progress.stage in _UNTOLD:
            return
        ended = progress.done == progress.total
        now = time.monotonic()
        if not ended and (not self.live or now - self._shown < 0.1):
            return
        self._shown = now
        line = describe(progress)
        if self.live:
            self.stream.write(f"\r{line.ljust(self._width)}")
            self._width = 0 if ended else len(line)
        else:
            self.stream.write(line)
        if ended:
            self.stream.write("\n")
        self.stream.flush()


def describe(progress: Progress) -> str:
    """One line about a stage.

    >>> describe(Progress("write", 2, 4, 5000, 10.0))
    'writing: 2 of 4 parts, 5,000 rows, 500 rows/s, 10 s left'
    """
    parts = [f"{progress.done:,} of {progress.total:,} parts"]
    if progress.rows:
        rate = progress.rows / max(progress.seconds, 1e-3)
        parts += [f"{progress.rows:,} rows", f"{rate:,.0f} rows/s"]
    if progress.done < progress.total:
        left = progress.seconds / max(progress.done, 1) * (progress.total - progress.done)
        parts.append(f"{duration(left)} left")
    else:
        parts.append(f"done in {duration(progress.seconds)}")
    return f"{STAGES.get(progress.stage, progress.stage)}: {', '.join(parts)}"


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(0.4), duration(75), duration(7260)
    ('0.4 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def safe(text: str, most: int | None = None) -> str:
    r"""Text from a data set for a terminal: one line, no control or direction characters.

    >>> safe("a\x1b[31mb\n c")
    'a[31mb c'
    """
    words = " ".join(text.split())
    clean = "".join(c for c in words if c.isprintable() and c not in _DIRECTIONS)
    return clean if most is None or len(clean) <= most else clean[: most - 1] + "…"


_DIRECTIONS = {chr(n) for n in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
