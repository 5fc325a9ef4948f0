"""Products on the processor that name candidates: NumPy's in float32, torch's in bfloat16.

How far a product of unit vectors of dimension d may be off: in float32 by (d + 2) * 2**-24, and
by 2**-22 for the lengths, which are not one to the last bit. In bfloat16 each factor is off by
2**-9 of itself, so every product of two by 2**-8 and a little, and the sum of their sizes is at
most one; the result is rounded by 2**-9 of itself once more. Sums are of float32.

Where the leading components z of long vectors hold most of them (see :mod:`.int8`), the products
are of ``[z, r]``, r being the length of the rest: that is of length one too, shorter, and its
products are never below those of the vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from .int8 import rounding, unit_rows
from .vectors import Vectors

TILE = 4096

Places = Iterator[tuple[np.ndarray, np.ndarray]]


class CrowdedError(Exception):
    """A tile has so many candidates that it is to be looked through by parts."""


class Kind(Protocol):
    """A kind of product."""

    unit: int  # the rows of a tile are a multiple of these
    largest: int  # the most rows of a tile

    @property
    def where(self) -> str:
        """Where it is computed, in words."""

    def room(self, here: int) -> int:
        """Bytes that a product may take; so many are there in the memory of the worker."""

    def keep(self, here: int, kept: int) -> int:
        """Bytes of blocks that may be held from task to task; so many are."""

    def margin(self, dim: int) -> float:
        """How far below the true cosine a product may lie."""

    def units(self, vectors: Vectors, rows: np.ndarray, basis: np.ndarray | None) -> Any:
        """Unit rows, turned if there is a basis, where the product is computed."""

    def at_least(self, left: Any, right: Any, bound: float, row: int, column: int) -> Places:
        """Places in a tile whose product reaches the bound, and ``row + i < column + j``."""


def off(basis: np.ndarray | None) -> float:
    """What turning may have added to a product by rounding."""
    return 0.0 if basis is None else 3 * rounding(*basis.shape)


def added(basis: np.ndarray) -> float:
    """What the squared length of the rest is taken longer by: it must not be too short."""
    return off(basis) + 2.0**-20


def bfloat16_margin(dim: int) -> float:
    """See above."""
    return 2.0**-8 + 2.0**-9 + 2.0**-11 + 2 * (dim + 2) * 2.0**-23


class OnProcessor:
    """What products on the processor have in common."""

    unit, largest = 1, TILE
    where = "cpu"

    def room(self, here: int) -> int:
        """All of it."""
        return here

    def keep(self, here: int, kept: int) -> int:
        """Nothing: the system keeps the file in memory as it can."""
        return 0

    def units(self, vectors: Vectors, rows: np.ndarray, basis: np.ndarray | None) -> Any:
        """Unit rows, turned if there is a basis."""
        units = unit_rows(vectors.values, vectors.column("norms"), rows)
        if basis is not None:
            z = units @ basis
            rest = np.maximum(1 - np.einsum("ij,ij->i", z, z), 0) + added(basis)
            rest[~units.any(axis=1)] = 0
            units = np.column_stack([z, np.sqrt(rest)]).astype(np.float32)
        return self.hold(units)

    def hold(self, units: np.ndarray) -> Any:
        """As they are."""
        return units


class Float32(OnProcessor):
    """NumPy's product, and a compiled look through it."""

    def margin(self, dim: int) -> float:
        """See above."""
        return 2 * (dim + 2) * 2.0**-24 + 2.0**-21

    def at_least(
        self, left: np.ndarray, right: np.ndarray, bound: float, row: int, column: int
    ) -> Places:
        """Scan the tile while it is in the cache."""
        yield from _scan(left @ right.T, np.float32(bound - 2.0**-24), row, column)


class Bfloat16(OnProcessor):
    """torch's product on the processor, which may have units for it."""

    def __init__(self) -> None:
        import torch

        self._torch = torch

    def margin(self, dim: int) -> float:
        """See above."""
        return bfloat16_margin(dim)

    def hold(self, units: np.ndarray) -> Any:
        """In bfloat16."""
        return self._torch.from_numpy(units).to(self._torch.bfloat16)

    def at_least(self, left: Any, right: Any, bound: float, row: int, column: int) -> Places:
        """The compiled scan; of numbers above zero it looks at the bits."""
        tile = left @ right.T
        if bound <= 0:
            yield from _scan(tile.float().numpy(), np.float32(below(bound)), row, column)
            return
        # Rounded down to 16 bits; those of positive numbers order as whole numbers do.
        bits = int(np.float32(bound).view(np.int32)) >> 16
        yield from _scan(tile.view(self._torch.int16).numpy(), np.int16(bits), row, column)


def below(bound: float) -> float:
    """The largest number of bfloat16 that is not above.

    >>> below(0.9), below(-0.9), below(0.5)
    (0.8984375, -0.90234375, 0.5)
    """
    near = np.float32(bound)
    if float(near) > bound:
        near = np.nextafter(near, np.float32(-np.inf))
    bits = int(near.view(np.int32))
    if bits < 0 and bits & 0xFFFF:  # cut off, a negative number grows
        bits += 0x10000
    return float(np.int32(bits & ~0xFFFF).view(np.float32))


def _scan(tile: np.ndarray, bound: Any, row: int, column: int) -> Places:
    from ._screen_kernels import at_least

    i, j = np.empty((2, max(1 << 18, tile.shape[1])), np.int32)
    at = 0
    while at >= 0:
        found, at = at_least(tile, bound, i, j, row, column, at)
        yield i[:found].copy(), j[:found].copy()
