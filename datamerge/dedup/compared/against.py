"""What a frame is compared against: what it is called, and what tells it from another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dask.tokenize import tokenize


def identity(against: Any) -> str:
    """A token that changes with what is compared against: of files, their sizes and times too."""
    if isinstance(against, list | tuple):
        return tokenize([identity(one) for one in against])
    if isinstance(against, str | Path):
        return tokenize(str(against), _files(str(against)))
    return str(against._name) if hasattr(against, "_name") else tokenize(against)


def _files(path: str) -> list[tuple[str, int, int]]:
    """Size and time of the files of a local path; another store's are known by name alone."""
    root = Path(path).expanduser()
    found = [root] if root.is_file() else [*root.glob("*.json"), *root.glob("data/*")]
    stats = ((file.name, file.stat()) for file in sorted(found) if file.is_file())
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def told(against: Any) -> str:
    """What it is called where a witness is told of."""
    if isinstance(against, list | tuple):
        return ", ".join(dict.fromkeys(told(one) for one in against))
    return str(against) if isinstance(against, str | Path) else "the frame compared against"
