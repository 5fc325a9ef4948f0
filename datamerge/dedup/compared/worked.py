"""A finder's work on each partition of a frame: done here, by the cluster, or kept from before.

Work on a partition gives the ids, sources, lengths and digests of the rows that are compared, the
live rows of each source, perhaps ``arrays`` and a ``note``. Of a Dask frame all of that is kept in
the work directory, one file a partition, so that it is done once: not again after a crash, nor
with one more source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ...compute import each, each_partition
from ...workdir import arrays, checkpoint
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


def worked(
    df: Any, work: Work, *, stage: str, first: int, scratch: Path | None
) -> tuple[Any, list[dict[str, Any]]]:
    """The frame the work was done on, and what it gave: partitions are numbered from ``first``.

    Arrays are on disk: ``path`` says where. Those of a pandas frame are in ``scratch``.
    """
    df = adapted(df)
    if isinstance(df, pd.DataFrame):
        shares = _InHand(Numbered(work), first, scratch)
        return df, [_placed(one, first + n) for n, one in enumerate(_in_hand(df, shares, stage))]
    df = checkpoint.keep(df)
    numbered = Numbered(work)
    if getattr(work, "keeps", True):
        found = [kept.read(path) for path in kept.files(df, numbered, stage=stage)]
    else:
        found = each_result(df, numbered, stage=stage)
    return df, [_placed(one, first + n) for n, one in enumerate(found)]


def _placed(result: dict[str, Any], number: int) -> dict[str, Any]:
    """What was given, and of each row the number of its partition and its place there."""
    rows = len(result["id"])
    return {**result, "place": np.column_stack([np.full(rows, number), np.arange(rows)])}


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
class _InHand:
    """The work on shares of a pandas frame; arrays go to the disk, since they may be many."""

    work: Numbered
    first: int
    scratch: Path | None

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        result = self.work(part, number)
        if "arrays" in result:
            assert self.scratch is not None
            path = self.scratch / f"{self.first + number:05d}.part"
            arrays.save(path, result.pop("arrays"))
            result["path"] = path
        return result
