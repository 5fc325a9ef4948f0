"""From rows to scored pairs of shingle sets: what the finders by wording share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..._version import __version__
from ...compute.shortage import summary
from ...text import TextView
from ...workdir import arrays
from .. import evidence
from ..compared.rows import Compared, by_part, extract
from ..evidence.pairs import Pairs
from . import setjoin, stored
from .postings import Lists
from .shingles import Shingle, Shingling
from .signatures import Sketch


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
            kept, rows = extract(df, task, stage="shingle", against=against, scratch=work)
            same = rows.first_of_same()
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
    number = np.flatnonzero(same == np.arange(len(rows)))
    part, within = rows.place[number].T
    at, stop = np.zeros(len(number), np.int64), np.zeros(len(number), np.int64)
    row = np.zeros(len(number), np.int64)
    first_hash = first_row = 0
    places, none = by_part(part), np.zeros(0, np.int64)
    for one, path in enumerate(rows.parts):
        starts = arrays.load(path, "starts")
        here = places.get(one, none)
        at[here] = starts[within[here]] + first_hash
        stop[here] = starts[within[here] + 1] + first_hash
        row[here] = within[here] + first_row
        first_hash += int(starts[-1])
        first_row += len(starts) - 1
    order = np.argsort(stop - at, kind="stable")
    chosen, sizes = number[order], (stop - at)[order]
    place = folder / arrays.told(rows.digest[chosen], sizes, rows.old[chosen])
    place.mkdir(exist_ok=True)
    stored.save_parts(place, rows.parts)
    stored.joined(place, rows.parts, stored.HASHES)
    join = setjoin.Join(place, at[order], sizes, rows.old[chosen])
    return Distinct(join, rows.parts, row[order], chosen)


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
