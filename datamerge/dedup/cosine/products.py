"""Candidates by matrix products, a tile at a time; a tile that does not fit is halved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...compute.shortage import free_everything, note, tried
from .int8 import Turn
from .kinds import CrowdedError, Kind, Places, off
from .resident import BLOCKS
from .vectors import Vectors

# Bytes that a pair of a tile takes while its product is looked through.
_BYTES = 8


def tile_rows(room: int, kind: Kind) -> int:
    """How many rows and columns a tile has: what suits the kind, or what there is room for.

    >>> from .kinds import Float32
    >>> tile_rows(128 << 20, Float32()), tile_rows(1 << 20, Float32())
    (4096, 362)
    """
    fitting = min(kind.largest, int((room / _BYTES) ** 0.5))
    return max(1, fitting // kind.unit) * kind.unit


@dataclass(frozen=True)
class _Block:
    units: Any  # None where there was no memory for them
    rows: np.ndarray
    groups: np.ndarray

    @property
    def nbytes(self) -> int:
        return 0 if self.units is None else int(self.units.nbytes)


class Product:
    """The screen by products.

    Where the memory of a device is not enough for the least tile, ``spare`` makes the screen
    that does the rest of the task.
    """

    def __init__(
        self, vectors: Vectors, kind: Kind, spare: Callable[[], Any] | None = None
    ) -> None:
        self.vectors, self.kind, self._make_spare = vectors, kind, spare
        self.tile = tile_rows(kind.room(vectors.room), kind)
        self._keep = kind.keep(vectors.room, BLOCKS.nbytes)

    def begin(self) -> None:
        """Find the basis."""
        of = self.vectors
        Turn.of(of.values, of.column("norms"), of.floor).save(self._turn_path)

    @property
    def _turn_path(self) -> Path:
        return Path(self.vectors.folder) / "turn.npz"

    @cached_property
    def basis(self) -> np.ndarray | None:
        """The leading components, if they are worth it."""
        basis = Turn.load(self._turn_path).basis
        return basis if basis.shape[1] < 0.75 * basis.shape[0] else None

    def prepare(self, number: int) -> None:
        """Nothing: rows are read when needed."""

    def block(self, number: int) -> _Block:
        """A block's rows; on a device they stay for the next task."""
        of = self.vectors
        if not self._keep:
            return self.made(of.members(number))
        key = of.folder, (*self._search, number)
        return BLOCKS.get(key, self._keep, lambda: self.made(of.members(number)))

    @cached_property
    def _search(self) -> tuple[Any, ...]:
        """What tells this search from another one in the same folder."""
        told = self._turn_path.stat()
        return self.kind.where, self.vectors.size, told.st_ino, told.st_mtime_ns

    def made(self, rows: np.ndarray) -> _Block:
        """Any rows."""
        units = self._tried(self._units, rows)
        if units is None:
            note("freed", self.kind.where, len(rows))
            units = self._tried(self._units, rows, last=self._make_spare is None)
        return _Block(units, rows, self.vectors.groups(rows, len(rows)))

    def _units(self, rows: np.ndarray) -> Any:
        return self.kind.units(self.vectors, rows, self.basis)

    def candidates(self, left: _Block, right: _Block, *, diagonal: bool, first_new: int) -> Places:
        """Tile by tile."""
        start, tile = 0, self.tile
        while start < len(left.rows):
            if left.units is None or right.units is None or not tile:
                yield from self._by_spare(left, right, start, diagonal, first_new)
                return
            some = left, right, slice(start, start + tile), diagonal, first_new
            last = self._make_spare is None and tile <= self.kind.unit
            try:
                found = self._tried(self._stripe, *some, last=last)
            except CrowdedError:  # here, and maybe nowhere else
                tile = self._half(tile)
                continue
            if found is None:
                tile = self.tile = self._half(tile)
                note("halved", self.kind.where, tile)
                continue
            yield from found
            start += tile

    def _half(self, tile: int) -> int:
        """Nothing, where the least tile is too large."""
        unit = self.kind.unit
        return 0 if tile <= unit else tile // 2 // unit * unit

    def _tried(self, work: Callable[..., Any], *arguments: Any, last: bool = False) -> Any:
        """What the work gives; None where there was too little memory, which is free again."""
        found = tried(work, *arguments, last=last)
        if found is None:
            free_everything()
            self._keep //= 2
        return found

    def _by_spare(
        self, left: _Block, right: _Block, start: int, diagonal: bool, first_new: int
    ) -> Places:
        """The rest of two blocks, from a row of the left one on."""
        note("on_cpu", self.kind.where, len(left.rows) - start)
        spare = self._spare
        one = spare.made(left.rows)
        other = one if left is right else spare.made(right.rows)
        for i, j in spare.candidates(one, other, diagonal=diagonal, first_new=first_new):
            rest = i >= start
            yield i[rest], j[rest]

    @cached_property
    def _spare(self) -> Any:
        assert self._make_spare is not None
        return self._make_spare()

    def _bound(self) -> float:
        return self.vectors.floor - self.kind.margin(self.vectors.values.shape[1]) - off(self.basis)

    def _stripe(
        self, left: _Block, right: _Block, rows: slice, diagonal: bool, first_new: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """The rows of one tile's height with all others."""
        start, tile, unit = rows.start, rows.stop - rows.start, self.kind.unit
        bound, found = self._bound(), []
        # Off the diagonal every row stands before every column.
        row = start if diagonal else -len(left.rows) - unit
        first = start if diagonal else first_new // unit * unit
        for column in range(first, len(right.rows), tile):
            columns = slice(column, column + tile)
            if _one_group(left.groups[rows], right.groups[columns]):
                continue
            some = self.kind.at_least(left.units[rows], right.units[columns], bound, row, column)
            for i, j in some:
                new = j + column >= first_new
                found.append((i[new] + start, j[new] + column))
        return found


def _one_group(left: np.ndarray, right: np.ndarray) -> bool:
    return bool(left[0] >= 0 and (left == left[0]).all() and (right == left[0]).all())
