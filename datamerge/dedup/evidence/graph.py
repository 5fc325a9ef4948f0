"""The graph of pairs on disk: for every row its neighbours, the most similar first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from dask.system import CPU_COUNT

from ...compute.memory import let_go

BLOCK = 16_000_000  # neighbours that are sorted in memory at a time
THREADS = min(CPU_COUNT, 4)
_FILES: dict[str, np.dtype[Any]] = {
    "neighbours": np.dtype(np.int32),
    "scores": np.dtype(np.float64),
}


@dataclass(frozen=True)
class Graph:
    """Neighbours of row ``i`` from ``starts[i]`` to ``starts[i + 1]``; arrays mapped from disk.

    Every pair stands at both its rows. ``scores`` of a row go down; ties are in order of rows.
    """

    starts: np.ndarray
    neighbours: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return len(self.neighbours) // 2

    def let_go(self) -> None:
        """Give back the memory of what was read; it is read again when needed."""
        for array in (self.neighbours, self.scores):
            let_go(array)

    def listed(self, block: int = BLOCK) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The pairs, each once, as ``left < right`` and score, in order of rows; in blocks."""
        for low, high in _blocks(self.starts, block):
            span = slice(int(self.starts[low]), int(self.starts[high]))
            left = np.repeat(np.arange(low, high), np.diff(self.starts[low : high + 1]))
            right = self.neighbours[span].astype(np.int64)
            up = np.flatnonzero(left < right)
            order = up[np.lexsort((right[up], left[up]))]
            if len(order):
                yield left[order], right[order], self.scores[span][order]


def addresses(graphs: Sequence[Graph]) -> np.ndarray:
    """Where in memory the arrays of each graph are, int64 [n, 3]; not longer than they are held."""
    found = [(graph.starts, graph.neighbours, graph.scores) for graph in graphs]
    for arrays in found:
        assert [array.dtype for array in arrays] == [np.dtype(np.int64), *_FILES.values()]
        assert all(array.flags.c_contiguous for array in arrays)
    return np.array([[array.ctypes.data for array in arrays] for arrays in found], np.int64)


def ends_of(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """PAIR records as two plain matrices: the items are the first two of four int32 [m, 4]."""
    plain = np.ascontiguousarray(found)
    ends = plain.view(np.int32).reshape(-1, 4)
    score = plain.view(np.float64).reshape(-1, 2)
    return frozen(ends), frozen(score)


def frozen(array: np.ndarray) -> np.ndarray:
    """The array as one that is not written to, so that compiled code knows one kind only."""
    plain = np.asarray(array).view()
    plain.flags.writeable = False
    return plain


def degrees(found: np.ndarray, items: int) -> np.ndarray:
    """How many pairs each item is in."""
    counts = np.zeros(items, np.int32)
    if len(found):
        kernels().count_ends(ends_of(found)[0], counts)
    return counts


def write(folder: Path, rows: int, found: np.ndarray, where: np.ndarray) -> None:
    """Write the graph of the records; item ``i`` is row ``where[i]``.

    The records are read once a block of neighbours, and never held in memory.
    """
    starts = np.zeros(rows + 1, np.int64)
    of_items, known = degrees(found, len(where)), where >= 0
    starts[where[known] + 1] = of_items[known]
    del of_items, known
    np.cumsum(starts, out=starts)
    np.save(folder / "starts.npy", starts, allow_pickle=False)
    with (folder / "neighbours.npy").open("wb") as one, (folder / "scores.npy").open("wb") as two:
        _header(one, "neighbours", int(starts[-1]))
        _header(two, "scores", int(starts[-1]))
        if len(found):
            _fill(starts, found, where.astype(np.int32, copy=False), one, two)


def _fill(
    starts: np.ndarray, found: np.ndarray, where: np.ndarray, one: BinaryIO, two: BinaryIO
) -> None:
    ends, score = ends_of(found)

    def sorted_block(rows: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        low, high = rows
        size = int(starts[high] - starts[low])
        neighbours, scores = np.empty(size, np.int32), np.empty(size)
        at = starts[low:high] - starts[low]
        kernels().fill(ends, score, where, low, high, at, neighbours, scores)
        kernels().sort_slices(starts, low, high, neighbours, scores)
        return neighbours, scores

    with ThreadPoolExecutor(THREADS) as pool:
        blocks = _blocks(starts, BLOCK // THREADS)
        while now := list(islice(blocks, THREADS)):
            for neighbours, scores in pool.map(sorted_block, now):
                neighbours.tofile(one)
                scores.tofile(two)


def _header(file: BinaryIO, name: str, length: int) -> None:
    kind = np.lib.format.dtype_to_descr(_FILES[name])
    about = {"descr": kind, "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, about)
    file.flush()


def _blocks(starts: np.ndarray, size: int) -> Iterator[tuple[int, int]]:
    """Runs of rows with about so many neighbours, at least one row each."""
    low, rows = 0, len(starts) - 1
    while low < rows:
        high = int(np.searchsorted(starts, starts[low] + size, side="right")) - 1
        high = min(max(high, low + 1), rows)
        yield low, high
        low = high


def load(folder: Path) -> Graph:
    """The graph of a folder, mapped."""
    return Graph(*(mapped(folder / f"{name}.npy") for name in ("starts", *_FILES)))


def mapped(path: Path) -> np.ndarray:
    """An array of a file, as it is needed; nothing is unpickled."""
    return frozen(np.load(path, mmap_mode="r", allow_pickle=False))


def sound(graph: Graph, rows: int) -> bool:
    """Whether the arrays are such a graph of so many rows, whoever wrote them."""
    kinds = {"starts": np.dtype(np.int64), **_FILES}
    arrays = [getattr(graph, name) for name in kinds]
    if any(a.dtype != kind or a.ndim != 1 for a, kind in zip(arrays, kinds.values(), strict=True)):
        return False
    return len(graph) == rows and bool(kernels().sound(*arrays))


@cache
def kernels() -> Any:
    """The compiled loops."""
    from . import _graph_kernels as compiled

    return compiled
