"""Vectors as an encoder left them on the device that compares: there they stay for the blocks.

They are written to disk as well, which is what a run goes on with, and what the device is given
of those that went to make room, or that another worker has made.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from ...compute.room import room
from .resident import BLOCKS

BATCH = 8192  # texts that are embedded at once
# Of each row of the matrix, where its vector is kept: the files, and their numbers and rows.
FILES, ORIGINS = "files.json", "origins.npy"


@dataclass(frozen=True)
class _Batch:
    values: Any  # float32 [rows, dim], on the device

    @property
    def nbytes(self) -> int:
        return int(self.values.numel() * self.values.element_size())


def staying(folder: Path, file: str) -> Staying | None:
    """Keeps the vectors of a file on the device, where this process compares on one."""
    from . import ondevice, screen

    device = ondevice.device()
    if device is None or screen.choose() != "bfloat16":
        return None
    for other in BLOCKS.folders():
        if not Path(other).exists():  # of a run that was killed
            BLOCKS.clear(other)
    return Staying(str(folder), file, ondevice.OnDevice(device))


class Staying:
    """Batches of vectors, one after another."""

    def __init__(self, folder: str, file: str, kind: Any) -> None:
        self._folder, self._file, self._kind = folder, file, kind
        self._count = 0

    def add(self, vectors: Any) -> None:
        """Keep a batch where it is, if it is an array on the device."""
        number, self._count = self._count, self._count + 1
        values = _tensor(vectors)
        if values is None or values.device.type != self._kind.device.type:
            return
        batch = _Batch(values.detach().float().contiguous())
        most = self._kind.keep(room(), BLOCKS.nbytes)
        BLOCKS.put((self._folder, (self._file, number)), batch, most)


def _tensor(vectors: Any) -> Any:
    """An array as torch has it, without copying; None if it is not one of a device."""
    torch = sys.modules.get("torch")
    if torch is None or isinstance(vectors, np.ndarray):
        return None
    if isinstance(vectors, torch.Tensor):
        return vectors
    try:
        return torch.from_dlpack(vectors)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Found:
    """Where some rows are: batches with places among the rows and in the batch, and the rest."""

    batches: list[tuple[Any, np.ndarray, np.ndarray]]
    away: np.ndarray


def held(folder: str, rows: np.ndarray) -> Found | None:
    """What is held of some rows of a search; None if nothing is."""
    files = Path(folder, FILES)
    if folder not in BLOCKS.folders() or not files.exists():
        return None
    names = _names(files, files.stat().st_mtime_ns)
    file, row = np.load(f"{folder}/{ORIGINS}", mmap_mode="r", allow_pickle=False)[rows].T
    batch = row // BATCH
    order = np.lexsort((batch, file))
    changes = np.diff(file[order]) | np.diff(batch[order])
    found: list[tuple[Any, np.ndarray, np.ndarray]] = []
    away: list[np.ndarray] = []
    for here in np.split(order, np.flatnonzero(changes) + 1):
        one = BLOCKS.find((folder, (names[file[here[0]]], int(batch[here[0]]))))
        if one is None:
            away.append(here)
        else:
            found.append((one.values, here, row[here].astype(np.int64) % BATCH))
    return Found(found, np.concatenate(away)) if away else Found(found, order[:0])


@lru_cache(maxsize=2)
def _names(files: Path, changed: int) -> list[str]:
    return list(orjson.loads(files.read_bytes()))
