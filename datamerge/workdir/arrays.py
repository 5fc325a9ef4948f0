"""Arrays that belong together in one sealed file, each mapped from there by its name."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from . import sealed

_ALIGNED = 64


def save(path: Path, arrays: Mapping[str, np.ndarray], note: Any = None) -> None:
    """Keep arrays, and something to be told of them.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Path(folder, "some"), {"a": np.arange(3), "b": np.zeros((2, 0))}, note="three")
    ...     load(Path(folder, "some"), "a").tolist(), noted(Path(folder, "some"))
    ([0, 1, 2], 'three')
    """
    held = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    places, at = {}, 0
    for name, array in held.items():
        places[name] = (array.dtype.str, array.shape, at)
        at += array.nbytes + _padding(array.nbytes)
    with sealed.writing(path, {"arrays": places, "note": note}) as add:
        for array in held.values():
            add(array)
            add(bytes(_padding(array.nbytes)))


def _padding(size: int) -> int:
    return -size % _ALIGNED


def once(path: Path, make: Callable[[], Mapping[str, np.ndarray]]) -> None:
    """Keep what is made, unless it is there: by a worker that has died, or a run that was killed.

    Of such a file all is read first: a power cut may have left less than was written.
    """
    if not sealed.is_whole(path):
        save(path, make())


def load(path: Path, name: str) -> np.ndarray:
    """An array, mapped anew: what was read of it counts as memory until it is let go."""
    kind, shape, at = _place(path, name)
    return np.memmap(path, kind, "r", at, tuple(shape))


def noted(path: Path) -> Any:
    """What is told of the arrays."""
    return sealed.note(path)["note"]


def _place(path: Path, name: str) -> tuple[str, list[int], int]:
    """The type of an array, its shape, and where it begins."""
    kind, shape, at = sealed.note(path)["arrays"][name]
    return kind, shape, at


def told(*held: np.ndarray) -> str:
    """What tells these arrays from others, in a few letters."""
    return told_of(held)


def told_of(held: Iterable[np.ndarray]) -> str:
    """The same of arrays one after another, so that they need not be there all at once."""
    digest = xxhash.xxh3_64()
    for array in held:
        digest.update(np.ascontiguousarray(array).data)
    return str(digest.hexdigest())


def joined(target: Path, paths: Sequence[Path], name: str, kind: Any = np.uint64) -> None:
    """The arrays of this name in several files, one after another in a new one.

    They are copied a little at a time, and not mapped; the only one is linked where that can be.
    ``kind`` is that of no arrays.
    """
    target.unlink(missing_ok=True)
    if len(paths) == 1:
        with suppress(OSError):
            os.link(paths[0], target)
            return
    places = [_place(path, name) for path in paths] or [(np.dtype(kind).str, [0], 0)]
    first, shape, _ = places[0]
    whole = (sum(place[1][0] for place in places), *shape[1:])
    with sealed.writing(target, {"arrays": {name: (first, whole, 0)}, "note": None}) as add:
        for path, (item, length, at) in zip(paths, places, strict=False):
            size = np.dtype(item).itemsize * math.prod(length)
            for chunk in sealed.chunks(path, at, size):
                add(chunk)
