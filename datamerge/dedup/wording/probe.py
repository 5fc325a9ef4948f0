"""Looking up whom each set is compared with, stripe by stripe, and comparing them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...compute.memory import runs
from ...workdir import sealed
from ..evidence.pairs import PAIR, writing
from . import stored
from .postings import POSTINGS
from .stored import HASHES

SAMPLED = 256
PAIRS_A_WRITE = 1_000_000
# Rows whose hashes are read before they are let go, and lookups, each of which may lead to others.
ROWS_AT_ONCE, LOOKUPS_AT_ONCE = 20_000, 5_000
HASHES_AT_ONCE = 1 << 21
_END = 256  # bytes that may stand behind the pairs of a file


class _BeyondError(Exception):
    """Too many pairs."""


@dataclass(frozen=True)
class Probe:
    """A stripe's share of the join: its rows against all rows that are not larger."""

    folder: str
    floor: float
    positional: bool
    most: int
    room: int = 1 << 27  # bytes of hashes that may be mapped
    label: str = ""  # in the names of files: pairs of other groups are others

    def __call__(self, stripe: tuple[int, int]) -> None:
        """Write the stripe's pairs to a file, if it is not there; until there are too many."""
        path = self.path(stripe)
        if self.is_beyond() or sealed.is_whole(path):
            return
        with suppress(_BeyondError), writing(path) as add:
            row, last = stripe
            while row < last:
                if self.is_beyond() or self._listed() > self.most:
                    self.give_up()
                    raise _BeyondError
                row, found = self._some(row, last)
                add(found)

    def path(self, stripe: tuple[int, int]) -> Path:
        """Where a stripe's pairs are."""
        return Path(self.folder) / f"pairs-{self.label}-{stripe[0]:010d}-{stripe[1]:010d}"

    def is_beyond(self) -> bool:
        """Whether there are known to be too many."""
        return sealed.is_whole(self._beyond)

    def give_up(self) -> None:
        """Note that there are too many, and make room."""
        sealed.save(self._beyond, note=self.most)
        for path in Path(self.folder).glob(f"pairs-{self.label}-*"):
            path.unlink(missing_ok=True)

    @property
    def _beyond(self) -> Path:
        return Path(self.folder) / f"beyond-{self.label}-{self.most}"

    def _listed(self) -> int:
        """How many pairs are on disk at least: of what a dead worker has begun none twice."""
        sizes: dict[str, int] = {}
        for path in Path(self.folder).glob(f"*pairs-{self.label}-*"):
            name = path.name.removeprefix(".").partition(".")[0]
            with suppress(FileNotFoundError):
                sizes[name] = max(sizes.get(name, 0), path.stat().st_size)
        return sum(max(size - _END, 0) // PAIR.itemsize for size in sizes.values())

    def _some(self, row: int, last: int) -> tuple[int, np.ndarray]:
        """Pairs of rows from this one on, as many as are worth a write; the row that is next."""
        parts, count = [np.zeros(0, PAIR)], 0
        while row < last and count < PAIRS_A_WRITE:
            # Mapped anew: what was read of hashes counts as memory until it is let go.
            arrays = self.arrays()
            row, left, right, score = self.found(row, self._end(row, last, arrays), arrays)
            found = np.empty(len(left), PAIR)
            found["left"], found["right"], found["score"] = left, right, score
            parts.append(found)
            count += len(found)
        return row, np.concatenate(parts)

    def _end(self, row: int, last: int, arrays: list[np.ndarray]) -> int:
        """The row up to which to look before what was read is let go."""
        look_starts = arrays[4 + POSTINGS.index("look_starts")]
        end = np.searchsorted(look_starts, look_starts[row] + LOOKUPS_AT_ONCE, "right") - 1
        return int(min(max(end, row + 1), row + ROWS_AT_ONCE, last))

    def arrays(self) -> list[np.ndarray]:
        """What a probe reads."""
        names = ("signatures", HASHES, "starts", "sizes", *POSTINGS)
        return [stored.load(self.folder, name) for name in names]

    def found(self, row: int, last: int, arrays: list[np.ndarray]) -> Any:
        """The row that is next, and the pairs of those before it."""
        how = row, last, PAIRS_A_WRITE, self.floor, self.positional
        signatures, hashes, starts, sizes, *lists = arrays
        if signatures.shape[1] or hashes.nbytes <= self.room:
            return _kernels().probe(*how, *arrays)
        row, left, right, _ = _kernels().probe(*how, signatures, hashes[:0], starts, sizes, *lists)
        score = jaccards(left, right, self.floor, hashes, starts, sizes)
        good = score >= self.floor
        return row, left[good], right[good], score[good]


@dataclass(frozen=True)
class Estimate:
    """About how many pairs there are, from those of some rows."""

    probe: Probe

    def __call__(self, rows: int) -> int:
        """Look the sampled rows' pairs up."""
        arrays = self.probe.arrays()
        sample = np.unique(np.linspace(0, rows - 1, SAMPLED, dtype=np.int64)).tolist()
        pairs = sum(len(self.probe.found(row, row + 1, arrays)[1]) for row in sample)
        return pairs * rows // len(sample)


def jaccards(
    left: np.ndarray,
    right: np.ndarray,
    floor: float,
    hashes: np.ndarray,
    starts: np.ndarray,
    sizes: np.ndarray,
) -> np.ndarray:
    """The similarities of pairs of sets, whose hashes are read some at a time and not mapped."""
    score, ends = np.empty(len(left)), np.cumsum(sizes[left] + sizes[right])
    at = 0
    while at < len(left):
        before = ends[at - 1] if at else 0
        end = max(int(np.searchsorted(ends, before + HASHES_AT_ONCE, "right")), at + 1)
        both = np.concatenate([left[at:end], right[at:end]])
        sets, of = np.unique(both, return_inverse=True)
        held = runs(hashes, starts[sets], sizes[sets])
        _kernels().jaccards(*np.split(of, 2), floor, *held, score[at:end])
        at = end
    return score


@cache
def _kernels() -> Any:
    from . import _join_kernels as compiled

    return compiled
