"""Candidates by matrix products, a tile at a time: in bfloat16 through torch, or in float32.

Where the leading components z of long vectors hold most of them (see :mod:`.int8`), the products
are of ``[z, r]``, r being the length of the rest: that is of length one too, shorter, and its
products are never below those of the vectors.

How far a product of unit vectors of dimension d may be off: in float32 by (d + 2) * 2**-24, and
by 2**-22 for the lengths, which are not one to the last bit. In bfloat16 each factor is off by
2**-9 of itself, so every product of two by 2**-8 and a little, and the sum of their sizes is at
most one; the result is rounded by 2**-9 of itself once more. Sums are of float32.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .int8 import Turn, rounding, unit_rows
from .vectors import Vectors

TILE = 4096
# Bytes that a pair of a tile takes while its product is looked through.
_BYTES = 8


class Kind(Protocol):
    """A kind of product."""

    def room(self, here: int) -> int:
        """Bytes that a product may take; so many are there in the memory of the worker."""

    def margin(self, dim: int) -> float:
        """How far below the true cosine a product may lie."""

    def hold(self, units: np.ndarray) -> Any:
        """Unit rows where the product is computed."""

    def at_least(
        self, left: Any, right: Any, bound: float, row: int, column: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places in a tile whose product reaches the bound, and ``row + i < column + j``."""


def tile_rows(room: int) -> int:
    """How many rows and columns a tile has: what suits the caches, or what there is room for.

    >>> tile_rows(128 << 20), tile_rows(1 << 20)
    (4096, 362)
    """
    return max(1, min(TILE, int((room / _BYTES) ** 0.5)))


@dataclass(frozen=True)
class _Block:
    units: Any
    rows: np.ndarray
    groups: np.ndarray


class Product:
    """The screen by products; a tile that is too large for the memory after all is halved."""

    def __init__(self, vectors: Vectors, kind: Kind) -> None:
        self.vectors, self.kind = vectors, kind
        self.tile = tile_rows(kind.room(vectors.room))

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
        """A block's rows."""
        return self.made(self.vectors.members(number))

    def made(self, rows: np.ndarray) -> _Block:
        """Any rows."""
        return _Block(self._units(rows), rows, self.vectors.groups(rows, len(rows)))

    def _units(self, rows: np.ndarray) -> Any:
        units = unit_rows(self.vectors.values, self.vectors.column("norms"), rows)
        if self.basis is not None:
            z = units @ self.basis
            # The rest must not be too short: what rounding may have added to z comes on top.
            rest = np.maximum(1 - np.einsum("ij,ij->i", z, z), 0) + self._off(3) + 2.0**-20
            rest[~units.any(axis=1)] = 0
            units = np.column_stack([z, np.sqrt(rest)]).astype(np.float32)
        return self.kind.hold(units)

    def _bound(self) -> float:
        margin = self.kind.margin(self.vectors.values.shape[1])
        return self.vectors.floor - margin - (0.0 if self.basis is None else self._off(3))

    def _off(self, times: int) -> float:
        assert self.basis is not None
        return times * rounding(*self.basis.shape)

    def candidates(
        self, left: _Block, right: _Block, *, diagonal: bool, first_new: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Tile by tile."""
        bound = self._bound()
        start = 0
        while start < len(left.groups):
            try:
                found = list(self._stripe(left, right, start, bound, diagonal, first_new))
            except Exception as error:
                if not _is_out_of_memory(error) or self.tile == 1:
                    raise
                self.tile //= 2
                continue
            yield from found
            start += self.tile

    def _stripe(
        self,
        left: _Block,
        right: _Block,
        start: int,
        bound: float,
        diagonal: bool,
        first_new: int,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The rows of one tile's height with all others."""
        rows = slice(start, start + self.tile)
        for column in range(start if diagonal else first_new, len(right.groups), self.tile):
            columns = slice(column, column + self.tile)
            if _one_group(left.groups[rows], right.groups[columns]):
                continue
            # Off the diagonal every row stands before every column.
            row = start if diagonal else -len(left.groups)
            some = self.kind.at_least(left.units[rows], right.units[columns], bound, row, column)
            for i, j in some:
                new = j + column >= first_new
                yield i[new] + start, j[new] + column


def _one_group(left: np.ndarray, right: np.ndarray) -> bool:
    return bool(left[0] >= 0 and (left == left[0]).all() and (right == left[0]).all())


def _is_out_of_memory(error: Exception) -> bool:
    torch = sys.modules.get("torch")
    return isinstance(error, MemoryError) or (
        torch is not None and isinstance(error, torch.OutOfMemoryError)
    )


class Float32:
    """NumPy's product, and a compiled look through it."""

    def room(self, here: int) -> int:
        """All of it."""
        return here

    def margin(self, dim: int) -> float:
        """See above."""
        return 2 * (dim + 2) * 2.0**-24 + 2.0**-21

    def hold(self, units: np.ndarray) -> np.ndarray:
        """As they are."""
        return units

    def at_least(
        self, left: np.ndarray, right: np.ndarray, bound: float, row: int, column: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Scan the tile while it is in the cache."""
        yield from _scan(left @ right.T, np.float32(bound - 2.0**-24), row, column)


def _scan(
    tile: np.ndarray, bound: Any, row: int, column: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from ._screen_kernels import at_least

    i, j = np.empty((2, max(1 << 18, tile.shape[1])), np.int32)
    at = 0
    while at >= 0:
        found, at = at_least(tile, bound, i, j, row, column, at)
        yield i[:found].copy(), j[:found].copy()


class Bfloat16:
    """torch's product on a GPU, or on the processor, where one may have units for it."""

    def __init__(self, device: str | None = None) -> None:
        import torch

        self._torch = torch
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def room(self, here: int) -> int:
        """On a GPU a part of what is free there, where other threads want some, too."""
        if self.device.type != "cuda":
            return here
        return int(self._torch.cuda.mem_get_info(self.device)[0]) // 8

    def margin(self, dim: int) -> float:
        """See above."""
        return 2.0**-8 + 2.0**-9 + 2.0**-11 + 2 * (dim + 2) * 2.0**-23

    def hold(self, units: np.ndarray) -> Any:
        """On the device."""
        return self._torch.from_numpy(units).to(self.device, self._torch.bfloat16)

    def at_least(
        self, left: Any, right: Any, bound: float, row: int, column: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """On a GPU the device looks through the tile; else the compiled scan does."""
        tile = left @ right.T
        # Rounded down to 16 bits; those of positive numbers order as whole numbers do.
        bits = int(np.float32(bound).view(np.int32)) >> 16
        if self.device.type == "cpu" and bound > 0:
            yield from _scan(tile.view(self._torch.int16).numpy(), np.int16(bits), row, column)
            return
        # The bound as float32 would be rounded up in the comparison: take one step off first.
        wanted = tile >= bound - 2.0**-8 * abs(bound)
        i, j = (place.cpu().numpy() for place in self._torch.nonzero(wanted, as_tuple=True))
        upper = i + row < j + column
        yield i[upper].astype(np.int32), j[upper].astype(np.int32)


@lru_cache(maxsize=1)
def has_torch() -> bool:
    """Whether torch is installed."""
    return importlib.util.find_spec("torch") is not None


@lru_cache(maxsize=1)
def has_gpu() -> bool:
    """Whether torch sees a GPU; it is not imported where the system has none."""
    if not (has_torch() and (Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists())):
        return False
    import torch

    return bool(torch.cuda.is_available())
