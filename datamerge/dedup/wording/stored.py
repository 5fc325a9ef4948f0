"""Arrays of a search, kept in its folder, each in a file of its name that tasks map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...workdir import arrays, sealed

# What tasks have made stays when a run is killed, for the next one.
KEPT = ("slots-*", "lists-*", "groups.*", "pairs-*", "beyond-*")
HASHES = "hashes"


def path_of(folder: Path | str, name: str) -> Path:
    """Where an array is."""
    return Path(folder) / f"{name}.arrays"


def save(folder: Path | str, **given: np.ndarray) -> None:
    """Keep arrays under their names."""
    for name, array in given.items():
        arrays.save(path_of(folder, name), {name: array})


def once(folder: Path | str, name: str, make: Callable[[], np.ndarray], of: str = "") -> None:
    """Keep what is made under its name, or ``of`` another, unless it is there."""
    arrays.once(path_of(folder, of or name), lambda: {name: make()})


def load(folder: Path | str, name: str) -> np.ndarray:
    """An array, mapped from disk."""
    return arrays.load(path_of(folder, name), name)


def joined(folder: Path, paths: Sequence[Path], name: str, kind: Any = np.uint64) -> np.ndarray:
    """The arrays of this name in several files, one after another, mapped from a file of theirs."""
    arrays.joined(path_of(folder, name), paths, name, kind)
    return load(folder, name)


def save_parts(folder: Path, parts: Sequence[Path]) -> None:
    """Keep where the sets of partitions are, for tasks."""
    sealed.save(folder / "parts", note=[str(path) for path in parts])


def parts(folder: Path | str) -> list[Path]:
    """Where the sets of partitions are, in their order."""
    return [Path(path) for path in sealed.note(Path(folder) / "parts")]
