"""The ledger as one reads it at a glance: what came in, what left where and why, what stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from .. import audit
from .._backend import as_pandas
from ..audit import REASON
from ..write.ledger import Tally, ledger_of
from ..write.parts import tally_of
from .flow import run
from .flow.page import Examples, page
from .frames.gather import columns, gather
from .frames.sample import Draw, without_key


def ledger(of: Any) -> Ledger:
    """Show what became of every row: as a flow, as a table, with examples of what left.

    Parameters
    ----------
    of : Tally, str or path, Dask or pandas DataFrame
        What :func:`datamerge.write` returned; the folder it wrote; or a frame, which is then
        read once, without writing anything.

    Returns
    -------
    Ledger
        Shows itself in a notebook and in a terminal; ``tally`` holds the numbers. Examples of a
        run's removed rows are read from its folder when they are shown.

    Raises
    ------
    FileNotFoundError
        The folder holds no ``ledger.json``.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read(["Rain again.", "Rain again."], name="notes")
    >>> df = dm.dedup.exact(df).mark()
    >>> dm.explore.ledger(df)
    source  read  kept  malformed  exact_duplicate
    ------  ----  ----  ---------  ---------------
    notes      2     1          0                1
    ------  ----  ----  ---------  ---------------
    total      2     1          0                1
    """
    if isinstance(of, Tally):
        return Ledger(of)
    if isinstance(of, str | Path):
        return Ledger(run.tally(str(of)))
    return _of_frame(of)


@dataclass(frozen=True)
class Ledger:
    """The account of a run or of a frame; shows itself in notebooks and terminals.

    Attributes
    ----------
    tally : Tally
        The numbers.
    """

    tally: Tally
    _examples: Examples | None = field(default=None, repr=False)

    def _repr_html_(self) -> str:
        return page(self.tally, self._examples)

    def __repr__(self) -> str:
        return str(self.tally)


def _of_frame(df: Any) -> Ledger:
    known, df = columns(df), as_pandas(df)
    if missing := [name for name in ("id", "source", REASON) if name not in known]:
        raise ValueError(f"the frame lacks {', '.join(missing)}; make it with datamerge.read")
    tallies, examples = gather(df, _summarise, _merge)
    tally = ledger_of(tallies, audit.lineage(df), audit.sources(df), path="")
    return Ledger(tally, {reason: without_key(rows) for reason, rows in examples.items()})


Summary = tuple[list[dict[str, Any]], Examples]


def _summarise(part: pd.DataFrame) -> Summary:
    reasons = part[REASON].dropna().unique()
    drawn = {str(reason): _draw(str(reason))(part) for reason in reasons}
    return [tally_of(part)], drawn


def _merge(summaries: list[Summary]) -> Summary:
    drawn: dict[str, list[pd.DataFrame]] = {}
    for _, examples in summaries:
        for reason, rows in examples.items():
            drawn.setdefault(reason, []).append(rows)
    merged = {reason: _draw(reason).merge(rows) for reason, rows in sorted(drawn.items())}
    return [tally for tallies, _ in summaries for tally in tallies], merged


def _draw(reason: str) -> Draw:
    return Draw(run.EACH, 0, reasons=(reason,))
