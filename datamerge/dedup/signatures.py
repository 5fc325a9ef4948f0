"""MinHash signatures of shingle sets, and the hashes of their bands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .minima import minima, on_gpu
from .shingles import Sets


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
        factor, add = self.functions()
        gpu = on_gpu()
        if gpu is not None:
            return minima(gpu, sets.hashes, sets.starts, factor, add)
        signatures = np.empty((len(sets.starts) - 1, self.num_perm), np.uint32)
        _kernels().signatures(sets.hashes, sets.starts, factor, add, signatures)
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
        if not self.keep_signatures and on_gpu() is None:
            drawn = self.permutations.functions()
            run = _kernels().signature_bands
            return {"bands": run(sets.hashes, sets.starts, *drawn, self.bands, self.rows)}
        signatures = self.permutations.found(sets)
        bands = _kernels().band_hashes(signatures, self.bands, self.rows)
        return {"bands": bands} | ({"signatures": signatures} if self.keep_signatures else {})


@cache
def _kernels() -> Any:
    from . import _shingle_kernels as compiled

    return compiled
