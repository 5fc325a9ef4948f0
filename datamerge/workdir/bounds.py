"""Keeping a folder of results in bounds: what was not used for longest goes first.

Nothing goes that was used since the oldest running process began: it may still need it.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from . import running


@dataclass(frozen=True)
class Entry:
    """One result: a file, or a folder of files that belong together."""

    kind: str
    path: Path
    size: int
    used: float


@dataclass(frozen=True)
class Removed:
    """What was removed from a work directory, and what stays."""

    counts: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    left: int = 0
    in_use: int = 0

    def __str__(self) -> str:
        what = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.counts.items()))
        told = f"removed {what}: {size(self.bytes)}" if what else "nothing to remove"
        if self.left:
            told += f"; {size(self.left)} stay"
        if self.in_use:
            told += f", of which {size(self.in_use)} may be in use by a running process"
        return told


def size(count: int) -> str:
    """Bytes in words.

    >>> size(1_234), size(56_789_000_000)
    ('0.0 MB', '56.8 GB')
    """
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def within(base: Path, kinds: Sequence[str], most: int, unused_days: float = 0) -> Removed:
    """Remove results until at most so many bytes stay, as far as nobody uses them."""
    found = sorted(entries(base, kinds), key=lambda entry: entry.used)
    begun = running.since(base)
    before = time.time() - unused_days * 86400 if unused_days else float("inf")
    left = sum(entry.size for entry in found)
    counts: Counter[str] = Counter()
    freed = in_use = 0
    for entry in found:
        if begun is not None and entry.used >= begun:
            in_use += entry.size
        elif (left > most or not most) and entry.used < before:
            _remove(entry.path)
            counts[entry.kind] += 1
            freed += entry.size
            left -= entry.size
    if begun is None:  # or another process may be about to write there
        for kind in kinds:
            with suppress(OSError):
                (base / kind).rmdir()
    return Removed(counts, freed, left, in_use)


def entries(base: Path, kinds: Sequence[str]) -> Iterator[Entry]:
    """All results of these kinds, and what crashes have left beside them."""
    for kind in kinds:
        for path in (base / kind).glob("*"):
            try:
                used = path.lstat().st_mtime
                yield Entry(kind, path, sum(map(_size, _files(path))), used)
            except FileNotFoundError:  # another process removes it
                continue


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (one for one in path.rglob("*") if one.is_file())
    else:
        yield path


def _size(path: Path) -> int:
    return path.lstat().st_size


def _remove(path: Path) -> None:
    """A folder gets another name first: half of one must not look like a whole one."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    gone = path.with_name(f".{uuid.uuid4().hex}.gone")
    try:
        path.rename(gone)
    except FileNotFoundError:
        return
    shutil.rmtree(gone, ignore_errors=True)
