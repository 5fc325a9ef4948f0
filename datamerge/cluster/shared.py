"""Whether the workers see the work directory: steps hand results to each other through it."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import workdir

REMEDY = (
    "Set the work directory to a folder that all nodes share, with DATAMERGE_WORKDIR or the "
    "dask.config key datamerge.workdir."
)


def check(
    client: Any,
    *,
    wait: float | None = None,
    failure: Callable[[], Exception | None] = lambda: None,
    hint: str = "",
) -> None:
    """Write a word here, and have the workers read it.

    All workers there are; with ``wait``, one is asked for if there is none yet, and waited for so
    many seconds. ``failure`` tells why none can come, ``hint`` where to look when none does.

    Raises
    ------
    RuntimeError
        A worker does not see what the client has written; or none can be started.
    TimeoutError
        There is no worker after ``wait`` seconds.
    """
    word = uuid.uuid4().hex
    path = workdir.root() / f".seen-{word}"
    path.write_text(word)
    try:
        # As a task: a cluster that adapts starts a worker for it.
        answers = [] if wait is None else [_first(client, path, wait, failure, hint)]
        answers += client.run(_look, str(path)).values()
    finally:
        path.unlink(missing_ok=True)
    for host, seen in answers:
        if seen != word:
            raise RuntimeError(
                f"the workers on {host} do not see the work directory {path.parent}: {seen}. "
                f"{REMEDY}"
            )


def _first(
    client: Any, path: Path, wait: float, failure: Callable[[], Exception | None], hint: str
) -> tuple[str, str]:
    from distributed import KilledWorker

    until = time.monotonic() + wait
    future = client.submit(_look, str(path), pure=False)
    try:
        while True:
            try:
                return future.result(timeout=0.5)
            except KilledWorker as error:
                raise RuntimeError(
                    f"workers end as soon as they have something to do: has their Python this "
                    f"version of datamerge? {hint}"
                ) from error
            except TimeoutError:
                if (failed := failure()) is not None:
                    raise RuntimeError(f"no worker can be started: {failed}") from failed
                if time.monotonic() > until:
                    told = f"no worker came within {wait:g} seconds. {hint}".strip()
                    raise TimeoutError(told) from None
    finally:
        future.cancel()


def _look(path: str) -> tuple[str, str]:
    """The worker's host, and what it reads there, or why it cannot."""
    try:
        return socket.gethostname(), Path(path).read_text()
    except OSError as error:
        return socket.gethostname(), str(error)
