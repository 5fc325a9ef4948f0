"""A finder's work on each partition of a frame: done here, by the cluster, or kept from before.

Work on a partition gives the ids, sources, lengths and digests of the rows that are compared, the
live rows of each source, perhaps ``arrays`` and a ``note``. All of that is written to a file of the
partition by who did the work, so that it never comes together in the memory of one process. Of a
Dask frame the files are kept in the work directory, so that it is done once: not again after a
crash, nor with one more source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from ...compute import each, each_partition
from ...workdir import checkpoint
from . import kept
from .adapt import adapted, id_array, readable_part

SHARE = 100_000  # rows of a pandas frame that are worked on at once


class Work(Protocol):
    """What is done with a partition.

    It may have ``keeps``, whether what it gives is worth a file, and ``state(part)``: what this
    depends on beside the partition, in a few letters.
    """

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        """What is to be compared of the partition."""


def worked(df: Any, work: Work, *, stage: str, first: int, scratch: Path) -> tuple[Any, list[Path]]:
    """The frame the work was done on, and the files of what it gave, a partition each.

    What is not worth keeping, and what is of a pandas frame, is in ``scratch``, where partitions
    are numbered from ``first``.
    """
    df = adapted(df)
    numbered = Numbered(work)
    if not isinstance(df, pd.DataFrame):
        df = checkpoint.keep(df)
        if getattr(work, "keeps", True):
            return df, kept.files(df, numbered, stage=stage)
    return df, each_result(df, _Put(numbered, first, str(scratch)), stage=stage)


def each_result(df: Any, work: Callable[[pd.DataFrame, int], Any], *, stage: str) -> list[Any]:
    """The work's result for each partition; of a pandas frame for each share, in threads."""
    if isinstance(df, pd.DataFrame):
        return _in_hand(df, work, stage)
    done = each_partition(checkpoint.keep(df), work, stage=stage)
    found = {number: result for _, number, result in done}
    return [found[number] for number in sorted(found)]


def _in_hand(df: pd.DataFrame, work: Callable[[pd.DataFrame, int], Any], stage: str) -> list[Any]:
    id_array(df["id"])  # an error tells the row of the frame
    shares = [df.iloc[start : start + SHARE] for start in range(0, max(len(df), 1), SHARE)]
    numbers = range(len(shares))
    return each(
        lambda number: work(shares[number], number),
        numbers,
        stage=stage,
        rows=lambda number: len(shares[number]),
        here=True,
    )


@dataclass(frozen=True)
class Numbered:
    """The work on partitions whose ids and chats may be a user's own."""

    work: Work
    where: str = " of partition {number}"

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        kind = id_array(part["id"], self.where.format(number=number)).type
        result = self.work(readable_part(part), number)
        return {**result, "id": result["id"].cast(kind)}


@dataclass(frozen=True)
class _Put:
    """The work, whose result goes to the disk; returns the file."""

    work: Numbered
    first: int
    scratch: str

    def __call__(self, part: pd.DataFrame, number: int) -> Path:
        path = Path(self.scratch) / f"{self.first + number:05d}.part"
        kept.save(path, self.work(part, number))
        return path
