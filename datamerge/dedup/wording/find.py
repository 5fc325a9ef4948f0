"""From rows to scored pairs of shingle sets: what the finders by wording share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..._version import __version__
from ...compute.shortage import summary
from ...text import TextView
from ...workdir import arrays, sealed
from .. import evidence
from ..compared.extract import extract
from ..compared.rows import Compared
from ..compared.same import first_of_same, firsts
from ..evidence.pairs import Pairs
from . import setjoin, stored
from .postings import Lists
from .shingles import Shingle, Shingling
from .signatures import Sketch

_ROWS = 1 << 18  # that are looked up at a time


@dataclass(frozen=True)
class Distinct:
    """The distinct sets, the partitions' rows they are in, and the rows they stand for."""

    join: setjoin.Join
    parts: Sequence[Path]
    rows: np.ndarray
    number: np.ndarray


@dataclass(frozen=True)
class SetFinder(ABC):
    """A finder that compares shingle sets; which of them are candidates is its own affair."""

    text: TextView
    shingling: Shingling
    floor: float

    how = ""

    @property
    def sketch(self) -> Sketch | None:
        """What is kept of each set, beside itself."""
        return None

    @property
    def estimates(self) -> bool:
        """Whether scores come from the signatures alone."""
        return False

    @abstractmethod
    def lists(self, sets: Distinct) -> Lists:
        """The sets that are candidates of each other."""

    def find(self, df: Any, folder: Path, against: Any = None) -> Any:
        """Find the pairs and keep them in the folder; returns the frame to mark."""
        place = folder.with_name(f"{folder.name}.sets")
        with evidence.scratch(place, *stored.KEPT) as work:
            task = Shingle(self.text, self.shingling, self.sketch)
            kept, rows = extract(df, task, stage="shingle", scratch=work, against=against)
            same = first_of_same(rows.digest)
            sets = _distinct(work, rows, same)
            short = summary(("shingle", note) for note in rows.notes)
            about = _about(self) | ({"short_of_memory": short} if short else {})
            evidence.save(folder, rows, same, _pairs(self, sets), about)
        return kept

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the step was called with."""
        return {"threshold": threshold, "text": self.text, **vars(self.shingling)}


def _distinct(folder: Path, rows: Compared, same: np.ndarray) -> Distinct:
    """One set of each class of equal ones, ordered by size and then by where its row stands.

    What is found of these sets is kept in a folder that is named by them: whatever a killed run
    has left, it is used for the same sets or not at all.
    """
    starts = _starts(folder, rows)
    number = firsts(same)
    sizes = _sizes(starts, rows.places(number))
    order = np.argsort(sizes, kind="stable")
    number, sizes = number[order], sizes[order]
    del order
    place = folder / arrays.told_of(_what_tells(rows, number, sizes))
    place.mkdir(exist_ok=True)
    stored.save_parts(place, rows.parts)
    stored.joined(place, rows.parts, stored.HASHES)
    row = rows.places(number)
    join = setjoin.Join(place, starts[row], sizes.astype(np.int64), number < rows.olds)
    return Distinct(join, rows.parts, row, number)


def _starts(folder: Path, rows: Compared) -> np.ndarray:
    """Where the set of each row begins, partition behind partition, and where the last ends."""
    found = sealed.mapped(folder / "starts.npy", np.int64, (len(rows) + 1,))
    row = first = 0
    for path in rows.parts:
        starts = arrays.load(path, "starts")
        found[row : row + len(starts)] = starts[:] + first
        row, first = row + len(starts) - 1, first + int(starts[-1])
    return found


def _sizes(starts: np.ndarray, places: np.ndarray) -> np.ndarray:
    found = np.empty(len(places), np.uint32)
    for first in range(0, len(places), _ROWS):
        some = places[first : first + _ROWS]
        found[first : first + _ROWS] = starts[some + 1] - starts[some]
    return found


def _what_tells(rows: Compared, number: np.ndarray, sizes: np.ndarray) -> Iterator[np.ndarray]:
    """What tells these sets from others."""
    for first in range(0, len(number), _ROWS):
        yield rows.digest[number[first : first + _ROWS]]
    yield sizes
    yield number < rows.olds


def _pairs(finder: SetFinder, sets: Distinct) -> Pairs:
    folder = sets.join.folder
    signatures = np.zeros((0, 0), np.uint32)
    if finder.estimates:
        signatures = stored.joined(folder, sets.parts, "signatures")[sets.rows]
    found, dense = setjoin.search(sets.join, finder.lists(sets), signatures, finder.floor)
    return Pairs(sets.number, found, dense)


def _about(finder: SetFinder) -> dict[str, Any]:
    return {
        "how": finder.how,
        "same": finder.how,  # rows of one class have equal sets, not always the same text
        "floor": finder.floor,
        "datamerge": __version__,
        **finder.arguments(finder.floor),
    }


def lowest(threshold: float, floor: float | None) -> float:
    """The floor down to which pairs are kept."""
    if floor is None:
        floor = threshold - 0.05 if threshold > 0.05 else threshold
    if not 0 < floor <= threshold <= 1:
        raise ValueError(f"need 0 < floor <= threshold <= 1, got {floor=} and {threshold=}")
    return floor
