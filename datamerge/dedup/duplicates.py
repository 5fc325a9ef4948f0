"""What finders found, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
from dask.tokenize import tokenize

from .. import audit, workdir
from .._backend import like
from .._choices import one_of
from ..compute.memory import give_back
from .deciding import by_hand, lookup, marking, said, told
from .deciding import keep as keeping
from .deciding.clusters import Rule, decide
from .deciding.decision import Decision
from .deciding.keep import Keep
from .deciding.layers import Layers, stacked
from .evidence import Evidence, listing, saved
from .evidence.search import Finder, Layer, Saved, Search, moved, named


class Duplicates:
    """Duplicates in a frame: their scored pairs, found once, and decisions about them.

    Nothing is computed until something is asked of it. The pairs are kept in the work
    directory, down to ``floor``, so another threshold is a matter of :meth:`at`. ``a | b`` are
    the duplicates of both finders.
    """

    def __init__(self, df: Any, finder: Finder, threshold: float, *, against: Any = None):
        self._layers: list[Layer] = [(finder.how, Search(df, finder, against), threshold)]
        self._decided: dict[Any, Decision] = {}

    @classmethod
    def _of(cls, layers: Sequence[Layer]) -> Self:
        made = cls.__new__(cls)
        made._layers, made._decided = named(layers), {}
        return made

    def __or__(self, other: Duplicates) -> Duplicates:
        """Duplicates by any of these finders; the first that tells of a row has its witness."""
        if not isinstance(other, Duplicates):
            return NotImplemented
        if self._layers[0][1].frame != other._layers[0][1].frame:
            raise ValueError("duplicates found in different frames can't be combined")
        return Duplicates._of([*self._layers, *other._layers])

    def __repr__(self) -> str:
        if not all(search.done for _, search, _ in self._layers):
            return said.waiting(self._layers)
        return said.found(self._layers, self._stack, self._decide("first", "witness"))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """In a notebook: the explorer, once pairs are found; showing does not begin the search."""
        from ..explore.pairs.page import bundle

        return bundle(self)

    def _repr_html_(self) -> str:
        """Counts, scores and the largest clusters, for where no kernel runs."""
        from ..explore.pairs.page import page

        return str(page(self))

    @property
    def thresholds(self) -> dict[str, float]:
        """The threshold of each finder, by its name: a second one of a kind is ``semantic_2``."""
        return {name: threshold for name, _, threshold in self._layers}

    @property
    def threshold(self) -> float:
        """The threshold, where there is one finder."""
        return self._single("threshold")[2]

    @property
    def finder(self) -> Finder:
        """The finder, where there is one, and it was not saved."""
        search = self._single("finder")[1]
        if isinstance(search, Saved):
            raise AttributeError("saved duplicates know what was found, not the finder")
        return search.finder

    def _single(self, what: str) -> Layer:
        if len(self._layers) > 1:
            raise AttributeError(f"{len(self._layers)} finders have no one {what}: see .thresholds")
        return self._layers[0]

    @property
    def _evidence(self) -> Evidence:
        return self._single("evidence")[1].evidence

    def _find(self) -> None:
        for _, search, _ in self._layers:
            search.find()

    @cached_property
    def _stack(self) -> Layers:
        searches = [search for _, search, _ in self._layers]
        return stacked([s.evidence for s in searches], [s.rival for s in searches])

    @property
    def pairs(self) -> pd.DataFrame:
        """The evidence down to the floor, as columns ``id, other, score, how``.

        Rows with the same text are not paired with each other: each has one ``exact`` pair,
        with the first of them, which stands for all in the scored pairs. Where many thousand rows
        are nearly equal, their pairs are not listed either: each has one, with the first of
        them, though all of them count. With something compared ``against``, ``other`` is the
        row in it, and the column ``against`` says so.
        """
        return pa.concat_tables(listing.of_all(self._stack.found)).to_pandas()

    def histogram(self, bins: int = 50) -> pd.DataFrame:
        """How the scores of the listed pairs are spread: ``how, low, high, pairs``."""
        return pd.concat([listing.histogram(f, bins) for f in self._stack.found], ignore_index=True)

    def at(self, threshold: float | None = None, /, **thresholds: float) -> Self:
        """The same evidence under another threshold, at or above the floor.

        Examples
        --------
        >>> import datamerge as dm
        >>> df = dm.read(["the cat sat on the mat", "The cat sat on the  red mat"], name="cats")
        >>> words = dm.dedup.jaccard(df, threshold=0.8, floor=0.5, ngram=2)
        >>> len(words.decisions()), len(words.at(0.5).decisions())
        (0, 1)
        >>> len((dm.dedup.exact(df) | words).at(jaccard=0.5).decisions())
        1
        """
        other = self._of(moved(self._layers, threshold, thresholds))
        if "_stack" in self.__dict__:
            other.__dict__["_stack"] = self._stack
        return other

    def decisions(
        self, *, keep: Keep = "first", rule: Rule = "witness", decisions: by_hand.Given = None
    ) -> pd.DataFrame:
        """The rows that go: ``id``, ``source``, ``witness`` (the kept row), ``score``, ``how``.

        With something compared ``against``, a column of that name tells whether the witness is
        a row in it. For ``keep``, ``rule`` and ``decisions`` see :meth:`mark`.
        """
        decision = self._decide(keep, rule, by_hand.read(decisions))
        table = told.removals(self._stack, decision).to_pandas()
        hidden = ["layer"] if self._has_olds else ["layer", "against"]
        return table.drop(columns=hidden)

    @property
    def _has_olds(self) -> bool:
        return any(found.about["old"] for found in self._stack.found)

    def _decide(
        self, keep: Keep, rule: Rule, made: tuple[by_hand.Made, ...] = (), df: Any = None
    ) -> Decision:
        one_of("rule", rule, get_args(Rule))
        if made and rule == "components":
            raise ValueError("decisions are heeded by rule='witness' only")
        key = (keep if isinstance(keep, str) else tuple(keep), rule, made)
        if df is None and key in self._decided:
            return self._decided[key]
        if df is None and keeping.is_column(keep):
            df = self._target(None, keep)
        order = keeping.priority(self._stack, keep, df)
        fates = by_hand.fates(self._stack, made) if made else None
        thresholds = list(self.thresholds.values())
        decision = decide(self._stack, thresholds, order, rule=rule, fates=fates)
        if fates is not None:
            marking.warn_of_decisions(self._stack, decision, fates, len(made))
        if df is None:
            self._decided[key] = decision
        return decision

    def clusters(
        self,
        *,
        by: told.By = "size",
        keep: Keep = "first",
        rule: Rule = "witness",
        most: int | None = None,
        decisions: by_hand.Given = None,
    ) -> pd.DataFrame:
        """Each kept row with the rows that go because of it.

        Parameters
        ----------
        by : {"size", "score", "doubt"}
            The largest first, the most similar first, or those with the score that is nearest
            to the threshold first.
        keep, rule, decisions
            As for :meth:`mark`.
        most : int, optional
            Only so many clusters.

        Returns
        -------
        DataFrame
            ``cluster`` (its number), ``size`` (its rows), ``id``, ``source``, ``kept``, and for
            the rows that go ``score`` and ``how``. The kept row is the first of its cluster.

        Examples
        --------
        >>> import datamerge as dm
        >>> dups = dm.dedup.exact(dm.read(["a", "A", "b", "B", "b "], name="letters"))
        >>> dups.clusters()[["cluster", "size", "id", "kept"]].values.tolist()[:2]
        [[0, 3, 'letters#2', True], [0, 3, 'letters#3', False]]
        """
        one_of("by", by, get_args(told.By))
        decision = self._decide(keep, rule, by_hand.read(decisions))
        thresholds = np.array(list(self.thresholds.values()))
        return told.clusters(self._stack, decision, thresholds, by=by, most=most)

    def summary(
        self, *, keep: Keep = "first", rule: Rule = "witness", decisions: by_hand.Given = None
    ) -> pd.DataFrame:
        """Per source: live rows, rows that would go, and their share; none compared against."""
        return told.summary(self._stack, self._decide(keep, rule, by_hand.read(decisions)))

    def save(self, folder: str | Path) -> None:
        """Keep what was found in a folder of its own, for :func:`datamerge.dedup.load`.

        Examples
        --------
        >>> import tempfile, datamerge as dm
        >>> dups = dm.dedup.exact(dm.read(["a", "A"], name="letters"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dups.save(f"{folder}/found")
        ...     dm.dedup.load(f"{folder}/found").decisions()["id"].tolist()
        ['letters#1']
        """
        saved.save(Path(folder), self._layers)

    def mark(
        self,
        df: Any = None,
        *,
        keep: Keep = "first",
        rule: Rule = "witness",
        reason: str | None = None,
        decisions: by_hand.Given = None,
    ) -> Any:
        """Mark the rows that go, each with its witness; frame in, frame out.

        Parameters
        ----------
        df : Dask or pandas DataFrame, optional
            The frame to mark, by ``id``; the one the duplicates were found in by default. A
            pandas frame without ids has those of its index.
        keep : {"first", "longest", "shortest"}, column name, or list of sources
            Which of a group of duplicates stays: the first in its file, the one with the most
            or the fewest characters, the highest value of a column, or the one from the
            source named first. What is still equal is decided by id. Rows compared ``against``
            always stay.
        rule : {"witness", "components"}
            ``witness``: no two kept rows reach the threshold, and every removed row reaches it
            with a row that is kept. ``components``: one row a connected component stays.
        reason : str, optional
            The ``drop_reason``; the finder's name and ``_duplicate`` by default.
        decisions : path or DataFrame, optional
            What was decided by hand, as :func:`datamerge.explore.duplicates` writes it: JSON
            lines or Parquet with the columns ``decision``, ``id`` and ``other``. A row to
            ``keep`` stays whatever it duplicates, and comes before all others; one to ``remove``
            goes, with ``by hand`` as its detail, and is nobody's witness; two that are
            ``distinct`` are no pair, even if they say the same. All other rows are decided by
            the rule ``witness``, which still holds for them.

        Warns
        -----
        DuplicatesWarning
            More than a third of a source would go; or a decision is about a row of which no
            duplicate was found, or two rows to ``keep`` are duplicates of each other.

        Raises
        ------
        ValueError
            A decision makes no sense, or contradicts another one.
        """
        made = by_hand.read(decisions)
        target = self._target(df, keep)
        own = keeping.is_column(keep) and keep in target.columns
        decision = self._decide(keep, rule, made, target if own else None)
        marking.warn(self._layers, self._stack, decision)
        chosen = {"keep": keep, "rule": rule}
        made_of = [(search.key, threshold) for _, search, threshold in self._layers]
        of = [*made_of, made] if made else made_of
        frame = _name(target) if own else None
        path = workdir.place("pairs", "decisions", of, chosen, frame).with_suffix(".arrow")
        lookup.save(path, told.in_blocks(self._stack, decision))
        self._stack.let_go()
        give_back()
        if made:
            chosen["decisions"] = by_hand.called(decisions, made)
        marked = audit.apply(target, marking.step(self._layers, path, chosen, reason, target))
        return like(marked, self._layers[0][1].given if df is None else df)

    def _target(self, df: Any, keep: Keep) -> Any:
        """The frame to mark; a frame that has been written down is read from there."""
        return marking.target(self._layers, df, keep)


def load(folder: str | Path) -> Duplicates:
    """Duplicates that :meth:`Duplicates.save` has kept.

    Parameters
    ----------
    folder : str or path
        Where they are. Nothing in it is unpickled.

    Returns
    -------
    Duplicates
        Without a frame: ``mark`` needs to be given one, and so does ``keep`` by a column.

    Raises
    ------
    ValueError
        The folder holds something else, or is damaged.
    """
    return Duplicates._of(saved.load(Path(folder)))


def _name(df: Any) -> str:
    return str(df._name) if hasattr(df, "_name") else str(tokenize(df))
