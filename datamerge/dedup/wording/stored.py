"""Arrays kept in a folder under their names, so that tasks map them from disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ... import workdir


def save(folder: Path | str, **arrays: np.ndarray) -> None:
    """Keep arrays under their names."""
    for name, array in arrays.items():
        path = Path(folder) / f"{name}.npy"
        with workdir.replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)


def load(folder: Path | str, name: str) -> np.ndarray:
    """An array, mapped from disk."""
    return np.load(Path(folder) / f"{name}.npy", mmap_mode="r")


def of_partition(number: int, name: str) -> str:
    """What an array of a partition is called."""
    return f"{number:05d}.{name}"


def joined(folder: Path, names: Sequence[str], target: str, kind: type = np.uint64) -> np.ndarray:
    """These arrays, one after another, in one file mapped from disk; their own files go.

    One array alone takes its new name; ``kind`` is that of no arrays.
    """
    if len(names) == 1:
        (folder / f"{names[0]}.npy").replace(folder / f"{target}.npy")
        return load(folder, target)
    parts = [load(folder, name) for name in names] or [np.empty(0, kind)]
    shape = (sum(len(part) for part in parts), *parts[0].shape[1:])
    about = {"descr": parts[0].dtype.str, "fortran_order": False, "shape": shape}
    del parts
    with (folder / f"{target}.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, about)
        for name in names:  # mapped one at a time: what was read counts as memory until let go
            load(folder, name).tofile(file)
            (folder / f"{name}.npy").unlink()
    return load(folder, target)
