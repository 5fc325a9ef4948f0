"""Look at rows: a reproducible sample, as bubbles in a notebook and as text in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from .._choices import names
from .bubbles.article import article
from .bubbles.entry import ID, entry, records
from .frames.gather import columns, empty, gather
from .frames.sample import Draw, Where, mask, without_key
from .html.escape import Markup, short, unmarked
from .html.markup import MOST_BYTES, folded, heading, root, static, tag

SHOWN = 200  # rows in the page; more can be drawn, and are in ``rows``
PAGE = 10  # rows that stand open where no script runs; the script turns pages of as many
ROW_BYTES = 60_000
STAYS = "stays"


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
    known = columns(df)
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


def page(rows: pd.DataFrame) -> str:
    """Rows as one piece of HTML, smaller than a megabyte whatever they hold."""
    shown = rows.head(SHOWN)
    articles = list(articles_of(shown))
    first, rest = articles[:PAGE], articles[PAGE:]
    body: list[Markup] = [*first]
    if rest:
        body.append(folded(f"{len(rest):,} more rows", *rest, class_="dm-rest"))
    label = f"Preview of {len(rows):,} rows" if len(rows) != 1 else "Preview of 1 row"
    told = heading(label, level=3)
    left_out = None
    if len(rows) > len(shown):
        left_out = tag("p", f"{len(rows) - len(shown):,} more are in .rows", class_="dm-note")
    if not len(rows):
        body = [tag("p", "No row is as asked for.", class_="dm-note")]
    listed = tag("div", *body, class_="dm-rows")
    script = static("bubbles", "preview.js")
    return root(told, listed, left_out, kind="preview", label=label, script=script)


def articles_of(rows: pd.DataFrame) -> Iterator[Markup]:
    """Each row as an article; between them they stay under the limit."""
    found = records(rows)
    sources = numbered(record.get("source") for record in found)
    reasons = numbered(record.get("drop_reason") for record in found)
    each = min(ROW_BYTES, (MOST_BYTES - 100_000) // max(len(found), 1))
    for record in found:
        yield article(record, each, sources, reasons)


def numbered(values: Iterable[Any]) -> dict[str, int]:
    """Each name with a number to filter by; 0 is for rows without one."""
    found: dict[str, int] = {}
    for value in values:
        if value is not None and not pd.isna(value):
            found.setdefault(str(value), len(found) + 1)
    return found


def lines(rows: pd.DataFrame) -> Iterator[str]:
    """Rows as text for a terminal."""
    for number, row in enumerate(records(rows)):
        shown = entry(row, 600)
        yield _one_line(shown["id"] or f"row {number}", ID)
        if shown["reason"]:
            yield f"  removed: {_one_line(shown['reason'], 80)}: {_one_line(shown['detail'], 200)}"
        for turn in shown["turns"]:
            yield f"  {_one_line(turn['role'], 20)}: {_one_line(_joined(turn), 200)}"
        if shown["skipped"]:
            yield f"  … {shown['skipped']:,} more turns"
        if shown["document"] is not None:
            yield f"  {_one_line(_joined({'pieces': shown['document'], 'calls': []}), 300)}"


def _joined(turn: Mapping[str, Any]) -> str:
    apart = {"code": "\n", "hidden": " … "}
    said = "".join(apart.get(piece.kind, "") + piece.text for piece in turn["pieces"])
    return " ".join([said, *(f"[calls {call['name']}]" for call in turn["calls"])]).strip()


def _one_line(text: str | None, most: int) -> str:
    return short(unmarked(" ".join((text or "").split())), most)
