"""The explorer of duplicates as a widget: its state, and its answers to what the page asks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeGuard

import anywidget
import traitlets

from ..dedup.deciding import by_hand
from ..dedup.deciding.by_hand import Made, Verdict
from ..dedup.deciding.keep import Keep
from ..dedup.duplicates import Duplicates
from ._widget import source
from .duplicates_rows import Rows
from .duplicates_view import Listed, View, changed, named
from .duplicates_words import alone, beside, excerpt

CLUSTERS = 25  # told at a time
MEMBERS = 25
DECISIONS = 50
ORDERS = ("size", "score", "doubt")
_UNDONE = 1_000  # decisions that can be taken back


class DuplicatesExplorer(anywidget.AnyWidget):
    """Duplicates to look at and to decide about, as `datamerge.explore.duplicates` shows them.

    Attributes
    ----------
    threshold : float
        That of ``finder``; assign another to move the slider. A trait.
    finder : str
        Which finder's threshold it is, where several were combined. A trait.
    selection : tuple of ids
        The rows of the cluster that is open, the kept one first; assign the id of a row to open
        its cluster. A trait.
    decisions : tuple of (decision, id, other)
        What was decided by hand; ``other`` is None but for ``distinct``. A trait.
    path : Path
        Where decisions are written, each at once; may be assigned.
    """

    _esm = source(
        "duplicates.chart.js", "duplicates.pair.js", "duplicates.list.js", "duplicates.js"
    )
    _css = source("duplicates.css")

    _about = traitlets.Dict().tag(sync=True)
    _changed = traitlets.Int(0).tag(sync=True)  # decisions are other ones
    _picked = traitlets.Int(0).tag(sync=True)  # another cluster was opened from Python
    _mover = traitlets.Unicode().tag(sync=True)  # the view that moved the threshold, if one did
    _path = traitlets.Unicode().tag(sync=True)
    threshold = traitlets.Float().tag(sync=True)
    finder = traitlets.Unicode().tag(sync=True)
    selection = traitlets.Tuple()
    decisions = traitlets.Tuple()

    def __init__(
        self, dups: Duplicates, path: Path, made: tuple[Made, ...], keep: Keep, df: Any
    ) -> None:
        self._dups, self._keep = dups, keep
        self._view = View(dups, made, keep)
        self._rows: Rows | None = None
        self._df = df
        self._by = "size"
        self._by_page = False
        self._asking = threading.local()  # whose question this thread is answering
        self._listed: Listed | None = None
        self._undone: list[tuple[Made, ...]] = []
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="datamerge-look")
        finder = next((n for n in self._view.names if self._view.floors[n] < 1), "")
        finder = finder or self._view.names[0]
        about = self._view.about() | {"first": self._view.counts()}
        self._path_held, self._stamp = path, _stamp(path)
        super().__init__(
            _about=about, _path=named(str(path), 300), finder=finder,
            threshold=self._view.thresholds[finder], decisions=_told(made),
        )  # fmt: skip
        self.on_msg(self._asked)

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {value:g}" for name, value in self._view.thresholds.items())
        counts = self._view.counts()
        hand = f", {len(self.decisions):,} decided by hand" if self.decisions else ""
        return (
            f"Duplicates at {told}: {counts['removed']:,} of {counts['live']:,} rows would go{hand}"
        )

    @property
    def path(self) -> Path:
        """Where decisions are written."""
        return self._path_held

    @path.setter
    def path(self, path: str | Path) -> None:
        path = Path(path).absolute()
        if path.exists() and path != self._path_held:
            raise FileExistsError(
                f"{path} is there: explore.duplicates(dups, path) goes on with it"
            )
        by_hand.write(path, self._view.made)
        self._path_held, self._stamp = path, _stamp(path)
        self._path = named(str(path), 300)

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
        if self._undone:
            self._set(self._undone.pop())

    # ---- traits ----------------------------------------------------------------------------

    @traitlets.validate("threshold")
    def _within_bounds(self, proposal: dict[str, Any]) -> float:
        self._mover = getattr(self._asking, "name", "")  # before the page hears of the threshold
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
            self._listed = None

    @traitlets.validate("selection")
    def _as_cluster(self, proposal: dict[str, Any]) -> tuple[Any, ...]:
        wanted = tuple(proposal["value"])
        if not wanted or wanted == self.selection or self._by_page:
            return wanted
        row = self._view.row_of(wanted[0])
        if row is None:
            raise traitlets.TraitError(f"nothing was found of a row with the id {wanted[0]!r}")
        cluster = self._clusters().cluster_of(row)
        return self._ids(cluster) if cluster is not None else ()

    @traitlets.observe("selection")
    def _opened(self, _: Any) -> None:
        if not self._by_page:
            self._picked += 1

    @traitlets.validate("decisions")
    def _as_decisions(self, proposal: dict[str, Any]) -> tuple[Any, ...]:
        return _told(self._made(proposal["value"]))

    @traitlets.observe("decisions")
    def _decided(self, change: dict[str, Any]) -> None:
        made = self._made(change["new"])
        if set(made) == set(self._view.made):
            return
        try:
            self._decide(made)
        except OSError:
            self.decisions = _told(self._view.made)
            raise

    def _made(self, given: Iterable[Any]) -> tuple[Made, ...]:
        try:
            records = [dict(zip(by_hand.COLUMNS, one, strict=False)) for one in given]
            return by_hand.checked(records, "decisions")
        except (TypeError, ValueError) as error:
            raise traitlets.TraitError(str(error)) from None

    def _decide(self, made: tuple[Made, ...]) -> None:
        before = self._view.made
        self._set(made)
        self._undone = [*self._undone, before][-_UNDONE:]

    def _set(self, made: tuple[Made, ...]) -> None:
        """Write decisions down first: what can't be written has not been decided."""
        if _stamp(self.path) != self._stamp:
            raise OSError(f"{self.path} was changed by someone else: open the explorer again")
        by_hand.write(self.path, made)
        self._stamp = _stamp(self.path)
        self._view.decide(made)
        self.decisions = _told(made)
        self._changed += 1

    # ---- questions -------------------------------------------------------------------------

    def _asked(self, _: Any, question: Any, buffers: Any) -> None:
        """Answer a question to the one view that asked it."""
        answers: dict[str, Callable[[Any], dict[str, Any]]] = {
            "counts": self._counts,
            "clusters": self._page,
            "cluster": self._cluster,
            "decide": self._judge,
            "undo": self._undo,
            "decisions": self._decisions,
        }
        slow: dict[str, Callable[[Any], dict[str, Any]]] = {
            "texts": self._texts,
            "pair": self._pair,
        }
        if not isinstance(question, dict):
            return
        ask, about = str(question.get("ask")), question.get("about")
        about = about if isinstance(about, dict) else {}
        address = {"to": question.get("from"), "number": question.get("number")}
        if ask in answers:
            self._asking.name = str(address["to"])[:40]
            self._answer(address, lambda: answers[ask](about))
            self._asking.name = ""
        elif ask in slow:
            self._later(address, lambda: slow[ask](about))

    def _answer(self, address: dict[str, Any], work: Callable[[], dict[str, Any]]) -> None:
        self.send({**_tried(work), **address})

    def _later(self, address: dict[str, Any], work: Callable[[], dict[str, Any]]) -> None:
        """Answer when the work is done, in a thread where there is a loop to go on meanwhile."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._answer(address, work)
        done = loop.run_in_executor(self._worker, _tried, work)
        done.add_done_callback(lambda found: self.send({**found.result(), **address}))
        return None

    def _counts(self, about: dict[str, Any]) -> dict[str, Any]:
        if about.get("finder") in self._view.names:
            self.finder = about["finder"]
        if type(about.get("threshold")) in (int, float):
            self.threshold = float(about["threshold"])
        return {"threshold": self.threshold, "counts": self._view.counts()}

    def _clusters(self) -> Listed:
        if self._listed is None:
            self._listed = self._view.listed(self._by)
        return self._listed

    def _page(self, about: dict[str, Any]) -> dict[str, Any]:
        """Clusters in their order; made anew where the threshold, the order or the page says so."""
        by = about.get("by")
        if about.get("fresh") or (by in ORDERS and by != self._by):
            self._listed, self._by = None, by if by in ORDERS else self._by
        listed = self._clusters()
        start = _number(about.get("start"), len(listed))
        if about.get("around"):
            start = self._place_of_selection() // CLUSTERS * CLUSTERS
        chosen = listed.order[start : start + CLUSTERS].tolist()
        told = [self._told(listed, one) for one in chosen]
        return {"start": start, "count": len(listed), "clusters": told, "by": self._by}

    def _place_of_selection(self) -> int:
        row = self._view.row_of(self.selection[0]) if self.selection else None
        cluster = None if row is None else self._clusters().cluster_of(row)
        if cluster is None:
            return 0
        return int((self._clusters().order == cluster).argmax())

    def _told(self, listed: Listed, cluster: int) -> dict[str, Any]:
        head = int(listed.heads[cluster])
        low, high = listed.scores(cluster)
        told = {"size": listed.size(cluster), "low": low, "high": high}
        return {**told, **self._view.told(head), "open": self._is_open(head)}

    def _is_open(self, head: int) -> bool:
        return bool(self.selection) and self._view.id(head) == self.selection[0]

    def _cluster(self, about: dict[str, Any]) -> dict[str, Any]:
        """The kept row of a cluster, and some of the rows that go because of it."""
        listed = self._clusters()
        row = about.get("row")
        cluster = listed.cluster_of(row) if _is_number(row, len(self._view.layers)) else None
        if cluster is None:
            return {"members": [], "count": 0}
        head, members = int(listed.heads[cluster]), listed.members(cluster)
        if about.get("open"):
            self._open(cluster)
        start = _number(about.get("start"), len(members)) // MEMBERS * MEMBERS
        told = [self._member(listed, row, head) for row in members[start:][:MEMBERS].tolist()]
        verdict = {"verdict": self._view.verdict(head)}
        return {
            "head": self._view.told(head) | verdict,
            "start": start,
            "count": len(members),
            "members": told,
        }

    def _open(self, cluster: int) -> None:
        self._by_page = True
        try:
            self.selection = self._ids(cluster)
        finally:
            self._by_page = False

    def _member(self, listed: Listed, row: int, head: int) -> dict[str, Any]:
        decision, how = listed.decision, self._view.how(listed.decision, row)
        told = {"score": float(decision.score[row]), "how": how}
        return {**self._view.told(row), **told, "verdict": self._view.verdict(row, head)}

    def _ids(self, cluster: int) -> tuple[Any, ...]:
        listed = self._clusters()
        rows = [int(listed.heads[cluster]), *listed.members(cluster).tolist()]
        return tuple(self._view.ids(rows))

    def _judge(self, about: dict[str, Any]) -> dict[str, Any]:
        decision, row, other = about.get("decision"), about.get("row"), about.get("other")
        rows = len(self._view.layers)
        if decision in ("keep", "remove") and _is_number(row, rows):
            one = Made(decision, self._view.id(row))
        elif decision == "distinct" and _is_number(row, rows) and _is_number(other, rows):
            is_old = other < self._view.layers.olds
            one = Made("distinct", self._view.id(row), self._view.id(other), is_old)
        else:
            return {}
        if row < self._view.layers.olds:
            return {"error": "rows compared against always stay"}
        self._decide(changed(self._view.made, one))
        return {"counts": self._view.counts()}

    def _undo(self, about: dict[str, Any]) -> dict[str, Any]:
        can = len(self._undone) > 0
        self.undo()
        return {"done": can, "counts": self._view.counts()}

    def _decisions(self, about: dict[str, Any]) -> dict[str, Any]:
        """The last decisions, the latest first; one is taken back where its number is given."""
        made, drop = self._view.made, about.get("drop")
        if _is_number(drop, len(made)):
            self._decide(made[:drop] + made[drop + 1 :])
            made = self._view.made
        last = list(enumerate(made))[::-1][:DECISIONS]
        told = [
            {"at": at, "decision": one.decision, "id": named(str(one.id)),
             "other": None if one.other is None else named(str(one.other))}
            for at, one in last
        ]  # fmt: skip
        unknown = len(self._view.fates.unknown) if self._view.fates else 0
        undo = len(self._undone)
        return {"count": len(made), "decisions": told, "unknown": unknown, "undo": undo}

    # ---- texts -----------------------------------------------------------------------------

    def _said(self, rows: Sequence[int]) -> dict[int, Any]:
        with self._lock:
            if self._rows is None:
                self._rows = Rows(self._dups, self._df)
            return self._rows.get(rows)

    def _texts(self, about: dict[str, Any]) -> dict[str, Any]:
        """The beginnings of a few rows."""
        asked = about.get("rows")
        rows = [row for row in (asked if isinstance(asked, list) else [])[: 2 * CLUSTERS]
                if _is_number(row, len(self._view.layers))]  # fmt: skip
        found = self._said(rows)
        return {"texts": [[row, excerpt(found[row])] for row in rows if row in found]}

    def _pair(self, about: dict[str, Any]) -> dict[str, Any]:
        """A kept row and one that goes, with what differs; others that may be next are read too."""
        rows = len(self._view.layers)
        one, other = about.get("row"), about.get("other")
        if not _is_number(one, rows):
            return {}
        next_ = about.get("next")
        ahead = [r for r in (next_ if isinstance(next_, list) else [])[:MEMBERS]
                 if _is_number(r, rows)]  # fmt: skip
        pair = [one, other] if _is_number(other, rows) else [one]
        found = self._said([*pair, *ahead])
        if one not in found or pair[-1] not in found:
            return {"sides": [None if row not in found else alone(found[row]) for row in pair]}
        if len(pair) == 1:
            return {"sides": [alone(found[one])]}
        return {"sides": list(beside(found[one], found[pair[1]]))}

    def close(self) -> None:
        """Let go of the thread that reads."""
        self._worker.shutdown(wait=False)
        super().close()


def _told(made: Iterable[Made]) -> tuple[Any, ...]:
    """Decisions as plain tuples; the fourth place only for rows compared against."""
    return tuple(
        (one.decision, one.id, one.other, True) if one.against else
        (one.decision, one.id, one.other)
        for one in made
    )  # fmt: skip


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What changes with a file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _tried(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer, or what went wrong: a page that waits for ever says nothing."""
    try:
        return work()
    except Exception as error:
        return {"error": named(f"{type(error).__name__}: {error}", 400)}


def _is_number(value: Any, end: int) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < end


def _number(value: Any, end: int) -> int:
    return value if _is_number(value, max(end, 1)) else 0
