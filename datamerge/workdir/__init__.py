"""The work directory: costly intermediate results on disk, keyed by what they were made from.

The ``dask.config`` key ``datamerge.workdir``, or else the environment variable
``DATAMERGE_WORKDIR``, says where; by default it is ``~/.cache/datamerge``. On a cluster it must be
a folder that all workers see. Everything in it can be made again.
"""

from __future__ import annotations

import hashlib
import os
import sys
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import dask
import numpy as np
from dask.tokenize import tokenize

from .._version import __version__
from . import running, sealed, waiting
from .bounds import Removed, size, within
from .sealed import replacing
from .waiting import Alive

__all__ = [
    "KINDS",
    "Alive",
    "clean",
    "folder",
    "keep_within_limit",
    "limit",
    "made_by",
    "place",
    "remembered",
    "replacing",
    "root",
    "used",
]

# What is kept; `clean` removes what is in these folders and nothing else.
KINDS = ("elements", "unpacked", "frames", "compared", "embeddings", "pairs")
# Rooms whose code has no say in what is kept.
_SHOWING = (
    "cli.py", "cluster", "compute/cluster.py", "compute/killed.py", "compute/local.py",
    "compute/progress.py", "compute/stream.py", "compute/terminal.py", "compute/workers.py",
    "explore", "inspect.py", "migrate.py", "upload.py",
)  # fmt: skip
# Packages whose rules or tables have.
_RULES = ("ftfy", "py3langid", "tokenizers")


def root() -> Path:
    """The work directory; made if it is not there.

    >>> import dask, tempfile
    >>> with tempfile.TemporaryDirectory() as here, dask.config.set({"datamerge.workdir": here}):
    ...     root() == Path(here)
    True
    """
    configured = _setting("workdir")
    if not configured:
        cached = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        configured = Path(cached) / "datamerge"
    path = Path(configured).expanduser().absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


def _setting(name: str) -> Any:
    """What ``dask.config`` says, or else the environment."""
    variable = f"DATAMERGE_{name.upper().replace('-', '_')}"
    return dask.config.get(f"datamerge.{name}", None) or os.environ.get(variable)


def limit() -> int | None:
    """The most bytes to keep: ``datamerge.workdir-limit`` or ``DATAMERGE_WORKDIR_LIMIT``, if set.

    >>> with dask.config.set({"datamerge.workdir-limit": "2 GB"}):
    ...     limit()
    2000000000
    """
    from dask.utils import parse_bytes

    said = _setting("workdir-limit")
    return None if said is None else parse_bytes(said)


@cache
def made_by() -> str:
    """A hash of the code that makes what is kept, and of what it goes by.

    The version alone does not tell one state of a checkout from the next.
    """
    digest = hashlib.sha256(f"{__version__} {unicodedata.unidata_version}".encode())
    for name in _RULES:
        with suppress(PackageNotFoundError):
            digest.update(f" {name} {version_of(name)}".encode())
    digest.update(code_of(Path(__file__).parents[1]))
    return digest.hexdigest()


def code_of(package: Path) -> bytes:
    """A hash of the package's modules, but for those that only show or start something."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package)
        if not any(map(place.is_relative_to, _SHOWING)):
            digest.update(f" {place.as_posix()} ".encode() + path.read_bytes())
    return digest.digest()


def place(kind: str, *made_from: Any) -> Path:
    """Where the result of this kind, made from these things, is kept."""
    return folder(kind) / tokenize(made_by(), *made_from)


def folder(kind: str) -> Path:
    """Where results of this kind are kept; what is used from now on, nobody removes."""
    assert kind in KINDS, kind
    base = root()
    if running.begin(base):
        keep_within_limit()
    path = base / kind
    path.mkdir(parents=True, exist_ok=True)
    return path


def keep_within_limit() -> None:
    """Remove what is beyond the limit, if one is set; say so."""
    most = limit()
    removed = Removed() if most is None else clean(most)
    if removed.counts:
        print(f"work directory {root()}: {removed} (limit {size(most or 0)})", file=sys.stderr)
    elif most is not None and removed.left > most:
        print(f"work directory {root()}: beyond its limit; {removed}", file=sys.stderr)


def used(path: Path) -> None:
    """Note that something kept is in use: what was not for longest goes first."""
    with suppress(FileNotFoundError):
        os.utime(path)


def remembered(kind: str, made_from: Any, make: Callable[[Alive], np.ndarray]) -> np.ndarray:
    """An array from the work directory; made, and kept there, if it is not there yet.

    One process makes it, and gives a sign now and then by calling what ``make`` is given.
    """
    path = place(kind, made_from).with_suffix(".npy")

    def keep(alive: Alive) -> None:
        made = make(alive)
        with sealed.sealing(path) as temporary, temporary.open("wb") as file:
            np.save(file, made, allow_pickle=False)

    waiting.once(path.with_suffix(".making"), partial(sealed.is_whole, path), keep)
    used(path)
    return np.load(path, allow_pickle=False)


def clean(most: int = 0, *, unused_days: float = 0) -> Removed:
    """Remove from the work directory what no running process uses, and say what it was.

    Parameters
    ----------
    most : int
        How many bytes may stay; what was not used for longest goes first.
    unused_days : float
        Only what was not used for so many days.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as here, dask.config.set({"datamerge.workdir": here}):
    ...     print(clean())
    nothing to remove
    """
    return within(root(), KINDS, most, unused_days)
