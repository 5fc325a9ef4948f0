"""What a finder found, and what to do about it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from dask.tokenize import tokenize

from .. import audit, workdir
from . import evidence
from .against import identity
from .clusters import Decision, Rule, decide
from .exact import Exact
from .keep import Keep, priority
from .lookup import Marker, save
from .semantic import Semantic
from .sets import Jaccard, MinHash

MUCH = 1 / 3

Finder = Exact | Semantic | Jaccard | MinHash


class DuplicatesWarning(UserWarning):
    """A step would remove so much of a source that its threshold may be wrong."""


class Duplicates:
    """Duplicates in a frame: their scored pairs, found once, and decisions about them.

    Nothing is computed until something is asked of it. The pairs are kept in the work
    directory, down to ``floor``, so another threshold is a matter of :meth:`at`.
    """

    def __init__(self, df: Any, finder: Finder, threshold: float, *, against: Any = None):
        self.finder, self.threshold = finder, threshold
        self._against = against
        self._df = df
        self._name = df._name if hasattr(df, "_name") else tokenize(df)
        self._kept: Any = None

    def __repr__(self) -> str:
        state = "found" if evidence.exists(self._folder) else "not computed yet"
        return (
            f"<Duplicates: {self.finder.how}, text={self.finder.text!r}, "
            f"threshold={self.threshold:g}, floor={self.finder.floor:g}, {state}>"
        )

    @property
    def _folder(self) -> Path:
        against = () if self._against is None else (identity(self._against),)
        return workdir.place("pairs", self._name, self.finder, *against)

    @property
    def _evidence(self) -> evidence.Evidence:
        self._find()
        return evidence.load(str(self._folder))

    def _find(self) -> None:
        if not evidence.exists(self._folder):
            self._kept = self.finder.find(self._df, self._folder, self._against)

    @property
    def pairs(self) -> pd.DataFrame:
        """The evidence down to the floor, as columns ``id, other, score, how``.

        Rows with the same text are not paired with each other: each has one ``exact`` pair,
        with the first of them, which stands for all in the scored pairs.
        """
        return self._evidence.table().to_pandas()

    def at(self, threshold: float) -> Duplicates:
        """The same evidence under another threshold, at or above the floor."""
        if not self.finder.floor <= threshold <= 1:
            raise ValueError(
                f"threshold={threshold} is outside [{self.finder.floor:g}, 1]: pairs were kept "
                "down to the floor; find them again with a lower floor="
            )
        other = Duplicates(self._df, self.finder, threshold, against=self._against)
        other._kept = self._kept
        return other

    def decisions(self, *, keep: Keep = "first", rule: Rule = "witness") -> pd.DataFrame:
        """The rows that go: ``id``, ``source``, ``witness`` (the kept row), ``score``, ``how``."""
        found = self._evidence
        decision = self._decide(keep, rule)
        gone = decision.removed
        witness = decision.witness[gone]
        same = found.same[gone] == found.same[witness]
        return pd.DataFrame(
            {
                "id": found.id.take(pa.array(gone)).to_pandas(),
                "source": found.source.take(pa.array(gone)).to_pandas(),
                "witness": found.id.take(pa.array(witness)).to_pandas(),
                "score": decision.score[gone],
                "how": np.where(same, found.how_same, self.finder.how),
            }
        )

    def _decide(self, keep: Keep, rule: Rule) -> Decision:
        found = self._evidence
        left, right, score = found.at_least(self.threshold)
        order = priority(found, keep, self._df)
        return decide(found.same, left, right, score, order, rule=rule)

    def summary(self, *, keep: Keep = "first", rule: Rule = "witness") -> pd.DataFrame:
        """Per source: live rows, rows that would go, and their share."""
        gone = self.decisions(keep=keep, rule=rule)["source"].value_counts()
        alive = pd.Series(self._evidence.about["alive"], dtype="int64")
        removed = gone.reindex(alive.index).fillna(0).astype("int64")
        return pd.DataFrame({"live": alive, "removed": removed, "share": removed / alive})

    def mark(
        self,
        df: Any = None,
        *,
        keep: Keep = "first",
        rule: Rule = "witness",
        reason: str | None = None,
    ) -> Any:
        """Mark the rows that go, each with its witness; frame in, frame out.

        Parameters
        ----------
        df : Dask or pandas DataFrame, optional
            The frame to mark, by ``id``; the one the duplicates were found in by default.
        keep : {"first", "longest", "shortest"}, column name, or list of sources
            Which of a group of duplicates stays: the first in its file, the one with the most
            or the fewest characters, the highest value of a column, or the one from the
            source named first. What is still equal is decided by id.
        rule : {"witness", "components"}
            ``witness``: no two kept rows reach the threshold, and every removed row reaches it
            with a row that is kept. ``components``: one row a connected component stays.
        reason : str, optional
            The ``drop_reason``; the finder's name and ``_duplicate`` by default.

        Warns
        -----
        DuplicatesWarning
            More than a third of a source would go.
        """
        table = self.decisions(keep=keep, rule=rule)
        self._warn(table)
        path = self._folder / f"decisions-{tokenize(self.threshold, keep, rule)}.arrow"
        save(path, table)
        how = self.finder.how
        chosen: dict[str, Any] = {"keep": keep, "rule": rule}
        arguments = self.finder.arguments(self.threshold) | {
            k: v for k, v in chosen.items() if v != _DEFAULTS[k]
        }
        reason = audit.unused(reason or f"{how}_duplicate", df if df is not None else self._df)
        step = audit.Step(
            f"dedup.{how}",
            Marker(str(path), reason, self.finder.word),
            arguments,
            reason,
            is_lookup=True,
            witness=str(self._folder),
        )
        return audit.apply(self._target(df), step)

    def _target(self, df: Any) -> Any:
        """The frame to mark; a frame that has been written down is read from there."""
        if df is not None and getattr(df, "_name", None) != self._name:
            return df
        if isinstance(self._df, pd.DataFrame):
            return self._df if df is None else df
        if self._kept is None:
            from ..checkpoint import keep

            self._kept = keep(self._df)
        return self._kept

    def _warn(self, table: pd.DataFrame) -> None:
        gone = table["source"].value_counts()
        for source, rows in self._evidence.about["alive"].items():
            removed = int(gone.get(source, 0))
            if removed > MUCH * rows and removed > 10:
                warnings.warn(
                    f"dedup.{self.finder.how} would remove {removed:,} of {rows:,} live rows of "
                    f"source {source!r}. Look before you cut; doubtful pairs: "
                    + _doubtful(table[table["source"] == source]),
                    DuplicatesWarning,
                    stacklevel=3,
                )


_DEFAULTS = {"keep": "first", "rule": "witness"}


def _doubtful(table: pd.DataFrame, most: int = 3) -> str:
    """The removed rows with the least similar witnesses."""
    worst = table.sort_values(["score", "id"], kind="stable").head(most)
    return ", ".join(f"{r.id} ~ {r.witness} ({r.score:.3f})" for r in worst.itertuples())
