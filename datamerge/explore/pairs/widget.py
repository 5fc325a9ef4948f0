"""The explorer of duplicates as a widget: its state, and what Python can do with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ...dedup.deciding import by_hand
from ...dedup.deciding.by_hand import Made, Verdict
from ...dedup.deciding.keep import Keep
from ...dedup.duplicates import Duplicates
from ..widgets.questions import Questions
from ..widgets.selection import Selection
from ..widgets.source import source
from .answers import Answers
from .counts import named
from .made import Written, changed, taken, told
from .texts import Texts
from .view import View


class DuplicatesExplorer(anywidget.AnyWidget):
    """Duplicates to look at and to decide about, as `datamerge.explore.duplicates` shows them.

    Attributes
    ----------
    threshold : float
        That of ``finder``; assign another to move the slider. A trait.
    finder : str
        Which finder's threshold it is, where several were combined. A trait.
    selection : tuple of ids
        The rows of the cluster that is open, the kept one first; assign ids, or a Series, an
        Index or a frame of rows, to open the cluster of the first that is in one. A trait.
    decisions : tuple of (decision, id, other)
        What was decided by hand; ``other`` is None but for ``distinct``. A trait.
    path : Path
        Where decisions are written, each at once; may be assigned.
    """

    _esm = source(
        "pairs", "latest.js", "chart.js", "threshold.js", "pair.js", "list.js", "walk.js",
        "made.js", "duplicates.js",
    )  # fmt: skip
    _css = source("pairs", "duplicates.css")

    _about = traitlets.Dict().tag(sync=True)
    _changed = traitlets.Int(0).tag(sync=True)  # decisions are other ones
    _moves = traitlets.Int(0).tag(sync=True)  # a threshold is another one
    _open = traitlets.Int(-1).tag(sync=True)  # the row that stays of the cluster that is open
    _path = traitlets.Unicode().tag(sync=True)
    threshold = traitlets.Float().tag(sync=True)
    finder = traitlets.Unicode().tag(sync=True)
    selection = Selection()
    decisions = traitlets.Tuple()

    def __init__(
        self, dups: Duplicates, path: Path, made: tuple[Made, ...], keep: Keep, df: Any
    ) -> None:
        self._dups, self._keep = dups, keep
        self._view, self._written = View(dups, made, keep), Written(path, made)
        self._shown: tuple[Any, ...] = ()  # a cluster about to be selected
        self._head = -1
        self._questions = self._answered(Answers(self), Texts(dups, df))
        finder = next((n for n in self._view.names if self._view.floors[n] < 1), "")
        finder = finder or self._view.names[0]
        super().__init__(
            _about=self._view.about() | {"first": self._view.counts()}, finder=finder,
            threshold=self._view.thresholds[finder], decisions=told(made),
            _path=named(str(path), 300),
        )  # fmt: skip
        self.on_msg(self._questions.asked)

    def _answered(self, answers: Answers, texts: Texts) -> Questions:
        names = ("counts", "clusters", "cluster", "decide", "undo", "decisions")
        quick = {name: getattr(answers, name) for name in names}
        slow = {"texts": texts.beginnings, "pair": texts.pair}
        return Questions(lambda answer: self.send(answer), quick, slow)

    def __repr__(self) -> str:
        at = ", ".join(f"{name} {value:g}" for name, value in self._view.thresholds.items())
        counts = self._view.counts()
        hand = f", {len(self.decisions):,} decided by hand" if self.decisions else ""
        return (
            f"Duplicates at {at}: {counts['removed']:,} of {counts['live']:,} rows would go{hand}"
        )

    @property
    def path(self) -> Path:
        """Where decisions are written."""
        return self._written.path

    @path.setter
    def path(self, path: str | Path) -> None:
        self._written.move(Path(path).absolute())
        self._path = named(str(self.path), 300)

    @property
    def duplicates(self) -> Duplicates:
        """The duplicates at the thresholds chosen here."""
        return self._dups.at(**self._view.thresholds)

    def mark(self, df: Any = None, **options: Any) -> Any:
        """Mark the rows that go at these thresholds, by these decisions; frame in, frame out.

        As :meth:`datamerge.dedup.Duplicates.mark`, with the ``keep`` that the explorer was given.
        """
        decisions = self.path if self._view.made else None
        return self.duplicates.mark(df, **{"keep": self._keep, "decisions": decisions} | options)

    def decide(self, decision: Verdict, row: Any, other: Any = None) -> None:
        """Decide about a row, or ``distinct`` about a pair; the same again takes it back."""
        record = {"decision": decision, "id": row, "other": other}
        (one,) = by_hand.checked([record], "decide")
        self._decide(changed(self._view.made, one))

    def undo(self) -> None:
        """Take the last change of decisions back."""
        self._undo()

    def close(self) -> None:
        """Let go of the thread that reads."""
        self._questions.close()
        super().close()

    # ---- threshold -------------------------------------------------------------------------

    @traitlets.validate("threshold")
    def _within_bounds(self, proposal: dict[str, Any]) -> float:
        floor = self._view.floors[self.finder]
        value = proposal["value"]
        return min(max(value, floor), 1.0) if value == value else self.threshold

    @traitlets.validate("finder")
    def _known_finder(self, proposal: dict[str, Any]) -> str:
        if proposal["value"] not in self._view.names:
            known = ", ".join(self._view.names)
            raise traitlets.TraitError(f"no finder {proposal['value']!r}; there are {known}")
        return str(proposal["value"])

    @traitlets.observe("finder")
    def _other_finder(self, _: Any) -> None:
        self.threshold = self._view.thresholds[self.finder]

    @traitlets.observe("threshold")
    def _moved(self, change: dict[str, Any]) -> None:
        if self._view.thresholds[self.finder] != change["new"]:
            self._view.move(self.finder, change["new"])
            self._moves += 1

    # ---- selection -------------------------------------------------------------------------

    def _show(self, cluster: int) -> None:
        """Select a cluster of those listed."""
        self._head, self._shown = int(self._view.listed.heads[cluster]), self._view.ids_of(cluster)
        try:
            self.selection = self._shown
        finally:
            self._shown = ()

    @traitlets.validate("selection")
    def _as_cluster(self, proposal: dict[str, Any]) -> tuple[Any, ...]:
        wanted: tuple[Any, ...] = proposal["value"]
        if wanted and wanted == self._shown:
            return wanted
        try:
            cluster = self._view.cluster_with(wanted) if wanted else None
        except LookupError as error:
            raise traitlets.TraitError(str(error)) from None
        self._head = -1 if cluster is None else int(self._view.listed.heads[cluster])
        return () if cluster is None else self._view.ids_of(cluster)

    @traitlets.observe("selection")
    def _opened(self, _: Any) -> None:
        self._open = self._head

    # ---- decisions -------------------------------------------------------------------------

    @traitlets.validate("decisions")
    def _as_decisions(self, proposal: dict[str, Any]) -> tuple[Any, ...]:
        try:
            return told(taken(proposal["value"]))
        except (TypeError, ValueError) as error:
            raise traitlets.TraitError(str(error)) from None

    @traitlets.observe("decisions")
    def _decided(self, change: dict[str, Any]) -> None:
        made = taken(change["new"])
        if set(made) == set(self._view.made):
            return
        try:
            self._decide(made)
        except OSError:
            self.decisions = told(self._view.made)
            raise

    def _decide(self, made: tuple[Made, ...]) -> None:
        self._written.decide(made)
        self._follow()

    def _undo(self) -> bool:
        done = self._written.undo()
        if done:
            self._follow()
        return done

    def _follow(self) -> None:
        """Be as decisions are that were written."""
        self._view.decide(self._written.made)
        self.decisions = told(self._written.made)
        self._changed += 1
