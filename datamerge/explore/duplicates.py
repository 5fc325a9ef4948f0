"""The explorer of duplicates: a threshold to move, clusters to read, decisions to make by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from dask.tokenize import tokenize

from .. import workdir
from ..dedup.deciding import by_hand
from ..dedup.deciding.keep import Keep
from ..dedup.duplicates import Duplicates
from .pairs.made import changed
from .widgets.source import anywidget

if TYPE_CHECKING:
    from .pairs.widget import DuplicatesExplorer


def duplicates(
    dups: Duplicates,
    decisions: str | Path | pd.DataFrame | None = None,
    *,
    keep: Keep = "first",
    df: Any = None,
) -> DuplicatesExplorer:
    """Look at duplicates, move the threshold, and decide by hand where the rule is wrong.

    The pairs are found, if they are not yet. Texts are read from the frame when a cluster is
    looked at: the first time in one pass over its partitions, then from those that hold them.

    Every decision is written down at once. ``dups.mark(decisions=path)`` follows them, and so
    does the argument ``decisions`` of the finder's step in a recipe.

    Parameters
    ----------
    dups : Duplicates
        What a finder of ``dm.dedup`` returned.
    decisions : path or DataFrame, optional
        A file of JSON lines or, if it is called so, Parquet, in which decisions are kept; those
        in it are gone on with. By default a file of its own for this frame and finder, in
        ``decisions`` in the work directory; a frame's decisions are taken into that.
    keep : {"first", "longest", "shortest"}, column name, or list of sources
        Which of a group of duplicates stays, as it will be given to ``mark``.
    df : DataFrame, optional
        Where the rows' texts are, for duplicates that were saved and loaded.

    Returns
    -------
    DuplicatesExplorer
        A widget, with the traits ``threshold``, ``selection`` and ``decisions``.

    Raises
    ------
    ValueError
        The decisions make no sense.
    ImportError
        The extra ``notebook`` is not installed.

    Examples
    --------
    >>> import tempfile, datamerge as dm
    >>> df = dm.read(["the cat sat on the mat", "the cat sat on the  red mat"], name="cats")
    >>> dups = dm.dedup.jaccard(df, threshold=0.8, floor=0.5, ngram=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     explorer = dm.explore.duplicates(dups, f"{folder}/decisions.jsonl")
    ...     explorer.threshold = 0.5
    ...     print(explorer)
    ...     explorer.selection = ["cats#1"]
    ...     explorer.decide("distinct", "cats#1", "cats#0")
    ...     print(open(explorer.path).read().strip())
    Duplicates at jaccard 0.5: 1 of 2 rows would go
    {"decision":"distinct","id":"cats#1","other":"cats#0"}
    """
    anywidget()
    from .pairs.widget import DuplicatesExplorer

    if not isinstance(dups, Duplicates):
        raise TypeError(f"duplicates are shown, not a {type(dups).__name__}: dm.dedup finds them")
    if decisions is None or isinstance(decisions, pd.DataFrame):
        path, more = place(dups), by_hand.read(decisions)
    else:
        path, more = Path(decisions).absolute(), ()
    made = by_hand.read(path if path.exists() else None)
    dups._find()
    for one in more:
        made = made if one in made else changed(made, one)
    if more:
        by_hand.write(path, made)
    return DuplicatesExplorer(dups, path, made, keep, df)


def place(dups: Duplicates) -> Path:
    """Where decisions about these duplicates are kept; ``workdir.clean`` leaves them alone."""
    made_of = [(search.frame, search.about["how"], search.about["text"])
               for _, search, _ in dups._layers]  # fmt: skip
    names = "-".join(dups.thresholds)
    return workdir.root() / "decisions" / f"{names}-{tokenize(made_of)[:12]}.jsonl"
