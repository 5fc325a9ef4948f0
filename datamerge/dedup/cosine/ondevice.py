"""Candidates by products in bfloat16 on a GPU, where the blocks stay from task to task.

Rows are read and sent to the device once, as they are; there their lengths are made one, and they
are turned, in float64: what a device calls float32 may be TF32, and that is the process's setting.
The margin is that of :mod:`.kinds` so far as sums are of float32, which cuBLAS is told to see to.

Nobody waits for the device until a whole tile is multiplied and looked through: of every strip of
so many columns only the largest product is compared with the bound, and strips that reach it are
looked at again.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import dask
import numpy as np

from ...compute.memory import picked
from ...compute.shortage import free_on
from . import fresh
from .kinds import CrowdedError, Places, added, below, bfloat16_margin
from .vectors import Vectors

# Columns whose largest product is compared with the bound first; the rows of tiles and blocks
# are multiples of it.
STRIP = 64
# The most rows of a tile: enough to keep any device busy while the next one is sent.
LARGEST = 32_640
# Numbers of a row are a multiple of these, for whole loads of 16 bytes.
_WIDTH = 8
# Rows that are sent at once.
_SENT = 8192
# Shares of what is free on the device: for blocks that stay, for one tile.
_KEPT, _TILE = 2, 8
# Strips that are looked at again at once, and the most of a tile of more than the fewest rows.
_STRIPS, _MOST_STRIPS = 1 << 16, 1 << 18

_told = threading.Lock()


@dataclass(frozen=True)
class Held:
    """Rows on the device, filled up with zeros to a multiple of :data:`STRIP`."""

    values: Any
    count: int
    groups: Any  # or None, where there are none

    @property
    def nbytes(self) -> int:
        """Bytes that they take."""
        return int(self.values.numel() * self.values.element_size())

    def __getitem__(self, rows: slice) -> Held:
        start = rows.start or 0
        groups = None if self.groups is None else self.groups[rows]
        values = self.values[rows]
        return Held(values, max(0, min(self.count - start, len(values))), groups)


class OnDevice:
    """torch's product on one device."""

    unit, largest = STRIP, LARGEST

    def __init__(self, device: str) -> None:
        import torch

        self._torch, self.device = torch, torch.device(device)

    @property
    def where(self) -> str:
        """The device, by its name."""
        if self.device.type != "cuda":
            return str(self.device)
        return str(self._torch.cuda.get_device_name(self.device))

    def room(self, here: int) -> int:
        """A part of what is free there, where other threads want some, too."""
        return self._free(here) // _TILE

    def keep(self, here: int, kept: int) -> int:
        """A part of what would be free there without blocks."""
        return (self._free(here) + kept) // _KEPT

    def _free(self, here: int) -> int:
        return free_on(self.device) if self.device.type == "cuda" else here

    def margin(self, dim: int) -> float:
        """That of bfloat16."""
        return bfloat16_margin(dim)

    def units(self, vectors: Vectors, rows: np.ndarray, basis: np.ndarray | None) -> Held:
        """Send the rows; lengths and turning are the device's work."""
        torch, values = self._torch, vectors.values
        norms = np.array(vectors.column("norms")[rows])
        inverse = np.divide(1, norms, out=np.zeros(len(rows)), where=norms > 0)
        turn = None if basis is None else torch.from_numpy(basis).to(self.device, torch.float64)
        dim = values.shape[1] if basis is None else basis.shape[1] + 1
        shape = -(-len(rows) // STRIP) * STRIP, -(-dim // _WIDTH) * _WIDTH
        held = torch.zeros(shape, dtype=torch.bfloat16, device=self.device)
        for at in range(0, len(rows), _SENT):
            some = slice(at, min(at + _SENT, len(rows)))
            units = self._rows(vectors, values, rows[some]).double()
            units *= self._sent(inverse[some])[:, None]
            if turn is not None:
                assert basis is not None
                units = self._turned(units, turn, added(basis))
            held[some, :dim] = units
        return Held(held, len(rows), self._groups(vectors, rows, shape[0]))

    def _rows(self, vectors: Vectors, values: np.ndarray, rows: np.ndarray) -> Any:
        """Rows as they are: those that an encoder has left here, and the others from the disk."""
        held = fresh.held(vectors.folder, rows)
        if held is None:
            return self._sent(picked(values, rows))
        found = self._torch.empty((len(rows), values.shape[1]), device=self.device)
        for batch, here, there in held.batches:
            found[self._sent(here)] = batch[self._sent(there)]
        if len(held.away):
            found[self._sent(held.away)] = self._sent(picked(values, rows[held.away]))
        return found

    def _sent(self, array: np.ndarray) -> Any:
        here = self._torch.from_numpy(array)
        if self.device.type == "cuda":  # from there the device fetches it by itself
            here = here.pin_memory()
        return here.to(self.device, non_blocking=True)

    def _turned(self, units: Any, turn: Any, longer: float) -> Any:
        """The leading components, and the length of the rest; rows of zeros stay so."""
        z = units @ turn
        rest = (1 - (z * z).sum(dim=1)).clamp_(min=0) + longer
        rest *= units.any(dim=1)
        return self._torch.column_stack([z, rest.sqrt()])

    def _groups(self, vectors: Vectors, rows: np.ndarray, size: int) -> Any:
        return self._sent(vectors.groups(rows, size)) if vectors.grouped else None

    def at_least(self, left: Held, right: Held, bound: float, row: int, column: int) -> Places:
        """Places of two different groups, or of none."""
        torch = self._torch
        least = below(bound)
        with self._sums_of_float32():
            tile = left.values @ right.values.T
        strips = tile.view(-1, STRIP)
        reached = torch.nonzero(strips.amax(dim=1) >= least)[:, 0]
        if len(reached) > _MOST_STRIPS and len(tile) > STRIP:
            raise CrowdedError
        across = tile.shape[1] // STRIP
        for some in reached.split(_STRIPS):
            i = (some // across)[:, None]
            j = (some % across * STRIP)[:, None] + torch.arange(STRIP, device=self.device)
            good = (strips[some] >= least) & (i + row < j + column)
            good &= (i < left.count) & (j < right.count)
            if left.groups is not None:
                one = left.groups[i]
                good &= (one != right.groups[j]) | (one < 0)
            found = torch.stack([i.expand_as(j)[good], j[good]]).int().cpu().numpy()
            yield found[0], found[1]

    @contextmanager
    def _sums_of_float32(self) -> Iterator[None]:
        """See that parts of a sum are not rounded to bfloat16 before they are added.

        The setting is the process's: it is put back at once, and no two threads change it.
        """
        if self.device.type != "cuda":
            yield
            return
        matmul = self._torch.backends.cuda.matmul
        with _told:
            before = matmul.allow_bf16_reduced_precision_reduction
            matmul.allow_bf16_reduced_precision_reduction = False
            try:
                yield
            finally:
                matmul.allow_bf16_reduced_precision_reduction = before


def device() -> str | None:
    """The device that compares, as torch names it; None where the processor does.

    ``datamerge.dedup.device`` of ``dask.config`` says which; else it is the worker's first GPU.
    """
    told = dask.config.get("datamerge.dedup.device", None)
    if told is not None:
        return str(told) if has_torch() else None
    return "cuda" if has_gpu() else None


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
