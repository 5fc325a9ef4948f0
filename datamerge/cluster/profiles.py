"""Profiles: what a job of a queue is to be, under a short name in a YAML file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

KEY = "datamerge.cluster.profiles"
KINDS = ("slurm", "pbs", "lsf", "sge")


@dataclass(frozen=True)
class Profile:
    """One job of a queue, and how many of them.

    ``jobs`` is a number, or the fewest and the most of a cluster that adapts to its work.
    ``memory`` and ``cores`` are those of a whole job; it is cut up into ``processes``.
    """

    kind: str
    queue: str | None = None
    account: str | None = None
    cores: int = 1
    memory: str = "4GiB"
    processes: int | None = None
    gpus: int = 0
    walltime: str = "01:00:00"
    jobs: int | tuple[int, int] = 1
    wait: str = "1 h"
    interface: str | None = None
    host: str | None = None
    local_directory: str | None = None
    log_directory: str | None = None
    setup: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()
    python: str | None = None
    tls: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def least(self) -> int:
        """How many jobs there are at least."""
        return self.jobs if isinstance(self.jobs, int) else self.jobs[0]


NAMES = tuple(each.name for each in fields(Profile))


def find(name: str) -> Mapping[str, Any]:
    """The profile of this name: of ``dask.config``, of a file, or ``file#name``.

    Dask's own files are read anew, so one written after the import counts as well.
    """
    path, _, wanted = name.partition("#")
    if path.endswith((".yaml", ".yml")):
        found = _in_file(Path(path).expanduser())
        if not wanted and len(found) == 1:
            return next(iter(found.values()))
        return _pick(found, wanted, path)
    return _pick(known(), name, f"{KEY} (in a YAML file in ~/.config/dask, say)")


def known() -> dict[str, Any]:
    """All profiles of Dask's configuration."""
    import dask

    on_disk = dask.config.get(KEY, {}, config=dask.config.collect(dask.config.paths))
    return {**(on_disk or {}), **(dask.config.get(KEY, None) or {})}


def _in_file(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"profile {path}: cannot be read: {error}") from None
    for key in KEY.split("."):
        if isinstance(content, Mapping) and key in content:
            content = content[key]
    if not isinstance(content, Mapping):
        raise ValueError(f"profile {path}: it holds no profiles, each under its name")
    return {"profile": content} if "kind" in content else dict(content)


def _pick(found: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    if name not in found:
        there = ", ".join(map(str, found)) or "none"
        raise ValueError(f"no profile {name!r} in {where}; there: {there}")
    if not isinstance(found[name], Mapping):
        raise ValueError(f"profile {name!r} in {where}: a mapping is expected")
    return found[name]


def make(given: Mapping[str, Any], where: str) -> Profile:
    """Check what a profile says.

    >>> make({"kind": "slurm", "jobs": [0, 4]}, "profile 'x'").jobs
    (0, 4)
    >>> make({"kind": "slurm", "cpus": 4}, "profile 'x'")
    Traceback (most recent call last):
    ...
    ValueError: profile 'x': there is no 'cpus' ...
    """
    for name in given:
        if name not in NAMES:
            close = difflib.get_close_matches(str(name), NAMES, 1)
            meant = f" (did you mean {close[0]!r}?)" if close else ""
            raise ValueError(f"{where}: there is no {name!r}{meant}; there is {', '.join(NAMES)}")
    if given.get("kind") not in KINDS:
        raise ValueError(f"{where}: kind={given.get('kind')!r}; it is one of {', '.join(KINDS)}")
    try:
        return _checked(Profile(**{name: _plain(value) for name, value in given.items()}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _checked(profile: Profile) -> Profile:
    from dask.utils import parse_bytes, parse_timedelta

    for name in ("cores", "gpus", "processes"):
        value = getattr(profile, name)
        if not (value is None or (isinstance(value, int) and value >= (name != "gpus"))):
            raise ValueError(f"{name}: {value!r} is no number of {name}")
    parse_bytes(profile.memory)
    parse_timedelta(profile.wait)
    seconds(profile.walltime)
    jobs = (profile.jobs,) if isinstance(profile.jobs, int) else tuple(profile.jobs)
    if not all(isinstance(n, int) for n in jobs) or not 0 <= jobs[0] <= jobs[-1] or len(jobs) > 2:
        raise ValueError(f"jobs: {profile.jobs!r} is neither a number nor [fewest, most]")
    if jobs[-1] < 1:
        raise ValueError("jobs: at least one is needed")
    if isinstance(profile.setup, str) or isinstance(profile.directives, str):
        raise ValueError("setup and directives are lists, a line of the job's script each")
    return replace(profile, processes=profile.processes or _processes(profile))


def _processes(profile: Profile) -> int:
    """One a GPU; or else one a core, as far as the memory goes round."""
    from dask.utils import parse_bytes

    from .local import ROOM

    return profile.gpus or max(1, min(profile.cores, parse_bytes(profile.memory) // ROOM))


def seconds(walltime: str) -> int:
    """Of ``D-HH:MM:SS`` and its shorter forms.

    >>> seconds("1-00:00:00"), seconds("02:30:00"), seconds("00:05")
    (86400, 9000, 300)
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d)(?::(\d\d))?", str(walltime))
    if match is None:
        raise ValueError(f"walltime: {walltime!r} is not [DAYS-]HOURS:MINUTES[:SECONDS], quoted")
    days, hours, minutes, rest = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest
