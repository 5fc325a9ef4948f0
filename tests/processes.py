"""Programs of Dask's and of ours in processes of their own, for tests to kill, stop and replace."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WAIT = 300  # seconds for what takes few; machines that run tests may be busy
LOCAL = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")


class Process:
    """A program, its end, and what it says on standard error."""

    def __init__(self, module: str, *arguments: str, **environment: str):
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until it says so."""
        until(lambda: self._match(pattern) or self.process.poll() is not None)
        match = self._match(pattern)
        assert match, "".join(self.said)
        return match

    def _match(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, "".join(self.said))

    @property
    def address(self) -> str:
        """Of a worker."""
        return self.says(r"Start worker at:\s+(tcp://\S+)").group(1)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        code = self.process.wait(WAIT)
        self._reader.join(WAIT)
        return code

    def end(self) -> None:
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGKILL)
        self.wait()


def until(true: Callable[[], object], seconds: float = WAIT) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Cluster:
    """A scheduler and workers without nannies; nobody starts again what is killed."""

    def __init__(self, folder: Path, **environment: str):
        self.folder, self.environment = folder, environment
        self.workers: list[Process] = []
        self._all: list[Process] = []
        self.scheduler = self._start("scheduler", "--port", "0")
        self.address = self.scheduler.says(r"Scheduler at:\s+(tcp://127\.0\.0\.1:\d+)").group(1)

    def _start(self, what: str, *arguments: str) -> Process:
        process = Process(f"distributed.cli.dask_{what}", *arguments, *LOCAL, **self.environment)
        self._all.append(process)
        return process

    def add_worker(self) -> Process:
        """Start another one; not waited for."""
        own = ("--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder / "spilled"))
        worker = self._start("worker", self.address, *own)
        self.workers.append(worker)
        return worker

    def kill(self, worker: Process) -> None:
        """As the kernel does when memory runs out."""
        worker.send(signal.SIGKILL)
        self.workers.remove(worker)

    def close(self) -> None:
        for process in reversed(self._all):
            process.end()


@contextmanager
def a_cluster(folder: Path, workers: int = 2, **environment: str) -> Iterator[Cluster]:
    """A cluster of so many workers, gone with the block."""
    (folder / "spilled").mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder, **environment)
    try:
        started = [cluster.add_worker() for _ in range(workers)]
        for worker in started:
            worker.says("Registered to")
        yield cluster
    finally:
        cluster.close()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Callable[[str], None] | None]:
    """A file system in memory with so much room, and how to give it another size; None, if not."""
    folder.mkdir(parents=True, exist_ok=True)
    if not _mount(f"size={size}", folder):
        yield None
        return
    try:
        yield lambda size: _mount(f"remount,size={size}", folder) or None
    finally:
        _as_root("umount", "-l", str(folder))


def _mount(options: str, folder: Path) -> bool:
    return _as_root("mount", "-t", "tmpfs", "-o", f"{options},mode=1777", "tmpfs", str(folder))


def _as_root(*command: str) -> bool:
    for sudo in ((), ("sudo", "-n")):
        with suppress(FileNotFoundError):
            if subprocess.run([*sudo, *command], capture_output=True).returncode == 0:
                return True
    return False
