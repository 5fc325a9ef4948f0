"""Workers in jobs of a queue: Slurm, PBS, LSF or SGE, with dask-jobqueue."""

from __future__ import annotations

import shlex
import shutil
from importlib.util import find_spec
from typing import Any

from .. import workdir
from . import cuda
from .dashboard import LOOPBACK
from .profiles import Profile, seconds

CLASSES = {"slurm": "SLURM", "pbs": "PBS", "lsf": "LSF", "sge": "SGE"}
SUBMIT = {"slurm": "sbatch", "pbs": "qsub", "lsf": "bsub", "sge": "qsub"}
STATE = {"slurm": "squeue --me", "pbs": "qstat", "lsf": "bjobs", "sge": "qstat"}
# The name under which each takes what we call an account.
ACCOUNT = {"slurm": "account", "pbs": "account", "lsf": "project", "sge": "project"}


def require(profile: Profile) -> None:
    """Raise what is missing, and what to do about it."""
    kind = profile.kind
    if not find_spec("dask_jobqueue"):
        raise ImportError(f"{kind!r} needs dask-jobqueue: pip install 'datamerge[hpc]'")
    if shutil.which(SUBMIT[kind]) is None:
        raise RuntimeError(
            f"{kind!r}: there is no {SUBMIT[kind]} here; run this where jobs are submitted from"
        )
    for folder in (str(workdir.root()), profile.log_directory, profile.local_directory):
        if folder is not None and len(folder.split()) > 1:
            raise ValueError(
                f"{kind!r}: scripts of jobs cannot name a folder with a space: {folder}"
            )
    if profile.interface is None and profile.host is None:
        raise ValueError(
            f"{kind!r}: name the network on which the nodes reach this machine, interface= (here: "
            f"{', '.join(_interfaces())}) or host= (an address of this machine)"
        )
    if profile.interface is not None and profile.interface not in _interfaces():
        raise ValueError(f"interface={profile.interface!r}; there is {', '.join(_interfaces())}")
    if kind == "sge" and profile.cores > 1 and not _asks_for_cores(profile):
        raise ValueError(
            f"'sge': how a job asks for {profile.cores} cores differs from site to site; say it in "
            f"directives, such as ['-pe smp {profile.cores}']"
        )


def _asks_for_cores(profile: Profile) -> bool:
    lines = [*profile.directives, *map(str, profile.options.values())]
    return any("-pe " in line for line in lines) or "resource_spec" in profile.options


def _interfaces() -> list[str]:
    import psutil

    return sorted(psutil.net_if_addrs())


def keywords(profile: Profile, *, dashboard: str | None) -> dict[str, Any]:
    """Arguments of dask-jobqueue's classes for this profile."""
    scheduler: dict[str, Any] = {
        "dashboard": dashboard is not None,
        "dashboard_address": dashboard or f"{LOOPBACK}:0",
    }
    scheduler |= {"host": profile.host} if profile.host else {"interface": profile.interface}
    folder = str(workdir.root())
    prologue = [f"export DATAMERGE_WORKDIR={shlex.quote(folder)}", *profile.setup]
    found: dict[str, Any] = {
        "cores": profile.cores,
        "memory": profile.memory,
        "processes": profile.processes,
        "job_name": "datamerge",
        "queue": profile.queue,
        ACCOUNT[profile.kind]: profile.account,
        "walltime": _walltime(profile),
        "interface": profile.interface,
        "local_directory": profile.local_directory,
        "log_directory": profile.log_directory or str(workdir.root() / "jobs"),
        "shared_temp_directory": folder,
        "python": profile.python,
        "scheduler_options": scheduler,
        **_worker(profile, prologue),
    }
    return {name: value for name, value in found.items() if value is not None} | dict(
        profile.options
    )


def _worker(profile: Profile, prologue: list[str]) -> dict[str, Any]:
    """The worker's command, and what the queue is to be asked for besides."""
    lifetime, stagger = lasting(seconds(profile.walltime))
    # By themselves workers serve their pages to whoever can reach their node.
    pages = f"--dashboard-address={LOOPBACK}:0"
    if not profile.gpus:
        lasts = [f"--lifetime={lifetime}s", f"--lifetime-stagger={stagger}s"]
        return {
            "worker_extra_args": [pages, *lasts],
            "job_script_prologue": prologue,
            "job_extra_directives": list(profile.directives),
        }
    # dask-cuda's worker has no such option, but reads the same settings.
    ends = "export DASK_DISTRIBUTED__WORKER__LIFETIME__"
    found: dict[str, Any] = {
        "worker_command": "dask_cuda.cli",
        "worker_extra_args": [pages, *cuda.worker_arguments()],
        "job_script_prologue": [
            f"{ends}DURATION={lifetime}s", f"{ends}STAGGER={stagger}s", *prologue
        ],
        "job_extra_directives": [*_gpu_directives(profile), *profile.directives],
    }  # fmt: skip
    if profile.kind == "pbs":
        found["resource_spec"] = _pbs_resources(profile)
    return found


def lasting(walltime: int) -> tuple[int, int]:
    """After how many seconds workers end by themselves, and how far apart from each other.

    Early enough to hand their results on before the queue kills the job; not all at once.

    >>> lasting(3600), lasting(300)
    ((3240, 180), (240, 30))
    """
    margin = min(max(walltime // 10, 60), walltime // 2, 1800)
    return walltime - margin, margin // 2


def _walltime(profile: Profile) -> str:
    minutes, rest = divmod(seconds(profile.walltime), 60)
    if profile.kind == "lsf":
        return f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def _gpu_directives(profile: Profile) -> list[str]:
    return {
        "slurm": [f"--gres=gpu:{profile.gpus}"],
        "lsf": [f'-gpu "num={profile.gpus}"'],
        "sge": [f"-l gpu={profile.gpus}"],
        "pbs": [],
    }[profile.kind]


def _pbs_resources(profile: Profile) -> str:
    from dask.utils import parse_bytes

    megabytes = -(-parse_bytes(profile.memory) // 2**20)
    return f"select=1:ncpus={profile.cores}:ngpus={profile.gpus}:mem={megabytes}MB"


def script(kind: str, options: dict[str, Any]) -> str:
    """The script of one job, as it would be handed to the queue."""
    import dask_jobqueue

    job = getattr(dask_jobqueue, f"{CLASSES[kind]}Cluster").job_cls
    left = ("scheduler_options", "shared_temp_directory")
    return job(
        "tcp://SCHEDULER", name="datamerge", **{k: v for k, v in options.items() if k not in left}
    ).job_script()
