"""What a command costs: seconds, CPU seconds and memory of it and all processes it starts."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

EVERY_SECONDS = 0.05
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: processes whose parent ended become ours to wait for


@dataclass(frozen=True)
class Cost:
    """``peak`` is the largest sum of resident memory, in bytes; shared pages count for each."""

    wall: float
    cpu: float
    peak: int
    output: str


def pin(cores: int) -> list[int]:
    """Keep this process, and what it starts, on the first few of the cores it may use."""
    if not hasattr(os, "sched_setaffinity"):
        return []
    chosen = sorted(os.sched_getaffinity(0))[:cores]
    os.sched_setaffinity(0, chosen)
    return chosen


def cost_of(command: Sequence[str], env: dict[str, str]) -> Cost:
    """Run a command to its end; raises RuntimeError with what it said if it fails."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    before, started = _cpu_of_the_dead(), time.perf_counter()
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peak = _Peak(process.pid)
    output, errors = process.communicate()
    wall = time.perf_counter() - started
    highest = peak.stop()
    _wait_for_strays()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors}")
    return Cost(wall, _cpu_of_the_dead() - before, highest, output)


def _cpu_of_the_dead() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _wait_for_strays(seconds: float = 5.0) -> None:
    """Wait for what the command left running (a fork server, a tracker); then end it."""
    until = time.monotonic() + seconds
    while strays := psutil.Process().children():
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if time.monotonic() > until:
            for stray in strays:
                with contextlib.suppress(psutil.NoSuchProcess):
                    stray.send_signal(signal.SIGKILL)
        time.sleep(0.01)


class _Peak:
    """Looks at a tree of processes now and then, and remembers its largest size."""

    def __init__(self, pid: int):
        self.process = psutil.Process(pid)
        self.bytes = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.over.wait(EVERY_SECONDS):
            self.bytes = max(self.bytes, self._size())

    def _size(self) -> int:
        size = 0
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [self.process, *self.process.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    size += process.memory_info().rss
        return size

    def stop(self) -> int:
        self.over.set()
        self.thread.join()
        return self.bytes
