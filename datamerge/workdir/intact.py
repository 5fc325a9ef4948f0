"""Which files of the work directory are there, with the content that was written.

All of a file is read for that, by the workers, and once by each client.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from .. import workdir
from ..compute import each
from . import sealed

_BATCH = 256 << 20  # bytes that are worth a task

# Files by number, size and time: what is as it was when it was looked through need not be again.
_known: dict[Path, tuple[int, int, int]] = {}


def whole_of(paths: Iterable[Path]) -> set[Path]:
    """Those of these files that are whole, now in use; damaged ones are removed, which is said."""
    there = {path: mark for path in paths if (mark := _mark(path)) is not None}
    unknown = [path for path, mark in there.items() if _known.get(path) != mark]
    damaged = _damaged(unknown)
    if damaged:
        for path in damaged:
            path.unlink(missing_ok=True)
        print(f"{len(damaged):,} damaged files in {damaged[0].parent} are made again, such as "
              f"{damaged[0].name}", file=sys.stderr)  # fmt: skip
    whole = there.keys() - set(damaged)
    for path in whole:
        made(path)
    return whole


def made(path: Path) -> None:
    """Note that a file is whole, and in use."""
    workdir.used(path)
    mark = _mark(path)
    if mark is not None:
        _known[path] = mark


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _damaged(paths: Sequence[Path]) -> list[Path]:
    if not paths:
        return []
    batches: list[list[str]] = [[]]
    size = 0
    for path in paths:
        if size > _BATCH:
            batches.append([])
            size = 0
        batches[-1].append(str(path))
        size += path.stat().st_size
    return [Path(one) for some in each(not_whole, batches, stage="verify") for one in some]


def not_whole(paths: Sequence[str]) -> list[str]:
    """Task: those of these files that are damaged."""
    return [path for path in paths if not sealed.is_whole(Path(path))]
