"""What this process may use of its machine: cores and memory, as the control groups allow."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC, MOUNT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
# The workers' part of the memory; the rest is for the client, the scheduler and the system.
SHARE = 0.85


@dataclass(frozen=True)
class Limits:
    """Cores, and bytes of memory; None where nothing is said."""

    cores: int | None
    memory: int | None


def machine(proc: Path = PROC, mount: Path = MOUNT) -> Limits:
    """What there is, or what the control groups leave of it."""
    import psutil

    bound = cgroup(proc, mount)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total
    return Limits(
        cores=min(cores or 1, bound.cores or math.inf),  # type: ignore[arg-type]
        memory=min(memory, bound.memory or math.inf),  # type: ignore[arg-type]
    )


def cgroup(proc: Path, mount: Path) -> Limits:
    """The strictest limits of the process's control groups and of all groups above them."""
    groups = _groups(proc)
    cores = [
        *_each(groups, mount, "", "cpu.max", _quota),
        *_each(groups, mount, "", "cpuset.cpus.effective", _cpus),
        *_each(groups, mount, "cpu", "cpu.cfs_quota_us", _quota),
        *_each(groups, mount, "cpuset", "cpuset.effective_cpus", _cpus),
        *_each(groups, mount, "cpuset", "cpuset.cpus", _cpus),
    ]
    memory = [
        *_each(groups, mount, "", "memory.max", _bytes),
        *_each(groups, mount, "", "memory.high", _bytes),
        *_each(groups, mount, "memory", "memory.limit_in_bytes", _bytes),
    ]
    return Limits(cores=min(cores, default=None), memory=min(memory, default=None))


def _groups(proc: Path) -> dict[str, tuple[str, str]]:
    """Each controller's hierarchy and path, of ``4:cpu,cpuacct:/a/b`` and ``0::/a/b`` lines."""
    try:
        lines = proc.read_text().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = (controllers, path)
    return found


def _each(groups, mount: Path, controller: str, name: str, parse) -> Iterator[int]:
    """What the files of this name say, from the process's group up to the root."""
    if controller not in groups:
        return
    hierarchy, path = groups[controller]
    # Inside a container the path may be the host's, which the mount does not show.
    for base in {mount / hierarchy, mount / controller}:
        inner = Path(path.lstrip("/"))
        for folder in (inner, *inner.parents) if path != "/" else (Path(),):
            try:
                value = parse(base / folder / name)
            except (OSError, ValueError):
                continue
            if value is not None:
                yield value


def _quota(path: Path) -> int | None:
    """Cores of ``quota period``; a part of a core counts as one, as Dask has it."""
    if path.name == "cpu.max":
        quota, period = path.read_text().split()
    else:
        quota, period = path.read_text(), path.with_name("cpu.cfs_period_us").read_text()
    if quota.strip() in ("max", "-1"):
        return None
    return max(1, math.ceil(int(quota) / int(period)))


def _cpus(path: Path) -> int | None:
    """How many cores a list such as ``0-3,8`` names."""
    ranges = [part.partition("-") for part in path.read_text().strip().split(",") if part]
    return sum(int(last or first) - int(first) + 1 for first, _, last in ranges) or None


def _bytes(path: Path) -> int | None:
    text = path.read_text().strip()
    return None if text == "max" else int(text)
