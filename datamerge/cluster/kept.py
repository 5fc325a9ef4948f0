"""Job-queue clusters that put a new job in the place of one that has ended."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import dask
from dask.utils import parse_timedelta
from distributed.core import Status

from .jobqueue import CLASSES


@cache
def cluster_class(kind: str) -> type:
    """The cluster of dask-jobqueue for a kind of queue, with jobs replaced."""
    import dask_jobqueue

    plain = getattr(dask_jobqueue, f"{CLASSES[kind]}Cluster")
    return type(plain.__name__, (_Kept, plain), {})


class _Kept:
    """Replaces a job when the last of its workers has gone.

    Distributed does that for jobs of one worker under an adaptive cluster; a job of several it
    takes for alive forever, since it knows the job by one name and the workers by others.
    """

    status: Status
    workers: dict[Any, Any]
    worker_spec: dict[Any, Any]
    _futures: set[Any]
    scheduler_info: Any

    def _update_worker_status(self, op: str, msg: Any) -> None:
        name = self.scheduler_info["workers"][msg]["name"] if op == "remove" else None
        super()._update_worker_status(op, msg)  # type: ignore[misc]
        if op != "remove":
            return
        job = next((each for each in self.worker_spec if name in self._names(each)), None)
        if job is None:  # it was scaled down
            return
        # A nanny may bring the worker back meanwhile; and what Distributed does goes first.
        wait = parse_timedelta(dask.config.get("distributed.deploy.lost-worker-timeout")) + 0.5
        ended = self.workers.get(job)
        asyncio.get_running_loop().call_later(wait, self._replace_if_gone, job, ended)

    def _replace_if_gone(self, job: Any, ended: Any) -> None:
        here = {info["name"] for info in self.scheduler_info["workers"].values()}
        if self.status != Status.running or job not in self.worker_spec or self._names(job) & here:
            return
        if self.workers.get(job) not in (None, ended):  # replaced already
            return
        self._futures.add(asyncio.ensure_future(self._replace(job)))

    async def _replace(self, job: Any) -> None:
        ended = self.workers.pop(job, None)
        if ended is not None:
            await ended.close()
        await self._correct_state()  # type: ignore[attr-defined]

    def _names(self, job: Any) -> set[Any]:
        suffixes = self.worker_spec[job].get("group", [""])
        return {f"{job}{suffix}" for suffix in suffixes}
