"""MinHash signatures of shingle sets, and the hashes of their bands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ...compute.shortage import free_everything, note, tried
from .minima import minima, on_gpu
from .shingles import Sets

SETS_AT_ONCE = 65_536
# So many sets are not halved, where a device has no memory for them.
_FEWEST = 1024


@dataclass(frozen=True)
class Permutations:
    """MinHash: the least hash of a set under each of many random functions of its hashes.

    ``found`` are uint32 signatures ``[n, num_perm]``; the share of places in which two of them
    agree estimates the Jaccard similarity of the sets.
    """

    num_perm: int
    seed: int

    def found(self, sets: Sets) -> np.ndarray:
        """The signature of each set."""
        gpu = on_gpu()
        if gpu is None:
            return self._compiled(sets)
        found = tried(minima, gpu, sets.hashes, sets.starts, *self.functions())
        return self._with_less(sets) if found is None else found

    def _with_less(self, sets: Sets) -> np.ndarray:
        """Half of the sets after the other; few of them by the compiled loop."""
        free_everything()
        count = len(sets.starts) - 1
        if count <= _FEWEST:
            note("on_cpu", "CuPy", count)
            return self._compiled(sets)
        half = -(-count // 2)
        note("halved", "CuPy", half)
        return np.concatenate([self.found(part) for part in _blocks(sets, half)])

    def _compiled(self, sets: Sets) -> np.ndarray:
        signatures = np.empty((len(sets.starts) - 1, self.num_perm), np.uint32)
        _kernels().signatures(sets.hashes, sets.starts, *self.functions(), signatures)
        return signatures

    def functions(self) -> tuple[np.ndarray, np.ndarray]:
        """Odd factors and what is added, as uint32 ``[num_perm]`` each."""
        random = np.random.Generator(np.random.PCG64(self.seed))
        drawn = random.integers(0, 1 << 32, (2, self.num_perm), dtype=np.uint32)
        return drawn[0] | np.uint32(1), drawn[1]


@dataclass(frozen=True)
class Sketch:
    """What is kept of each set for MinHash: a hash of each band, and the signature if wanted."""

    permutations: Permutations
    bands: int
    rows: int
    keep_signatures: bool

    def of(self, sets: Sets) -> dict[str, np.ndarray]:
        """The sketches: ``bands`` uint32 ``[bands, n]``, ``signatures`` ``[n, num_perm]``."""
        if self.keep_signatures:
            signatures = self.permutations.found(sets)
            return {"bands": self._hashed(signatures), "signatures": signatures}
        if on_gpu() is None:
            drawn = self.permutations.functions()
            run = _kernels().signature_bands
            return {"bands": run(sets.hashes, sets.starts, *drawn, self.bands, self.rows)}
        parts = [
            self._hashed(self.permutations.found(part)) for part in _blocks(sets, SETS_AT_ONCE)
        ]
        return {"bands": np.concatenate([np.empty((self.bands, 0), np.uint32), *parts], axis=1)}

    def _hashed(self, signatures: np.ndarray) -> np.ndarray:
        return np.asarray(_kernels().band_hashes(signatures, self.bands, self.rows))


def _blocks(sets: Sets, most: int) -> Iterator[Sets]:
    """The sets some at a time, so that not all signatures are held at once."""
    for first in range(0, len(sets.starts) - 1, most):
        starts = sets.starts[first : first + most + 1]
        hashes = sets.hashes[starts[0] : starts[-1]]
        yield Sets(hashes, starts - starts[0], sets.digest[first : first + most])


@cache
def _kernels() -> Any:
    from . import _signature_kernels as compiled

    return compiled
