"""Statistics of a frame: how many rows, from where, how long, in which language, saying what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .._backend import as_pandas
from .frames.gather import columns, gather
from .summary.page import lines, page
from .summary.sketch import Lengths
from .summary.sums import READ, Source, Summary, merge, summarise
from .summary.words import top


def stats(df: Any) -> Stats:
    """Sum a frame up in one pass.

    Each partition is summed up where it lies, and the sums are added: the frame itself is never
    in one place, and the outcome does not depend on the partitions.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Rows as :func:`datamerge.read` gives them; of a frame from elsewhere the column ``text``
        or ``messages`` is enough. Columns that steps have added are used where they are there:
        ``tokens`` (otherwise words and characters are counted), ``language``, ``drop_reason``.

    Returns
    -------
    Stats
        Shows itself in a notebook and in a terminal; :meth:`Stats.to_dict` gives the numbers.

    Notes
    -----
    Rows, totals, means and extremes are exact, medians and other quantiles within 1.6%. Words and
    phrases are counted in up to 200 live rows of a source (up to 50 sources), drawn by their
    ids, and in the first 4,000 characters of each; ``texts_read`` says in how many.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read(["Rain again.", "Sun.", "Wind and rain."], name="notes")
    >>> dm.explore.stats(df)
    3 rows: 3 live, 0 removed
    source  rows  live  removed  words  median
    ------  ----  ----  -------  -----  ------
    notes      3     3        0      6       2
    """
    known, df = columns(df), as_pandas(df)
    return Stats(gather(df[[name for name in READ if name in known]], summarise, merge))


class Stats:
    """What :func:`stats` found; shows itself in notebooks and terminals."""

    def __init__(self, summary: Summary):
        self._summary = summary

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and names, ready for JSON.

        Returns
        -------
        dict
            ``total`` and ``sources.NAME``, each with ``rows``, ``live``, ``removed`` (rows by
            reason), ``languages`` (rows, where known) and ``lengths`` (by ``tokens`` or
            ``words``, ``characters``, ``turns``: ``rows``, ``total``, ``mean``, ``min``, ``p5``,
            ``median``, ``p95``, ``max``); a source also with ``words``, ``phrases`` (pairs with
            the number of texts they are in) and ``texts_read``. ``kinds`` counts chats and
            documents, ``roles`` turns.
        """
        summary = self._summary
        return {
            "total": _entry(Source.merged(summary.sources.values())),
            "kinds": _ordered(summary.kinds),
            "roles": _ordered(summary.roles),
            "sources": {
                name: _entry(source) | _words(summary, name)
                for name, source in summary.sources.items()
            },
        }

    def _repr_html_(self) -> str:
        total = Source.merged(self._summary.sources.values())
        return page(self.to_dict(), total)

    def __repr__(self) -> str:
        return "\n".join(lines(self.to_dict()))


def _entry(source: Source) -> dict[str, Any]:
    reasons = Counter(source.reasons)
    made: dict[str, Any] = {
        "rows": reasons.total(),
        "live": reasons.pop("", 0),
        "removed": _ordered(reasons),
        "lengths": {
            measure: _both(source, measure).to_dict()
            for measure in dict.fromkeys(measure for measure, _ in source.lengths)
        },
    }
    return made | ({"languages": _ordered(source.languages)} if source.languages else {})


def _both(source: Source, measure: str) -> Lengths:
    return Lengths.merged(found for (name, _), found in source.lengths.items() if name == measure)


def _words(summary: Summary, name: str) -> dict[str, Any]:
    drawn = summary.texts.get(name, [])
    return {"texts_read": len(drawn), **top(text for _, text in drawn)}


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
