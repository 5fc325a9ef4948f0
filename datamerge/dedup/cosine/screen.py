"""Three arithmetics that name the pairs which may reach a floor, and miss none that does.

``int8``: whole numbers, compiled for processors with AVX-512 VNNI; several times faster than a
matrix product (see :mod:`.int8`). ``bfloat16``: torch's product on a GPU (see :mod:`.ondevice`),
or on a processor made for it. ``float32``: NumPy's product, anywhere. All name different
candidates, and since every candidate's cosine is then computed in float64, all find the same
pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import dask
import numpy as np

from ... import workdir
from . import kinds, ondevice
from .int8 import CHUNK, COLUMNS, ROWS, Turn, block_dtype, prepared
from .products import Product
from .vectors import UNIT, Vectors

Arithmetic = Literal["int8", "bfloat16", "float32"]
Candidates = Iterator[tuple[np.ndarray, np.ndarray]]

# Candidates handed over at a time.
BUFFER = 1 << 18


class Screen(Protocol):
    """Names candidates."""

    def begin(self) -> None:
        """Find out once what all tasks need."""

    def prepare(self, number: int) -> None:
        """Make a block ready, where that is worth a file."""

    def block(self, number: int) -> Any:
        """A block to be compared; it has the ``rows`` it is of, and their ``groups``."""

    def made(self, rows: np.ndarray) -> Any:
        """A block of any rows, at most as many as in the others."""

    def candidates(self, left: Any, right: Any, *, diagonal: bool, first_new: int) -> Candidates:
        """Places in two blocks of all pairs that may reach the floor.

        On the diagonal only left before right; never a right place before ``first_new``. Pairs
        inside a group are left out where that is cheap.
        """


@dataclass(frozen=True)
class _Block:
    record: Any
    rows: np.ndarray
    groups: np.ndarray


class Int8:
    """The compiled screen; blocks are made ready once, in files."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors
        self.folder = Path(vectors.folder)

    def begin(self) -> None:
        """Find the basis."""
        of = self.vectors
        Turn.of(of.values, of.column("norms"), of.floor).save(self.folder / "turn.npz")

    @cached_property
    def turn(self) -> Turn:
        """The basis."""
        return Turn.load(self.folder / "turn.npz")

    def prepare(self, number: int) -> None:
        """Write a block's file."""
        record = self._record(self.vectors.members(number), self.vectors.size)
        with workdir.replacing(self._path(number)) as temporary, temporary.open("wb") as file:
            record.tofile(file)

    def block(self, number: int) -> _Block:
        """From its file."""
        of = self.vectors
        record = np.memmap(self._path(number), block_dtype(self.turn, of.size), mode="r")[0]
        rows = of.members(number)
        return _Block(record, rows, of.groups(rows, of.size))

    def made(self, rows: np.ndarray) -> _Block:
        """In memory."""
        size = max(1, -(-len(rows) // UNIT)) * UNIT
        return _Block(self._record(rows, size)[0], rows, self.vectors.groups(rows, size))

    def _record(self, rows: np.ndarray, size: int) -> np.ndarray:
        of = self.vectors
        return prepared(self.turn, of.values, of.column("norms"), rows, of.floor, size)

    def candidates(
        self, left: _Block, right: _Block, *, diagonal: bool, first_new: int
    ) -> Candidates:
        """Through the compiled loop, a buffer at a time."""
        from ._screen_kernels import screen

        ends = np.array([0, *self.turn.stages], np.int64)
        steps = np.diff(ends) // CHUNK
        x_group, y_group = _uniform(left.groups, ROWS), _uniform(right.groups, COLUMNS)
        a, b = left.record, right.record
        i, j = np.empty((2, BUFFER), np.int32)
        at = 0
        while at >= 0:
            found, at = screen(
                *(a["x"], b["y"], a["a"], b["b"]),
                *(x_group, y_group, steps, diagonal, first_new, at, i, j),
            )
            yield i[:found], j[:found]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.block"


def _uniform(groups: np.ndarray, length: int) -> np.ndarray:
    """For every so many places their group if they have the same, else -1."""
    several = groups.reshape(-1, length)
    return np.where((several == several[:, :1]).all(axis=1), several[:, 0], -1)


@lru_cache(maxsize=1)
def has_vnni() -> bool:
    """Whether the compiled screen runs here, and computes what NumPy computes."""
    try:
        import llvmlite.binding as llvm
        from numba.core import config as compiler

        config: Any = compiler
        features = llvm.get_host_cpu_features()
        # An instruction that the compiler was told not to use would end the process.
        told = config.CPU_NAME or config.CPU_FEATURES or config.DISABLE_JIT
        if told or not (features.get("avx512vnni") and features.get("avx512bw")):
            return False
        return _is_right()
    except Exception:  # a compiler that can't, whatever it says: there are other arithmetics
        return False


def _is_right() -> bool:
    """Sums of two stages against NumPy's, for one tile."""
    from ._screen_kernels import screen

    rng = np.random.default_rng(0)
    x = rng.integers(-127, 128, (ROWS, 2 * CHUNK))
    y = rng.integers(-127, 128, (COLUMNS, 2 * CHUNK))
    first, whole = x[:, :CHUNK] @ y[:, :CHUNK].T, x @ y.T
    a, b = np.zeros((1, 2, 8), np.int32), np.zeros((1, 2, COLUMNS), np.int32)
    a[0, :, :ROWS] = -128 * x.reshape(ROWS, 2, CHUNK).sum(axis=2).T
    a[0, 0, :ROWS] -= 1000
    b[0, 0] = rng.integers(-1000, 1000, COLUMNS)
    b[0, 1] = rng.integers(-30_000, 0, COLUMNS)
    expected = whole - 1000 + b[0].sum(axis=0) >= 0
    assert (first - 1000 + b[0, 0] >= 0).any() and expected.any()
    tiled = [_tiled(x, ROWS), _tiled((y + 128).astype(np.uint8), COLUMNS)]
    none, steps = np.full(1, -1, np.int32), np.ones(2, np.int64)
    i, j = np.empty((2, 1 << 16), np.int32)
    found, _ = screen(  # type: ignore[call-arg]
        *tiled, a, b, none, none, steps, False, 0, 0, i, j
    )
    got = np.zeros_like(expected)
    got[i[:found], j[:found]] = True
    return bool((got == expected).all())


def _tiled(values: np.ndarray, rows: int) -> np.ndarray:
    """One tile's bytes as the kernel reads them, ``[chunk, 1, 8, rows]`` int32."""
    bytes_ = values.astype(np.uint8).reshape(rows, -1, CHUNK // 4, 4).transpose(1, 2, 0, 3)
    return np.ascontiguousarray(bytes_).view(np.int32)[..., 0][:, None]


def choose() -> Arithmetic:
    """What suits this machine; ``datamerge.dedup.arithmetic`` of ``dask.config`` decides else."""
    told = dask.config.get("datamerge.dedup.arithmetic", None)
    if told is not None:
        if told not in get_args(Arithmetic):
            known = ", ".join(get_args(Arithmetic))
            raise ValueError(f"datamerge.dedup.arithmetic is {told!r}; it is one of {known}")
        return told
    return "bfloat16" if ondevice.device() is not None else _on_processor()


def _on_processor() -> Arithmetic:
    return "int8" if has_vnni() else "float32"


def make(arithmetic: Arithmetic, vectors: Vectors) -> Screen:
    """The screen of this name; one that does not run here gives way to another."""
    if arithmetic == "int8" and has_vnni():
        return Int8(vectors)
    if arithmetic == "bfloat16" and (device := ondevice.device()) is not None:
        spare = partial(make, _on_processor(), vectors)
        return Product(vectors, ondevice.OnDevice(device), spare)
    if arithmetic == "bfloat16" and ondevice.has_torch():
        return Product(vectors, kinds.Bfloat16())
    return Product(vectors, kinds.Float32())
