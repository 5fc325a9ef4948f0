"""The vectors that are compared, as files that tasks map: in blocks, rows of a group together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...compute.memory import let_go
from ...compute.room import room
from ...workdir import arrays

# Blocks are whole numbers of these rows: a multiple of the compiled tile's 6 and of its 64.
UNIT = 192
# The most rows of a block; half of one in whole numbers fits the second cache.
BLOCK = 12_288
# Bytes that each number of a row takes while its block is made ready.
_BYTES = 12
# Rows whose lengths are measured before they are let go.
_MEASURED = 1 << 16


@dataclass(frozen=True)
class Vectors:
    """The rows to compare, in an order in which rows of one group are neighbours.

    ``first_new`` is the first place that holds no old row; ``group`` is -1 for rows of none.
    Files in ``folder``: ``order.npy``, ``norms.npy`` and ``group.npy``.
    """

    matrix: str
    folder: str
    rows: int
    floor: float
    first_new: int
    grouped: bool
    size: int  # of a block, in rows
    room: int = 1 << 27  # bytes that a task may take for what it compares
    key: str = ""  # tells the blocks from those of other rows, or of another size

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.rows // self.size)

    @property
    def values(self) -> np.ndarray:
        """The vectors as they were given, mapped from disk.

        Mapped anew each time: what was read counts as this process's memory until it is let go.
        """
        return np.load(self.matrix, mmap_mode="r")

    def column(self, name: str) -> np.ndarray:
        """A file of one number a row."""
        return np.load(Path(self.folder) / f"{name}.npy", mmap_mode="r")

    def places(self, block: int) -> slice:
        """The places of a block."""
        return slice(block * self.size, min(self.rows, (block + 1) * self.size))

    def count(self, block: int) -> int:
        """How many rows a block has."""
        return min(self.rows - block * self.size, self.size)

    def members(self, block: int) -> np.ndarray:
        """The rows at the places of a block."""
        return np.array(self.column("order")[self.places(block)])

    def groups(self, rows: np.ndarray, size: int) -> np.ndarray:
        """The groups of a block's rows; of places beyond them, up to its size, -1."""
        found = np.full(size, -1, np.int32)
        if self.grouped:
            found[: len(rows)] = self.column("group")[rows]
        return found


def measured(matrix: np.ndarray) -> np.ndarray:
    """The length of every row, float64 [n]."""
    from ._screen_kernels import lengths

    if matrix.ndim != 2:
        raise ValueError(f"vectors of shape {matrix.shape}; expected [rows, dim]")
    norms = np.empty(len(matrix))
    for start in range(0, len(matrix), _MEASURED):
        lengths(matrix[start : start + _MEASURED], norms[start : start + _MEASURED])
        let_go(matrix)
    bad = np.flatnonzero(~np.isfinite(norms))
    if len(bad):
        raise ValueError(f"row {bad[0]} of the vectors holds NaN or infinity")
    return norms


def ordered(
    matrix: str,
    floor: float,
    norms: np.ndarray,
    folder: Path,
    *,
    old: np.ndarray | None = None,
    group: np.ndarray | None = None,
) -> Vectors:
    """Old rows first, then group by group; what is known of the rows goes to the folder."""
    rows = len(norms)
    old = np.zeros(rows, bool) if old is None else np.asarray(old)
    order = _order(old, group)
    group = np.full(rows, -1, np.int32) if group is None else np.asarray(group, np.int32)
    for name, values in (("order", order), ("norms", norms), ("group", group)):
        np.save(folder / f"{name}.npy", values)
    grouped, some = bool((group >= 0).any()), room()
    size = block_rows(rows, np.load(matrix, mmap_mode="r").shape[1], some)
    first_new = int(old.sum())
    key = arrays.told(norms, order, group, np.array([size, first_new]))
    return Vectors(matrix, str(folder), rows, float(floor), first_new, grouped, size, some, key)


def _order(old: np.ndarray, group: np.ndarray | None) -> np.ndarray:
    if group is None and not (old[1:] > old[:-1]).any():
        return np.arange(len(old), dtype=np.int32)
    groups = () if group is None else (group,)
    return np.lexsort((np.arange(len(old)), *groups, ~old)).astype(np.int32)


def block_rows(rows: int, dim: int, room: int, *, most: int = 0) -> int:
    """How many rows a block has: what suits the caches, or what there is room for.

    ``most``: what suits a device, where that is more.

    >>> block_rows(10_000_000, 384, room=128 << 20), block_rows(10_000_000, 4096, room=128 << 20)
    (12288, 2688)
    """
    fitting = room // (_BYTES * max(dim, 1) * UNIT)
    return UNIT * max(1, min(max(BLOCK, most) // UNIT, fitting, -(-rows // UNIT)))
