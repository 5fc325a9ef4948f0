"""What a finder hands over: scored pairs, and groups too dense for their pairs to be kept.

A thousand rows that are all alike make half a million pairs. Beyond a budget a finder gathers
such rows into groups instead; the pairs inside a group are not listed, their scores are computed
when somebody asks (see :class:`Dense`), so that no decision depends on what was listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ...workdir import sealed

PAIR = np.dtype([("left", np.int32), ("right", np.int32), ("score", np.float64)])
Measure = Literal["cosine", "jaccard"]


@dataclass(frozen=True)
class Dense:
    """Groups of items whose pairs among themselves are computed when asked for.

    ``item`` [k] are the items of all groups, each in one group at most, ``group`` [k] the group
    of each. ``arrays`` hold what scores come from, row by row in the order of ``item``: for
    ``cosine`` unit ``vectors`` float32 [k, d]; for ``jaccard`` sorted ``hashes`` uint64 and
    ``starts`` int64 [k + 1]. Pairs across groups, or with items in none, are listed as others.
    """

    item: np.ndarray
    group: np.ndarray
    measure: Measure
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Pairs:
    """Scored pairs of items; item ``i`` stands for row ``number[i]``, the first of its class.

    ``found`` are PAIR records [m], each pair once, in any order; they may be mapped from disk.
    """

    number: np.ndarray
    found: np.ndarray
    dense: Dense | None = None
    about: Mapping[str, object] = field(default_factory=dict)  # what is to be told of the search

    @classmethod
    def none(cls) -> Pairs:
        """No pairs."""
        return cls(np.zeros(0, np.int64), np.zeros(0, PAIR))


@contextmanager
def writing(path: Path) -> Iterator[Callable[[np.ndarray], None]]:
    """Add pairs to a file, some at a time; it is there, sealed, when the block has ended well."""
    note = {"pairs": 0}
    with sealed.writing(path, note) as write:

        def add(pairs: np.ndarray) -> None:
            write(np.ascontiguousarray(pairs))
            note["pairs"] += len(pairs)

        yield add


def found_in(path: Path) -> int:
    """How many pairs were written to a file."""
    return int(sealed.note(path)["pairs"])


def gathered(paths: Sequence[Path], target: Path) -> np.ndarray:
    """The pairs of these files, one after another, in one file that is mapped from disk."""
    counts = [found_in(path) for path in paths]
    about = {"descr": np.lib.format.dtype_to_descr(PAIR), "fortran_order": False}
    with target.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, about | {"shape": (sum(counts),)})
        for path, count in zip(paths, counts, strict=True):
            file.writelines(sealed.chunks(path, 0, count * PAIR.itemsize))
    return np.load(target, mmap_mode="r")
