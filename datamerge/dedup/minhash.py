"""Near duplicates by wording, most of them: MinHash signatures name candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..text import TextView, readable
from .duplicates import Duplicates
from .wording import bandlists
from .wording.bands import Bands
from .wording.find import Distinct, SetFinder, lowest
from .wording.postings import Lists
from .wording.shingles import Unit, shingling
from .wording.signatures import Permutations, Sketch


def minhash(
    df: Any,
    *,
    threshold: float = 0.8,
    floor: float | None = None,
    text: TextView = "chat",
    ngram: int = 5,
    unit: Unit = "word",
    num_perm: int = 128,
    bands: int | None = None,
    rows: int | None = None,
    verify: bool = True,
    seed: int = 0,
    against: Any = None,
) -> Duplicates:
    """Find most rows that share most of their wording, by MinHash and bands.

    What :func:`jaccard` finds, but for the pairs whose signatures differ in every band: the
    S-curve says how many, see :class:`Bands` and ``finder.bands`` of the result. It costs less
    where texts are long.

    Parameters
    ----------
    df, threshold, floor, text, ngram, unit, against
        As for :func:`jaccard`. Pairs between floor and threshold are missed more often.
    num_perm : int
        Places in a signature.
    bands, rows : int, optional
        How a signature is cut into bands. By default the most selective bands that miss at most
        one in a hundred of the pairs at the threshold.
    verify : bool
        Count the true Jaccard similarity of every candidate, so that every pair is a true one.
        Otherwise the score is an estimate: the share of the places in which signatures agree;
        but in groups of near-equal texts, made where pairs are too many to list, it is true.
    seed : int
        Which random functions make the signatures.

    Returns
    -------
    Duplicates
        Lazy.

    Notes
    -----
    A. Broder, "On the resemblance and containment of documents", 1997.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read(["the cat sat on the mat", "The cat sat on the  red mat"], name="cats")
    >>> dups = dm.dedup.minhash(df, threshold=0.5, ngram=2)
    >>> dups.mark().compute()["drop_detail"].tolist()
    [<NA>, 'jaccard 0.571429 to cats#0']
    >>> dups.finder.bands, round(dups.finder.bands.missed(0.5), 4)
    (Bands(bands=42, rows=3), 0.0037)
    """
    readable(text, df.columns)
    drawn = _permutations(num_perm, seed)
    finder = MinHash(
        text,
        shingling(ngram, unit),
        lowest(threshold, floor),
        _banding(threshold, num_perm, bands, rows),
        drawn,
        verify,
    )
    return Duplicates(df, finder, threshold, against=against)


@dataclass(frozen=True)
class MinHash(SetFinder):
    """Rows whose signatures agree in a band, and then in their shingle sets."""

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

    def lists(self, sets: Distinct) -> Lists:
        """The sets that agree in a band."""
        return bandlists.lists(sets.join.folder, sets.rows, self.bands.bands)

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the step was called with."""
        drawn = {**vars(self.permutations), **vars(self.bands), "verify": self.verify}
        return super().arguments(threshold) | drawn


def _permutations(num_perm: int, seed: int) -> Permutations:
    """The random functions that are asked for, if there are such."""
    if num_perm < 1:
        raise ValueError(f"num_perm={num_perm}; a signature has at least one place")
    if seed < 0:
        raise ValueError(f"seed={seed}; a seed is not negative")
    return Permutations(num_perm, seed)


def _banding(threshold: float, num_perm: int, bands: int | None, rows: int | None) -> Bands:
    """The bands that are asked for, or fit the threshold."""
    if (bands is None) != (rows is None):
        raise ValueError("give both bands and rows, or neither")
    if bands is None or rows is None:
        return Bands.for_threshold(threshold, num_perm)
    if min(bands, rows) < 1 or bands * rows > num_perm:
        raise ValueError(f"{bands} bands of {rows} rows do not fit a signature of {num_perm}")
    return Bands(bands, rows)
