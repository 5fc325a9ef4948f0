"""Looking whether a cluster has workers to do the work: without, a run waits, and must say so."""

from __future__ import annotations

import sys
import time
from typing import Any

from .progress import Stage, duration, name

OFTEN = 5.0  # seconds without news after which to look, and to look again
PATIENCE = 30.0  # seconds without workers before that is told


class Watch:
    """Tells, once, that nobody does the work of a stage; and when somebody does again."""

    def __init__(self, client: Any, told: Stage):
        self._client, self._stage = client, told
        self._since: float | None = None  # when nobody was found first
        self._has_said = False
        self._next = time.monotonic() + OFTEN

    def heard(self) -> None:
        """Something has ended, so somebody works."""
        self._next = time.monotonic() + OFTEN
        self._somebody()

    def waits(self) -> None:
        """Nothing has ended since."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + OFTEN
        why = _nobody(self._client)
        if why is None:
            self._somebody()
            return
        self._since = now if self._since is None else self._since
        if now - self._since >= PATIENCE and not self._has_said:
            self._has_said = True
            _say(f"{name(self._stage.name)}: {why}, for {duration(now - self._since)} now. The "
                 "run waits, and goes on by itself when that changes")  # fmt: skip

    def _somebody(self) -> None:
        if self._has_said:
            _say(f"{name(self._stage.name)}: workers are at it again")
        self._since, self._has_said = None, False


def _nobody(client: Any) -> str | None:
    """Why nothing is being done; None where something may be."""
    workers = client.scheduler_info()["workers"].values()
    if not workers:
        failure = getattr(client.cluster, "failure", None)
        return f"there is no worker ({failure})" if failure else "there is no worker"
    if all(worker["status"] == "paused" for worker in workers):
        return f"all {len(workers)} workers are paused, their memory being nearly full"
    return None


def _say(line: str) -> None:
    # A terminal may show a line of progress that has not ended.
    begin = "\n" if sys.stderr.isatty() else ""
    print(f"{begin}{line}", file=sys.stderr, flush=True)
