"""Which processes are at work on a work directory, so that nobody removes what they use.

Each leaves a file there that says who it is, and touches it now and then. No file is locked:
on the file systems of clusters locks often do nothing.
"""

from __future__ import annotations

import atexit
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import orjson

BEAT = 60.0  # seconds
# A process on another machine that has been silent for so long has ended.
SILENT = 15 * BEAT
FOLDER = "running"

_ours: dict[Path, Path] = {}
_guard = threading.Lock()
_pid = 0


def begin(base: Path) -> bool:
    """Say that this process is at work here; whether it had not said so before."""
    global _pid
    with _guard:
        if _pid != os.getpid():  # also after a fork, whose files are its parent's
            _pid = os.getpid()
            _ours.clear()
            threading.Thread(target=_beat, daemon=True, name="datamerge-running").start()
        if base in _ours and _ours[base].exists():
            return False
        _ours[base] = _written(base / FOLDER)
    since(base)  # what killed processes have left goes
    return True


def _written(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.json"
    path.touch()
    told = {"host": _host(), "pid": _pid, "started": _started(_pid)}
    # Times are those of the file system: clocks of machines differ.
    path.write_bytes(orjson.dumps({**told, "begun": path.stat().st_mtime}))
    return path


@atexit.register
def end() -> None:
    """Say that this process is done with all work directories."""
    with _guard:
        if _pid == os.getpid():
            for path in _ours.values():
                path.unlink(missing_ok=True)
            _ours.clear()


def ours(base: Path) -> str:
    """What this process is called here."""
    begin(base)
    return _ours[base].stem


def is_alive(base: Path, name: str) -> bool:
    """Whether another process of this name is at work here."""
    path = base / FOLDER / f"{name}.json"
    try:
        return name != ours(base) and _is_alive(_read(path), path.stat().st_mtime, path)
    except FileNotFoundError:
        return False


def since(base: Path) -> float | None:
    """When the process began that has been at work here for longest; None where there is none.

    What a process that has ended left behind is removed.
    """
    begun: list[float] = []
    for path in (base / FOLDER).glob("*.json"):
        try:
            told, last = _read(path), path.stat().st_mtime
        except FileNotFoundError:
            continue
        if _is_alive(told, last, path):
            begun.append(float(told.get("begun", last)))
        else:
            path.unlink(missing_ok=True)
    return min(begun, default=None)


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(orjson.loads(path.read_bytes()))
    except orjson.JSONDecodeError:  # it is being written
        return {}


def _is_alive(told: dict[str, Any], last: float, path: Path) -> bool:
    if told.get("host") != _host():
        return _now(path.parent) - last < SILENT
    pid = int(told["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return bool(_started(pid) == told["started"])


def _now(folder: Path) -> float:
    """The time by the file system's clock."""
    path = folder / f".{uuid.uuid4().hex}.tmp"
    path.touch()
    try:
        return path.stat().st_mtime
    finally:
        path.unlink()


@cache
def _host() -> str:
    """The machine, since it was started: process numbers are used again."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()} {boot}"


def _started(pid: int) -> str:
    """When a process started, in ticks; nothing where that is not told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _beat() -> None:
    while True:
        time.sleep(BEAT)
        for path in list(_ours.values()):
            with suppress(OSError):  # somebody has removed the work directory
                os.utime(path)
