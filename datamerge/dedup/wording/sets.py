"""The finders that compare shingle sets: the exact join, and MinHash with verified candidates."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..._version import __version__
from ...text import TextView
from .. import evidence
from ..compared.rows import Compared, extract
from ..evidence.pairs import Pairs
from . import bandlists, prefixes, setjoin, stored
from .bands import Bands
from .postings import Lists
from .shingles import Shingle, Shingling, Unit
from .signatures import Permutations, Sketch


@dataclass(frozen=True)
class Jaccard:
    """Rows whose shingle sets have a Jaccard similarity at or above the floor; all of them."""

    text: TextView
    shingling: Shingling
    floor: float

    how = "jaccard"
    word = "jaccard"
    sketch = None
    estimates = False

    def find(self, df: Any, folder: Path, against: Any = None) -> Any:
        """Find the pairs and keep them in the folder; returns the frame to mark."""
        return _find(self, df, folder, against)

    def lists(self, sets: _Sets) -> Lists:
        """The sets that share one of their rarest shingles."""
        return prefixes.lists(sets.join, self.floor)

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the step was called with."""
        return {"threshold": threshold, "text": self.text, **vars(self.shingling)}


@dataclass(frozen=True)
class MinHash:
    """Rows whose signatures agree in a band, and then in their shingle sets."""

    text: TextView
    shingling: Shingling
    floor: float
    bands: Bands
    permutations: Permutations
    verify: bool

    how = "minhash"

    @property
    def word(self) -> str:
        """What the score is called."""
        return "jaccard" if self.verify else "estimated jaccard"

    @property
    def estimates(self) -> bool:
        """Whether scores come from the signatures alone."""
        return not self.verify

    @property
    def sketch(self) -> Sketch:
        """What is kept of each set."""
        return Sketch(self.permutations, self.bands.bands, self.bands.rows, not self.verify)

    def find(self, df: Any, folder: Path, against: Any = None) -> Any:
        """Find the pairs and keep them in the folder; returns the frame to mark."""
        return _find(self, df, folder, against)

    def lists(self, sets: _Sets) -> Lists:
        """The sets that agree in a band."""
        return bandlists.lists(sets.join.folder, sets.parts, sets.rows, self.bands.bands)

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the step was called with."""
        return {
            "threshold": threshold,
            "text": self.text,
            **vars(self.shingling),
            **vars(self.permutations),
            **vars(self.bands),
            "verify": self.verify,
        }


@dataclass(frozen=True)
class _Sets:
    """The distinct sets, the partitions' rows they are in, and the rows they stand for."""

    join: setjoin.Join
    parts: list[int]
    rows: np.ndarray
    number: np.ndarray


def _find(finder: Jaccard | MinHash, df: Any, folder: Path, against: Any) -> Any:
    work = folder.with_name(f"{folder.name}.sets")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        task = Shingle(finder.text, finder.shingling, str(work), finder.sketch)
        kept, rows = extract(df, task, stage="shingle", against=against)
        same = rows.first_of_same()
        sets = _distinct(work, rows, same)
        evidence.save(folder, rows, same, _pairs(finder, sets), _about(finder))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return kept


def _distinct(folder: Path, rows: Compared, same: np.ndarray) -> _Sets:
    """One set of each class of equal ones, ordered by size and then by where its row stands."""
    number = np.flatnonzero(same == np.arange(len(rows)))
    part, place = rows.place[number].T
    parts = sorted(int(path.name.split(".")[0]) for path in folder.glob("*.starts.npy"))
    at, stop = np.zeros(len(number), np.int64), np.zeros(len(number), np.int64)
    row = np.zeros(len(number), np.int64)
    first_hash = first_row = 0
    for one in parts:
        starts = stored.load(folder, stored.of_partition(one, "starts"))
        here = part == one
        at[here] = starts[place[here]] + first_hash
        stop[here] = starts[place[here] + 1] + first_hash
        row[here] = place[here] + first_row
        first_hash += int(starts[-1])
        first_row += len(starts) - 1
    stored.joined(folder, [stored.of_partition(one, "hashes") for one in parts], setjoin.HASHES)
    order = np.argsort(stop - at, kind="stable")
    join = setjoin.Join(folder, at[order], (stop - at)[order], rows.old[number[order]])
    return _Sets(join, parts, row[order], number[order])


def _pairs(finder: Jaccard | MinHash, sets: _Sets) -> Pairs:
    folder = sets.join.folder
    signatures = np.zeros((0, 0), np.uint32)
    if finder.estimates:
        names = [stored.of_partition(part, "signatures") for part in sets.parts]
        signatures = stored.joined(folder, names, "signatures")[sets.rows]
    found, dense = setjoin.search(sets.join, finder.lists(sets), signatures, finder.floor)
    return Pairs(sets.number, found, dense)


def _about(finder: Jaccard | MinHash) -> dict[str, Any]:
    return {
        "how": finder.how,
        "same": finder.how,  # rows of one class have equal sets, not always the same text
        "floor": finder.floor,
        "datamerge": __version__,
        **finder.arguments(finder.floor),
    }


def shingling(ngram: int, unit: Unit) -> Shingling:
    """The shingling that is asked for, if there is one."""
    if unit not in ("word", "character"):
        raise ValueError(f"unit={unit!r}; it is one of word, character")
    if ngram < 1:
        raise ValueError(f"ngram={ngram}; a shingle is at least one {unit}")
    return Shingling(int(ngram), unit)


def lowest(threshold: float, floor: float | None) -> float:
    """The floor down to which pairs are kept."""
    if floor is None:
        floor = threshold - 0.05 if threshold > 0.05 else threshold
    if not 0 < floor <= threshold <= 1:
        raise ValueError(f"need 0 < floor <= threshold <= 1, got {floor=} and {threshold=}")
    return floor


def permutations(num_perm: int, seed: int) -> Permutations:
    """The random functions that are asked for, if there are such."""
    if num_perm < 1:
        raise ValueError(f"num_perm={num_perm}; a signature has at least one place")
    if seed < 0:
        raise ValueError(f"seed={seed}; a seed is not negative")
    return Permutations(num_perm, seed)


def banding(threshold: float, num_perm: int, bands: int | None, rows: int | None) -> Bands:
    """The bands that are asked for, or fit the threshold."""
    if (bands is None) != (rows is None):
        raise ValueError("give both bands and rows, or neither")
    if bands is None or rows is None:
        return Bands.for_threshold(threshold, num_perm)
    if min(bands, rows) < 1 or bands * rows > num_perm:
        raise ValueError(f"{bands} bands of {rows} rows do not fit a signature of {num_perm}")
    return Bands(bands, rows)
