"""All pairs of rows of a matrix at or above a cosine: whatever screens, float64 decides.

The upper triangle is cut into blocks of rows against blocks of rows; a task takes some in a row
and writes its pairs to a file. How many pairs there would be is estimated first: where they are
too many, near-equal rows are gathered into groups (see :mod:`.dense`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np

from .. import workdir
from ..compute import each
from .pairs import PAIR, gathered
from .screen import Arithmetic, Screen, Vectors, choose, make

# Rows of a block; half of one in whole numbers fits the second cache.
BLOCK = 12_288
# A multiple of the compiled tile's 6 rows and of its 64 columns.
_UNIT = 192
# The most tasks, and the fewest pairs of blocks that are worth one.
_MOST_TASKS, _FEWEST = 4096, 4


def all_pairs(
    matrix: np.ndarray | str | PathLike[str],
    floor: float,
    *,
    old: np.ndarray | None = None,
    group: np.ndarray | None = None,
    most: int | None = None,
    folder: Path | None = None,
) -> np.ndarray:
    """All pairs of rows whose cosine is at or above the floor, each once.

    Parameters
    ----------
    matrix : array or path of a ``.npy`` file
        Float32 ``[rows, dim]``, of any length; rows of zeros are in no pair.
    floor : float
        The lowest cosine, from -1 to 1.
    old : array of bool, optional
        Rows whose pairs among themselves are not wanted.
    group : array of int32, optional
        Rows of one group, numbers from 0 on, are not paired with each other; -1 is no group.
    most : int, optional
        The most pairs that may be found.
    folder : path, optional
        An empty folder for intermediate results, where the pairs stay; all workers see it.

    Returns
    -------
    PAIR records
        In memory; or mapped from ``folder / "found.npy"``.

    Raises
    ------
    ValueError
        A number is NaN or infinite, or there are more pairs than ``most``.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="datamerge-") as temporary:
            place = Path(temporary)
            return np.array(all_pairs(matrix, floor, old=old, group=group, most=most, folder=place))
    if isinstance(matrix, np.ndarray):
        np.save(folder / "matrix.npy", np.asarray(matrix, np.float32))
        matrix = folder / "matrix.npy"
    norms = measured(np.load(matrix, mmap_mode="r"))
    vectors = ordered(str(matrix), floor, norms, folder, old=old, group=group)
    return compare(vectors, prepare(vectors), most)


def measured(matrix: np.ndarray) -> np.ndarray:
    """The length of every row, float64 [n]."""
    from ._screen_kernels import lengths

    if matrix.ndim != 2:
        raise ValueError(f"vectors of shape {matrix.shape}; expected [rows, dim]")
    norms = np.empty(len(matrix))
    lengths(matrix, norms)
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
    group = np.full(rows, -1, np.int32) if group is None else np.asarray(group, np.int32)
    order = np.lexsort((np.arange(rows), group, ~old)).astype(np.int32)
    for name, values in (("order", order), ("norms", norms), ("group", group)):
        np.save(folder / f"{name}.npy", values)
    grouped = bool((group >= 0).any())
    size = min(BLOCK, max(1, -(-rows // _UNIT)) * _UNIT)
    return Vectors(matrix, str(folder), rows, float(floor), int(old.sum()), grouped, size)


def prepare(vectors: Vectors) -> Arithmetic:
    """Choose the arithmetic that suits the workers, and make the blocks ready for it."""
    arithmetic: Arithmetic = each(_choice, [None], stage="compare")[0]
    if vectors.rows > 1:
        screen = make(arithmetic, vectors)
        getattr(screen, "turn", None)  # found once, here
        each(Prepare(vectors, arithmetic), range(vectors.blocks), stage="prepare")
    return arithmetic


def _choice(_: None) -> Arithmetic:
    return choose()


def compare(vectors: Vectors, arithmetic: Arithmetic, most: int | None = None) -> np.ndarray:
    """The pairs, through tasks of about equal size."""
    folder = Path(vectors.folder)
    work = Compare(vectors, arithmetic, most)
    count = len(work.squares)
    size = max(_FEWEST, -(-count // _MOST_TASKS))
    tasks = [(a, min(a + size, count)) for a in range(0, count, size)]
    found = sum(each(work, tasks, stage="compare"))
    if most is not None and found > most:
        raise too_many(found, vectors.floor)
    parts = [folder / f"{first:010d}.npy" for first, _ in tasks]
    pairs = gathered(parts, folder / "found.npy")
    for path in [*parts, *folder.glob("*.block")]:
        path.unlink()
    return pairs


def too_many(found: float, floor: float) -> ValueError:
    """What to say of a floor that finds too much."""
    return ValueError(
        f"about {found:.2g} pairs have a cosine of {floor:g} or more, too many to keep; "
        "raise floor=, and threshold= with it"
    )


@dataclass(frozen=True)
class Prepare:
    """Task: make a block ready."""

    vectors: Vectors
    arithmetic: Arithmetic

    def __call__(self, block: int) -> None:
        """Write its file."""
        make(self.arithmetic, self.vectors).prepare(block)


@dataclass(frozen=True)
class Compare:
    """Task: compare some blocks with some others."""

    vectors: Vectors
    arithmetic: Arithmetic
    most: int | None

    @cached_property
    def squares(self) -> np.ndarray:
        """The pairs of blocks, ``[count, 2]`` int32: left at most right, right not all old."""
        blocks = self.vectors.blocks if self.vectors.rows > 1 else 0
        first = self.vectors.first_new // self.vectors.size
        left = np.repeat(np.arange(blocks), blocks - np.maximum(np.arange(blocks), first))
        starts = np.maximum(np.arange(blocks), first)
        right = np.concatenate([left[:0], *(np.arange(a, blocks) for a in starts.tolist())])
        return np.column_stack([left, right]).astype(np.int32)

    def __call__(self, some: tuple[int, int]) -> int:
        """Write the pairs of these squares to a file; returns how many there are."""
        screen = make(self.arithmetic, self.vectors)
        found = 0
        target = Path(self.vectors.folder) / f"{some[0]:010d}.npy"
        raw = target.with_suffix(".raw")
        with raw.open("wb") as file:
            for left, right in self.squares[slice(*some)].tolist():
                for pairs in self._square(screen, left, right):
                    found += len(pairs)
                    pairs.tofile(file)
                    if self.most is not None and found > self.most:
                        raise too_many(found, self.vectors.floor)
        _with_header(raw, target, found)
        return found

    def _square(self, screen: Screen, left: int, right: int) -> Iterator[np.ndarray]:
        of = self.vectors
        first_new = max(0, of.first_new - right * of.size)
        a = screen.block(left)
        b = a if left == right else screen.block(right)
        rows, columns = of.members(left), of.members(right)
        for i, j in screen.candidates(a, b, diagonal=left == right, first_new=first_new):
            if of.grouped:
                one, other = a.groups[i], b.groups[j]
                apart = (one != other) | (one < 0)
                i, j = i[apart], j[apart]
            yield scored(of, rows[i], columns[j])


def scored(vectors: Vectors, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The pairs that reach the floor, with their cosine."""
    from ._screen_kernels import score

    scores = np.empty(len(left))
    score(vectors.values, vectors.column("norms"), left, right, scores)
    good = scores >= vectors.floor
    pairs = np.empty(int(good.sum()), PAIR)
    pairs["left"] = np.minimum(left[good], right[good])
    pairs["right"] = np.maximum(left[good], right[good])
    pairs["score"] = scores[good]
    return pairs


def _with_header(raw: Path, target: Path, count: int) -> None:
    """Records as a file that NumPy maps; a task that runs twice writes the same twice."""
    with workdir.replacing(target) as temporary, temporary.open("wb") as file:
        head = {"descr": np.lib.format.dtype_to_descr(PAIR), "fortran_order": False}
        np.lib.format.write_array_header_1_0(file, head | {"shape": (count,)})
        with raw.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)
    raw.unlink(missing_ok=True)
