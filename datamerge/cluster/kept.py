"""Job-queue clusters that replace a job that has ended, and tell why one cannot be had."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from functools import cache
from typing import Any

import dask
from dask.utils import parse_timedelta
from distributed.core import Status
from distributed.deploy.cluster import Cluster

from .jobqueue import CLASSES

# Where dask-jobqueue holds the files from which jobs read temporary certificates, until it ends.
CERTIFICATES = ("_job_ca_file", "_job_cert", "_job_key")


@cache
def cluster_class(kind: str) -> type:
    """The cluster of dask-jobqueue for a kind of queue, with jobs replaced."""
    import dask_jobqueue

    plain = getattr(dask_jobqueue, f"{CLASSES[kind]}Cluster")
    job = type(plain.job_cls.__name__, (_Job, plain.job_cls), {})
    return type(plain.__name__, (_Kept, plain), {"job_cls": job})


class _Job:
    """A job that knows when it is over: its cluster asks, when it is closed itself."""

    status: Status

    async def start(self) -> None:
        try:
            await super().start()  # type: ignore[misc]
        except BaseException:
            self.status = Status.failed
            raise

    async def close(self) -> None:
        await super().close()  # type: ignore[misc]
        self.status = Status.closed


class _Kept:
    """Replaces a job when the last of its workers has gone.

    Distributed does that for jobs of one worker under an adaptive cluster; a job of several it
    takes for alive forever, since it knows the job by one name and the workers by others. And it
    uses names again, so that what ends an old job may hit a new one: here each has its own.
    ``failure`` is what went wrong when jobs were last submitted, if anything did.
    """

    status: Status
    failure: Exception | None = None
    workers: dict[Any, Any]
    worker_spec: dict[Any, Any]
    scheduler_info: Any
    _name: str
    _futures: set[Any]

    def _new_worker_name(self, _number: int) -> str:
        numbers = self.__dict__.setdefault("_numbers", itertools.count())
        return f"{self._name}-{next(numbers)}"

    def _update_worker_status(self, op: str, msg: Any) -> None:
        name = self.scheduler_info["workers"][msg]["name"] if op == "remove" else None
        Cluster._update_worker_status(self, op, msg)  # type: ignore[arg-type]
        job = next((each for each in self.workers if name in self._names(each)), None)
        if job is not None:
            # A nanny may bring the worker back meanwhile.
            wait = parse_timedelta(dask.config.get("distributed.deploy.lost-worker-timeout"))
            loop = asyncio.get_running_loop()
            loop.call_later(wait, self._replace_if_gone, job, self.workers[job])

    def _replace_if_gone(self, job: Any, ended: Any) -> None:
        here = {info["name"] for info in self.scheduler_info["workers"].values()}
        ours = self.status == Status.running and self.workers.get(job) is ended
        if ours and not self._names(job) & here:
            del self.workers[job]
            self._futures.add(asyncio.ensure_future(self._replace(ended)))

    async def _replace(self, ended: Any) -> None:
        await ended.close()
        await self._correct_state()  # type: ignore[attr-defined]

    async def _correct_state_internal(self) -> None:
        try:
            await super()._correct_state_internal()  # type: ignore[misc]
            self.failure = None
        except Exception as error:
            self.failure = error
            for name, job in list(self.workers.items()):
                if job.status == Status.failed:  # to be submitted again with the next change
                    del self.workers[name]
            raise

    async def _close(self) -> None:
        await super()._close()  # type: ignore[misc]
        for name in CERTIFICATES:
            file = self.__dict__.pop(name, None)
            if file is not None:  # a temporary file: closing it removes it
                with suppress(FileNotFoundError):
                    file.close()

    def _names(self, job: Any) -> set[Any]:
        suffixes = self.worker_spec.get(job, {}).get("group", [""])
        return {f"{job}{suffix}" for suffix in suffixes}
