"""Pairs on their way to disk: each task writes some, and they become one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from ...compute import each
from ...compute.shortage import NOTES
from ...workdir import sealed
from ..evidence.pairs import found_in, gathered, writing
from .vectors import Vectors

# What tasks have made stays when a run is killed, for the next one.
KEPT = ("*.pairs", "centres-*", "nearest-*", NOTES)


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
    # They stay until the evidence is saved: a run may be killed before.
    return gathered([part(work.vectors, share) for share in shares], folder / "found.npy")


def write_pairs(work: Search, some: tuple[int, int]) -> int:
    """Write the pairs of a share to a file, if it is not there; returns how many there are."""
    found = 0
    target = part(work.vectors, some)
    if sealed.is_whole(target):  # by a worker that has died, or a run that was killed
        return found_in(target)
    with writing(target) as add:
        for pairs in work.pairs(some):
            found += len(pairs)
            add(pairs)
            if work.most is not None and found > work.most:
                raise too_many(found, work.vectors.floor)
    return found


def part(vectors: Vectors, share: tuple[int, int]) -> Path:
    """Where the pairs of a share are: a share of other blocks, or clusters, is another one."""
    return Path(vectors.folder) / f"{vectors.key}-{share[0]:010d}-{share[1]:010d}.pairs"


def too_many(found: float, floor: float) -> ValueError:
    """What to say of a floor that finds too much."""
    return ValueError(
        f"about {found:.2g} pairs have a cosine of {floor:g} or more, too many to keep; "
        "raise floor=, and threshold= with it"
    )
