"""Pairs on their way to disk: each task writes some, and they become one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from ... import workdir
from ...compute import each
from ..evidence.pairs import PAIR, gathered
from .vectors import Vectors

PARTS = "*.pairs"


class Search(Protocol):
    """A task that finds some of the pairs; called, it writes them with :func:`write_pairs`."""

    @property
    def vectors(self) -> Vectors: ...

    @property
    def most(self) -> int | None: ...

    def pairs(self, some: tuple[int, int]) -> Iterator[np.ndarray]:
        """The pairs of a share of the work."""

    def __call__(self, some: tuple[int, int]) -> int:
        """Write them; returns how many there are."""


def gather(work: Search, shares: list[tuple[int, int]]) -> np.ndarray:
    """Do all shares of the work; their pairs, mapped from one file."""
    folder = Path(work.vectors.folder)
    found = sum(each(work, shares, stage="compare"))
    if work.most is not None and found > work.most:
        raise too_many(found, work.vectors.floor)
    parts = [folder / _part(share) for share in shares]
    pairs = gathered(parts, folder / "found.npy")
    for path in parts:
        path.unlink()
    return pairs


def write_pairs(work: Search, some: tuple[int, int]) -> int:
    """Write the pairs of a share to a file, if it is not there; returns how many there are."""
    found = 0
    target = Path(work.vectors.folder) / _part(some)
    if target.exists():  # by a worker that has died, or a run that was killed
        return len(np.load(target, mmap_mode="r"))
    head = {"descr": np.lib.format.dtype_to_descr(PAIR), "fortran_order": False}
    with workdir.replacing(target) as temporary, temporary.open("wb") as file:
        # How many there are is known at the end: the header has room for any number.
        np.lib.format.write_array_header_1_0(file, head | {"shape": (2**62,)})
        length = file.tell()
        for pairs in work.pairs(some):
            found += len(pairs)
            pairs.tofile(file)
            if work.most is not None and found > work.most:
                raise too_many(found, work.vectors.floor)
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, head | {"shape": (found,)})
        assert file.tell() == length
    return found


def _part(share: tuple[int, int]) -> str:
    return f"{share[0]:010d}-{share[1]:010d}.pairs"


def too_many(found: float, floor: float) -> ValueError:
    """What to say of a floor that finds too much."""
    return ValueError(
        f"about {found:.2g} pairs have a cosine of {floor:g} or more, too many to keep; "
        "raise floor=, and threshold= with it"
    )
