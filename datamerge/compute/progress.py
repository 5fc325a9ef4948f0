"""How far long work has come: what is told of a stage, in which words, and to whom.

The ``dask.config`` keys are ``datamerge.progress`` (False: nobody is told; True: also where
standard error is no terminal), ``datamerge.patience`` (seconds of work before anything is shown)
and ``datamerge.reporter`` (a function that is told instead).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

import dask

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
    "look": "reading rows to look at",
    "write": "writing",
    "verify": "checking what is written",
    "footers": "reading what files hold",
    "stage": "writing the frame down",
    "resplit": "writing files",
}
UNTOLD = {"choose"}  # done before one could read it
PATIENCE = 0.5


@dataclass(frozen=True)
class Progress:
    """Where a stage stands.

    Attributes
    ----------
    stage : str
        Its short name; a key of ``STAGES``.
    done, total : int
        Parts that are done, of all.
    rows : int
        Rows in the parts that are done; 0 where rows are not what is counted.
    seconds : float
        Since it began.
    last : float, optional
        Seconds from its beginning to the end of the last part that is done; by default ``seconds``.
    stopped : bool
        It was interrupted, or failed.
    """

    stage: str
    done: int
    total: int
    rows: int
    seconds: float
    last: float | None = None
    stopped: bool = False

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.stopped or self.done >= self.total

    @property
    def rate(self) -> float | None:
        """Rows per second."""
        return self.rows / max(self._spent, 1e-3) if self.rows else None

    @property
    def left(self) -> float | None:
        """Seconds that the other parts will take, as far as one can tell."""
        if self.ended or not self.done:
            return None
        left = self._spent / self.done * self.total - self.seconds
        return left if left > 0 else None  # parts that take longer than those before

    @property
    def _spent(self) -> float:
        return self.seconds if self.last is None else self.last


class Reporter(Protocol):
    """Is told of progress; set one as ``dask.config`` key ``datamerge.reporter``."""

    def __call__(self, progress: Progress) -> None:
        """Take note of where a stage stands."""


class Stage:
    """Tells of one stage from its beginning to its end, be it done or cut short."""

    def __init__(self, name: str, total: int):
        self.name, self._total = name, total
        self._tell = reporter() if total and name not in UNTOLD else None
        self._began = time.monotonic()
        self._done = self._rows = 0
        self._last = 0.0
        self._is_over = False

    def __enter__(self) -> Stage:
        self.goes_on()
        return self

    def ended(self, rows: int) -> None:
        """A part of so many rows has ended."""
        self._done, self._rows = self._done + 1, self._rows + rows
        self._last = time.monotonic() - self._began
        self.goes_on()

    def goes_on(self, stopped: bool = False) -> None:
        """Time has passed; of what is over, nothing more is told."""
        if self._tell is None or self._is_over:
            return
        seconds, last = time.monotonic() - self._began, self._last if self._done else None
        now = Progress(self.name, self._done, self._total, self._rows, seconds, last, stopped)
        self._is_over = now.ended
        self._tell(now)

    def __exit__(self, *_: object) -> None:
        if self._done < self._total:
            self.goes_on(stopped=True)


class _Here:
    """A reporter of this process; a copy of it, in another one, is nobody."""

    def __init__(self, reporter: Reporter):
        self._reporter = reporter

    def __call__(self, progress: Progress) -> None:
        self._reporter(progress)

    def __reduce__(self) -> tuple[Any, ...]:
        return bool, ()


def keep_reporter_here() -> None:
    """See that a reporter that is set can be in the configuration when a worker starts.

    Every worker process that Dask starts, or starts again, gets a copy of the configuration. What
    can't be copied, as most reporters, would keep it from starting.
    """
    chosen = dask.config.get("datamerge.reporter", None)
    if chosen and not isinstance(chosen, _Here):
        dask.config.set({"datamerge.reporter": _Here(chosen)})


def reporter() -> Reporter | None:
    """Who is told: the one that is set, or the notebook, or the terminal."""
    keep_reporter_here()
    chosen = dask.config.get("datamerge.reporter", None)
    wanted = dask.config.get("datamerge.progress", None)
    if chosen is not None:
        return chosen or None
    if wanted is not None and not wanted:
        return None
    from ..explore.progress import board
    from . import terminal

    return board.here() or terminal.here(asked=bool(wanted))


def patience() -> float:
    """How many seconds of work pass before anything is shown."""
    return float(dask.config.get("datamerge.patience", PATIENCE))


def dashboard() -> str | None:
    """The address of the dashboard, if a cluster works that has one."""
    from .stream import client

    running = client()
    if running is None:
        return None
    try:
        link = running.dashboard_link
    except (KeyError, ValueError, OSError):  # none there, or its pattern names an unset variable
        return None
    return link if link and link.startswith(("http://", "https://", "/")) else None


def name(stage: str) -> str:
    """A stage in words."""
    return STAGES.get(stage, stage)


def figures(progress: Progress) -> str:
    """What there is to say of a stage.

    >>> figures(Progress("write", 2, 4, 5000, 10.0))
    '2 of 4 parts, 5,000 rows, 500 rows/s, 10 s left'
    >>> figures(Progress("group", 0, 1, 0, 75.0))
    '1 min 15 s so far'
    """
    said = [f"{progress.done:,} of {progress.total:,} parts"] if progress.total > 1 else []
    if progress.rate is not None:
        rows = f"{progress.rows:,} row{'s' * (progress.rows != 1)}"
        said += [rows, f"{progress.rate:,.0f} rows/s"]
    if progress.stopped:
        said.append(f"stopped after {duration(progress.seconds)}")
    elif progress.ended:
        said.append(f"done in {duration(progress.seconds)}")
    elif progress.left is None:
        said.append(f"{duration(progress.seconds)} so far")
    else:
        said.append(f"{duration(progress.left)} left")
    return ", ".join(said)


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
