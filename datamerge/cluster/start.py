"""Starting a cluster, once."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import compute
from . import cuda, dashboard, jobqueue, local, security, shared
from .plan import Kind, Plan, plan


@dataclass
class _Started:
    """The client that `start` gave last, and for what; held here, so that it is not collected."""

    client: Any = None
    plan: Plan | None = None


_started = _Started()


def start(
    kind: Kind = "auto",
    *,
    profile: str | Mapping[str, Any] | None = None,
    address: str | None = None,
    workers: int | tuple[int, int] | None = None,
    threads: int | None = None,
    memory: str | int | None = None,
    **options: Any,
) -> Any:
    """Start a cluster, or connect to one that runs; returns its client.

    Run again with the same arguments, or with none, it gives back the client that runs already.
    With others, it closes the cluster that it started before.

    Parameters
    ----------
    kind : {"auto", "local", "cuda", "slurm", "pbs", "lsf", "sge"}
        ``local``: one process a core, as far as the memory goes round; what the control groups of
        a container or a job allow counts. ``cuda``: one worker a GPU, with dask-cuda. The others:
        workers in jobs of a queue, with dask-jobqueue. ``auto``: the profile's kind; without a
        profile ``cuda`` where there are GPUs and dask-cuda is installed, and else ``local``.
    profile : str or mapping, optional
        For a job queue: the name of a profile in the ``dask.config`` key
        ``datamerge.cluster.profiles``, a YAML file of profiles (``jobs.yaml#gpu``), or what a
        profile says. Each of its entries can be given beside it: ``queue="long", gpus=2``.
    address : str, optional
        The scheduler of a cluster that runs, ``tcp://…``; then nothing is started.
    workers : int or (int, int), optional
        Worker processes; or the fewest and the most of a cluster that adapts to its work.
    threads : int, optional
        Threads of each worker; one by default.
    memory : str or int, optional
        The memory limit of each worker; for a job queue that of each job.
    **options
        ``interface`` or ``host``: the network to listen on, loopback by default; a job queue
        needs one of them. ``tls``: ``"temporary"``, for certificates made for this cluster alone,
        or the paths ``{"ca", "cert", "key"}``. ``dashboard``: where the dashboard listens
        (``"127.0.0.1:0"``), or None. Others are passed on to the cluster's class.

    Returns
    -------
    distributed.Client
        ``client.dashboard_link`` says where the dashboard is. ``client.close()``, the end of a
        ``with`` block and the end of the session close the cluster too, and cancel its jobs.

    Raises
    ------
    ValueError, ImportError, RuntimeError
        As :func:`plan` does, before anything is started; and RuntimeError if the workers do not
        see the work directory.

    Examples
    --------
    >>> with start("local", workers=1, processes=False, dashboard=None) as client:
    ...     client.submit(sum, [1, 2]).result()
    3
    """
    sizes = {"workers": workers, "threads": threads, "memory": memory}
    given = {"profile": profile, "address": address, **sizes, **options}
    _refuse_workers()
    client = _running(kind, given) or _launch(plan(kind, **given))
    _show(client)
    return client


def _refuse_workers() -> None:
    """A process that is being spawned imports its parent's script, and must not start others."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(
            "worker processes import the script that starts them; put what it does below a line "
            "that says: if __name__ == '__main__':"
        )


def _running(kind: Kind, given: Mapping[str, Any]) -> Any:
    """The client there is, if nothing else or its own scheduler is asked for."""
    client = compute.client()
    if client is None or client.status != "running":
        return None
    nothing = kind == "auto" and all(value is None for value in given.values())
    address = given["address"]
    wanted = nothing or (address is not None and client.scheduler.address == address)
    return client if wanted else None


def _show(client: Any) -> None:
    """Tell where the dashboard is, if somebody is there to follow the link."""
    ours = _started.plan if client is _started.client else None
    if hasattr(sys, "ps1") and (ours is None or ours.dashboard) and client.dashboard_link:
        print(f"dashboard: {client.dashboard_link}")


def _launch(wanted: Plan) -> Any:
    before = _started.client
    if before is not None and before.status == "running":
        if _started.plan == wanted:
            return before
        print("closing the cluster that was started with other arguments", file=sys.stderr)
        before.close()
    _started.client, _started.plan = _open(wanted), wanted
    return _started.client


def _open(wanted: Plan) -> Any:
    """Start or connect; links lead to the dashboard."""
    dashboard.configure(ours=wanted.address is None, listens=wanted.dashboard)
    return _connect(wanted) if wanted.address else _start(wanted)


def _connect(wanted: Plan) -> Any:
    from distributed import Client

    client = Client(wanted.address, security=security.make(wanted.tls), **wanted.options)
    try:
        shared.check(client)
    except BaseException:
        client.close()
        raise
    return client


def _start(wanted: Plan) -> Any:
    from .client import ClusterClient

    cluster = _cluster(wanted)
    client = None
    try:
        client = ClusterClient(cluster)
        if wanted.adapt is not None:
            unit = "" if wanted.profile is None else "_jobs"
            bounds = zip((f"minimum{unit}", f"maximum{unit}"), wanted.adapt, strict=True)
            cluster.adapt(**dict(bounds))
        elif wanted.profile is not None:
            cluster.scale(jobs=wanted.profile.jobs)
        if wanted.profile is not None:
            _await_jobs(client, wanted)
    except BaseException:  # an interrupt while waiting, too: no job stays behind
        if client is not None:
            client.close()
        cluster.close()
        raise
    return client


def _cluster(wanted: Plan) -> Any:
    options = dict(wanted.options)
    if wanted.tls is not None:
        options["security"] = security.make(wanted.tls)
    if wanted.profile is None:
        return (cuda if wanted.kind == "cuda" else local).launch(options)
    from .kept import cluster_class

    return cluster_class(wanted.kind)(**options)


def _await_jobs(client: Any, wanted: Plan) -> None:
    from dask.utils import parse_timedelta

    assert wanted.profile is not None
    print(f"waiting for the first job of {wanted.kind}", file=sys.stderr)
    logs = wanted.options["log_directory"]
    shared.check(
        client,
        wait=parse_timedelta(wanted.profile.wait),
        failure=lambda: client.cluster.failure,
        hint=f"See `{jobqueue.STATE[wanted.kind]}`, and the jobs' logs in {logs}",
    )
