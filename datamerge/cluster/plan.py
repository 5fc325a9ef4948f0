"""What a cluster is to be, checked before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any, Literal, get_args

from . import cuda, gpus, jobqueue, limits, local, profiles, security
from .dashboard import LOOPBACK

Kind = Literal["auto", "local", "cuda", "slurm", "pbs", "lsf", "sge"]
Workers = int | tuple[int, int] | None


@dataclass(frozen=True)
class Plan:
    """A checked cluster: its kind, and the arguments of the class that starts it."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    address: str | None = None
    adapt: tuple[int, int] | None = None
    tls: security.TLS = None
    dashboard: str | None = None
    profile: profiles.Profile | None = None

    @property
    def script(self) -> str:
        """The script of one job, where it is jobs that are started."""
        if self.profile is None:
            raise AttributeError(f"a cluster of kind {self.kind!r} has no jobs")
        return jobqueue.script(self.kind, dict(self.options))


def plan(
    kind: Kind = "auto",
    *,
    profile: str | Mapping[str, Any] | None = None,
    address: str | None = None,
    workers: Workers = None,
    threads: int | None = None,
    memory: str | int | None = None,
    interface: str | None = None,
    host: str | None = None,
    tls: security.TLS = None,
    dashboard: str | None = f"{LOOPBACK}:0",
    **options: Any,
) -> Plan:
    """Check what :func:`start` would do with these arguments, and start nothing.

    Raises
    ------
    ValueError
        A wrong kind, profile or argument.
    ImportError
        A package is missing; says which extra brings it.
    RuntimeError
        No GPU, or no job queue, on this machine.

    Examples
    --------
    >>> plan("local", workers=2, memory="1GB").options["memory_limit"]
    1000000000
    """
    security.check(tls, running=address is not None)
    if address is not None:
        if "://" not in address:
            raise ValueError(f"address={address!r}; it is like tcp://HOST:PORT")
        if profile is not None or workers or threads or memory:
            raise ValueError("address: a cluster that runs has its profile, workers and sizes")
        return Plan("address", options, address=address, tls=tls)
    if kind not in get_args(Kind):
        raise ValueError(f"kind={kind!r}; it is one of {', '.join(get_args(Kind))}")
    sizes = {"workers": workers, "threads": threads, "memory": memory}
    network = {"interface": interface, "host": host}
    if profile is not None or kind in profiles.KINDS:
        return _jobs(kind, profile, {**sizes, **network, "tls": tls, **options}, dashboard)
    return _here(kind, sizes, {**network, **options}, tls, dashboard)


def _here(
    kind: str,
    sizes: dict[str, Any],
    options: dict[str, Any],
    tls: security.TLS,
    dashboard: str | None,
) -> Plan:
    """On this machine."""
    there = gpus.visible() if kind != "local" else []
    if kind == "cuda" and not there:
        raise RuntimeError(
            "kind='cuda': the NVIDIA driver reports no GPU that this process may use; look at "
            "nvidia-smi and CUDA_VISIBLE_DEVICES, or take kind='local'"
        )
    kind = "cuda" if there and (kind == "cuda" or find_spec("dask_cuda")) else "local"
    adapt = sizes["workers"] if isinstance(sizes["workers"], tuple) else None
    if adapt is not None:
        sizes = {**sizes, "workers": adapt[1]}
    machine = limits.machine()
    if kind == "cuda":
        cuda.require()
        sizes["protocol"] = options.pop("protocol", None)
        found = cuda.keywords(there, machine, **sizes)
    else:
        found = local.keywords(machine, **sizes)
    if adapt is not None:
        found["n_workers"] = adapt[0] or 1
    if not options.get("processes", True):  # no network, but for the workers' health checks
        options.setdefault("worker_dashboard_address", f"{LOOPBACK}:0")
    elif options["host"] is None and options["interface"] is None:
        options["host"] = LOOPBACK
    # Without a dashboard the scheduler still answers health checks over HTTP, somewhere.
    options["dashboard_address"] = dashboard or f"{LOOPBACK}:0"
    if dashboard is None:
        options["scheduler_kwargs"] = {"dashboard": False, **options.get("scheduler_kwargs", {})}
    return Plan(kind, {**found, **options}, adapt=adapt, tls=tls, dashboard=dashboard)


def _jobs(
    kind: str,
    profile: str | Mapping[str, Any] | None,
    given: dict[str, Any],
    dashboard: str | None,
) -> Plan:
    """In jobs of a queue: the profile, and over it what is given beside it."""
    chosen = dict(profiles.find(profile) if isinstance(profile, str) else profile or {})
    where = f"profile {profile!r}" if isinstance(profile, str) else f"kind={kind!r}"
    if kind != "auto" and chosen.setdefault("kind", kind) != kind:
        raise ValueError(f"{where} is of kind {chosen['kind']!r}, not {kind!r}")
    workers, threads = given.pop("workers"), given.pop("threads")
    over = {name: value for name, value in given.items() if value is not None}
    if over.get("host") or over.get("interface"):
        chosen |= {"host": None, "interface": None}
    made = profiles.make({**chosen, **over}, where)
    if threads is not None:
        made = replace(made, processes=max(1, made.cores // threads))
    if workers is not None:
        made = replace(made, jobs=_jobs_for(workers, made.processes or 1))
    security.check(made.tls)
    jobqueue.require(made)
    options = jobqueue.keywords(made, dashboard=dashboard)
    adapt = None if isinstance(made.jobs, int) else made.jobs
    return Plan(made.kind, options, adapt=adapt, tls=made.tls, dashboard=dashboard, profile=made)


def _jobs_for(workers: int | tuple[int, int], processes: int) -> int | tuple[int, int]:
    if isinstance(workers, int):
        return -(-workers // processes)
    return -(-workers[0] // processes), -(-workers[1] // processes)
