"""Near duplicates by wording: all pairs of shingle sets that are alike enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..text import TextView, readable
from .duplicates import Duplicates
from .wording import prefixes
from .wording.find import Distinct, SetFinder, lowest
from .wording.postings import Lists
from .wording.shingles import Unit, shingling


def jaccard(
    df: Any,
    *,
    threshold: float = 0.8,
    floor: float | None = None,
    text: TextView = "chat",
    ngram: int = 5,
    unit: Unit = "word",
    against: Any = None,
) -> Duplicates:
    """Find rows that share most of their wording: all pairs of close shingle sets, none missed.

    A shingle is ``ngram`` consecutive words, or characters, of the normalised text (Unicode NFC,
    lower case, every run of white space one blank); a text of fewer is one shingle. The Jaccard
    similarity of two texts is the number of shingles they share by the number they have
    together.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Live rows with some text are compared.
    threshold : float
        The similarity from which on two rows are duplicates.
    floor : float, optional
        Pairs are kept down to here, so that the threshold can be moved; by default 0.05 below.
    text : {"chat", "prompt", "response"} or column name
        What is compared; of a chat the words alone, not the roles.
    ngram : int
        How many words or characters a shingle has.
    unit : {"word", "character"}
        What a shingle is made of. Texts without blanks between words want characters.
    against : DataFrame, folder of an output, or list of those, optional
        Earlier rows that are compared too, always stay, and come before all others.

    Returns
    -------
    Duplicates
        Lazy. Scores are exact, but for shingles being compared by a 64-bit hash.

    Raises
    ------
    ValueError
        When the pairs are found: they are more than can be kept (100 million at least). Texts
        of one template are not counted as long as all of them are alike: they make a group.

    Notes
    -----
    The join is of the PPJoin family: Xiao, Wang, Lin and Yu, "Efficient similarity joins for
    near duplicate detection", 2008.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read(["the cat sat on the mat", "The cat sat on the  red mat"], name="cats")
    >>> dups = dm.dedup.jaccard(df, threshold=0.5, ngram=2)
    >>> dups.mark().compute()["drop_detail"].tolist()
    [<NA>, 'jaccard 0.571429 to cats#0']
    """
    readable(text, df.columns)
    finder = Jaccard(text, shingling(ngram, unit), lowest(threshold, floor))
    return Duplicates(df, finder, threshold, against=against)


@dataclass(frozen=True)
class Jaccard(SetFinder):
    """Rows whose shingle sets have a Jaccard similarity at or above the floor; all of them."""

    how = "jaccard"
    word = "jaccard"

    def lists(self, sets: Distinct) -> Lists:
        """The sets that share one of their rarest shingles."""
        return prefixes.lists(sets.join, self.floor)
