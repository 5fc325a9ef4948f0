"""Where to cut a sequence of row groups, so that the pieces are of about one size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

# A cut this close to the end of a row group, in parts of a file, is made there.
NEAR = 1 / 8


@dataclass(frozen=True)
class Group:
    """A row group: the file it is in, its number there, and its rows and bytes."""

    path: str
    number: int
    rows: int
    size: int


@dataclass(frozen=True)
class Share:
    """What one task does: it reads rows of some row groups in a row, and writes some files.

    ``skip`` rows of the first group are none of its own; ``files`` are the number and the rows
    of each file.
    """

    groups: tuple[Group, ...]
    skip: int
    files: tuple[tuple[int, int], ...]


def count(total: int, size: int, least: int, rows: int) -> int:
    """How many files: enough for the size, and ``least``, as long as each has a row.

    >>> count(total=1000, size=128, least=4, rows=99), count(1000, 128, 4, rows=2)
    (8, 2)
    """
    return max(1, min(max(-(-total // size), least), rows))


def cuts(groups: Sequence[Group], files: int) -> np.ndarray:
    """The rows at which files begin, and where the last one ends; none is without rows."""
    rows = np.cumsum([0, *(group.rows for group in groups)])
    bytes_ = np.cumsum([0, *(max(group.size, 1) for group in groups)]).astype(np.float64)
    wanted = bytes_[-1] * np.arange(1, files) / files
    inside = np.interp(wanted, bytes_, rows)
    edge = np.abs(bytes_[:, None] - wanted).argmin(axis=0) if files > 1 else np.zeros(0, int)
    close = np.abs(bytes_[edge] - wanted) <= NEAR * bytes_[-1] / files
    found = np.where(close, rows[edge], np.rint(inside).astype(np.int64))
    # Every file has a row at least, whatever the sizes say.
    order = np.arange(1, files)
    found = np.maximum.accumulate(np.maximum(found, order) - order) + order
    found = np.minimum(found, rows[-1] - files + order)
    return np.concatenate([[0], found, [rows[-1]]]).astype(np.int64)


def shares(groups: Sequence[Group], files: int) -> Iterator[Share]:
    """The work of each task.

    A file that begins deep inside a row group is left to the task of the one before: to get there
    all that stands before it has to be decoded.
    """
    ends = cuts(groups, files)
    first_row = np.cumsum([0, *(group.rows for group in groups)])
    start = 0
    for number in range(1, files + 1):
        if number == files or not _is_deep(groups, first_row, ends, number):
            low = int(np.searchsorted(first_row, ends[start], "right")) - 1
            high = int(np.searchsorted(first_row, ends[number], "left"))
            rows = np.diff(ends[start : number + 1]).tolist()
            yield Share(
                tuple(groups[low:high]),
                int(ends[start] - first_row[low]),
                tuple(zip(range(start, number), rows, strict=True)),
            )
            start = number


def _is_deep(groups: Sequence[Group], first_row: np.ndarray, ends: np.ndarray, number: int) -> bool:
    """Whether more has to be skipped of its first row group than the file has rows."""
    group = int(np.searchsorted(first_row, ends[number], "right")) - 1
    return bool(ends[number] - first_row[group] > ends[number + 1] - ends[number])
