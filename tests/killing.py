"""Workers that are killed again and again while a run goes on, and in every stage of it."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from typing import Any

from processes import Cluster, Process

from datamerge.compute.progress import Progress

PAUSES = (2.0, 4.0)  # seconds from one random kill to the next
LIFE = 0.2  # seconds at most that a worker is left at its work before it is killed


class Killing:
    """A reporter that kills workers, and starts others in their place.

    When a stage begins all workers are stopped; one that is given work of it is killed with that
    in hand. Of stages of many parts it is let go on for a moment, so that it dies in the midst of
    one. Between that workers are killed at random.
    """

    def __init__(self, client: Any, processes: Cluster, seed: int):
        self.kills: Counter[str] = Counter()  # of workers with work at hand, by stage
        self._client, self._processes = client, processes
        self._drawn = random.Random(seed)
        self._striking: threading.Thread | None = None
        self._is_over = False
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.ended:
            self._is_over = True
            if self._striking is not None:
                self._striking.join()
            self._striking = None
        elif self._striking is None:
            self._begin(progress.stage, LIFE if progress.total > 8 else 0.0)
        elif time.monotonic() > self._next and not self._striking.is_alive():
            self._kill(self._drawn.choice(self._processes.workers))

    def _begin(self, stage: str, life: float) -> None:
        for worker in self._processes.workers:
            worker.says("Registered to")
        self._send(signal.SIGSTOP)
        self._is_over = False
        self._striking = threading.Thread(target=self._strike, args=(stage, life), daemon=True)
        self._striking.start()

    def _strike(self, stage: str, life: float) -> None:
        """Kill a worker as soon as one has work, which must be of this stage."""
        while not self._is_over and not (busy := self._busy()):
            time.sleep(0.005)
        if not self._is_over:
            victim = self._drawn.choice(busy)
            if life:
                victim.send(signal.SIGCONT)
                time.sleep(self._drawn.uniform(0, life))
            self.kills[stage] += 1
            self._kill(victim)
        self._send(signal.SIGCONT)

    def _busy(self) -> list[Process]:
        work = self._client.processing()
        return [one for one in self._processes.workers if work.get(one.address)]

    def _kill(self, worker: Process) -> None:
        self._processes.kill(worker)
        self._processes.add_worker()
        self._next = time.monotonic() + self._drawn.uniform(*PAUSES)

    def _send(self, number: signal.Signals) -> None:
        for worker in self._processes.workers:
            worker.send(number)
