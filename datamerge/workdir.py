"""The work directory: costly intermediate results on disk, keyed by what they were made from.

The ``dask.config`` key ``datamerge.workdir``, or else the environment variable
``DATAMERGE_WORKDIR``, says where; by default it is ``~/.cache/datamerge``. On a cluster it must be
a folder that all workers see. Everything in it can be made again.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import numpy as np
from dask.tokenize import tokenize

from ._version import __version__

# What is kept; `clean` removes these folders and nothing else.
KINDS = ("elements", "frames", "embeddings", "pairs")


def root() -> Path:
    """The work directory; made if it is not there.

    >>> import dask, tempfile
    >>> with tempfile.TemporaryDirectory() as here, dask.config.set({"datamerge.workdir": here}):
    ...     root() == Path(here)
    True
    """
    configured = dask.config.get("datamerge.workdir", None) or os.environ.get("DATAMERGE_WORKDIR")
    if not configured:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        configured = Path(cache) / "datamerge"
    path = Path(configured).expanduser().absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


def place(kind: str, *made_from: Any) -> Path:
    """Where the result of this kind, made from these things, is kept."""
    assert kind in KINDS, kind
    folder = root() / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder / tokenize(__version__, *made_from)


def remembered(kind: str, made_from: Any, make: Callable[[], np.ndarray]) -> np.ndarray:
    """An array from the work directory; made, and kept there, if it is not there yet."""
    path = place(kind, made_from).with_suffix(".npy")
    try:
        return np.load(path, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        made = make()
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, made, allow_pickle=False)
        return made


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def clean() -> int:
    """Remove what datamerge keeps in the work directory; returns the bytes set free."""
    base, freed = root(), 0
    for kind in KINDS:
        folder = base / kind
        freed += sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        shutil.rmtree(folder, ignore_errors=True)
    return freed
