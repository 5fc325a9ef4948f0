"""Look at rows: a reproducible sample, as bubbles in a notebook and as text in a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import pandas as pd

from .._backend import as_pandas
from .._choices import names
from .bubbles.page import lines, page
from .frames.gather import columns, empty, gather
from .frames.sample import Draw, Where, mask, without_key


def preview(
    df: Any,
    n: int = 20,
    *,
    where: Where | None = None,
    seed: int = 0,
    search: str | None = None,
    source: str | Iterable[str] | None = None,
    reason: str | Iterable[str] | None = None,
) -> Preview:
    """Draw rows and show them: chats as bubbles, removed rows with what removed them.

    Rows are drawn when they are first shown, in one pass in which each partition gives at most
    ``n`` rows. A row is drawn by a hash of its id and the seed, so the same rows are drawn
    however the frame is partitioned. (Without a column ``id``, by a hash of what it says.)

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Rows as :func:`datamerge.read` gives them; of a frame from elsewhere the column ``text``
        or ``messages`` is enough.
    n : int
        How many rows to draw. A page shows the first 200; all are in ``rows``.
    where : str or callable, optional
        Only rows for which this holds: a query as in ``DataFrame.query``
        (``"tokens > 500 and source == 'web'"``), or a function from a partition (a pandas
        DataFrame) to a boolean for each of its rows. Missing values are no.
    seed : int
        Another seed draws other rows.
    search : str, optional
        Only rows that say this, in any case, or whose ``drop_detail`` does.
    source, reason : str or list of str, optional
        Only rows of these sources; only rows removed for these reasons.

    Returns
    -------
    Preview
        Shows itself in a notebook and in a terminal.

    Raises
    ------
    ValueError
        The frame lacks a column that is asked for, ``where`` gives something other than a
        boolean a row, or ``n`` is less than 1.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read([{"prompt": "2 + 2?", "completion": "4"}], name="sums")
    >>> dm.explore.preview(df)
    sums#0
      user: 2 + 2?
      assistant: 4
    """
    known, df = columns(df), as_pandas(df)
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"n={n!r} must be a whole number, at least 1")
    chosen = {"source": source, "drop_reason": reason}
    for column, given in chosen.items():
        if given is not None and column not in known:
            raise ValueError(f"the frame has no column {column!r}; it has {', '.join(known)}")
    if where is not None:
        mask(empty(df), where)  # what is wrong with it shows before any work
    draw = Draw(
        n,
        int(seed),
        where,
        search or None,
        None if source is None else names("source", source),
        None if reason is None else names("reason", reason),
    )
    return Preview(df, draw)


class Preview:
    """Rows drawn from a frame; shows itself in notebooks and terminals.

    Attributes
    ----------
    rows : pandas DataFrame
        The rows drawn, whole, with all columns. Drawn when first asked for.
    """

    def __init__(self, df: Any, draw: Draw):
        self._df = df
        self._draw = draw

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows drawn, in the order they were drawn."""
        return without_key(gather(self._df, self._draw, self._draw.merge))

    def _repr_html_(self) -> str:
        return page(self.rows)

    def __repr__(self) -> str:
        return "\n".join(lines(self.rows)) or "no rows"
