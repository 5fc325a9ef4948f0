"""Running a graph in this process, and hearing of each key as it ends."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dask
import dask.local
import dask.threaded
from dask._task_spec import cull
from dask.base import get_scheduler
from dask.callbacks import Callback
from dask.system import CPU_COUNT

WAIT = 0.1  # seconds between looks at what has ended


def scheduler() -> Callable[..., Any]:
    """Dask's scheduler as configured, else threads.

    Without asking for a client, of which there is none: that would import all of distributed.
    """
    if dask.config.get("scheduler", None):
        return get_scheduler() or dask.threaded.get
    return dask.threaded.get


def stream(
    tasks: dict[Any, Any],
    keys: Sequence[Any],
    waiting: Callable[[], None],
    get: Callable[..., Any] | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Compute these keys; yield each with its result when it has ended.

    Dask's schedulers give all results at the end. So one runs in a thread of its own, and tells
    this one of each; ``waiting`` is called while there is nothing new. Whoever leaves early waits
    for nothing: no task begins any more, and those under way end by themselves.
    """
    run = _Run(tasks, keys, get or scheduler())
    # Tasks see what is set for this thread: warnings, decimal places, whatever.
    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(run,), name="datamerge", daemon=True
    )
    thread.start()
    try:
        for _ in keys:
            yield run.next(waiting)
    finally:
        run.left = True


class _Run:
    """A computation in another thread, and what it has to tell."""

    def __init__(self, tasks: dict[Any, Any], keys: Sequence[Any], get: Callable[..., Any]):
        self.tasks, self.keys, self.get = tasks, keys, get
        self.left = False  # nobody waits for it any more
        self._wanted = set(keys)
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def next(self, waiting: Callable[[], None]) -> tuple[Any, Any]:
        """What has ended next; raises what a task has raised."""
        while True:
            try:
                found, error = self._heard.get(timeout=WAIT)
                break
            except queue.Empty:
                waiting()
        if error is not None:
            raise error
        return found

    def __call__(self) -> None:
        try:
            graph = cull(self.tasks, self.keys)
            results = self._results(graph, list(self.keys))
            for key, result in zip(self.keys, results, strict=True):
                self._note(key, result)  # of a scheduler that tells nothing before
        except BaseException as error:
            self._heard.put((None, error))

    def _results(self, graph: Any, keys: list[Any]) -> Collection[Any]:
        if self.get not in (dask.threaded.get, dask.local.get_sync):
            return self.get(graph, keys)
        ours = Callback(pretask=self._may_begin, posttask=self._note)
        callbacks = {"callbacks": {*Callback.active, ours._callback}}
        if self.get is dask.local.get_sync or dask.config.get("pool", None) is not None:
            return self.get(graph, keys, **callbacks)
        # Dask would make such a pool for this thread, and keep it.
        pool = ThreadPoolExecutor(dask.config.get("num_workers", None) or CPU_COUNT)
        try:
            return self.get(graph, keys, pool=pool, **callbacks)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _may_begin(self, *_: Any) -> None:
        if self.left:
            raise _LeftError

    def _note(self, key: Any, result: Any, *_: Any) -> None:
        if key in self._wanted:
            self._wanted.remove(key)
            self._heard.put(((key, result), None))


class _LeftError(Exception):
    """Ends a computation nobody waits for."""
