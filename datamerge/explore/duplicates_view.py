"""What the explorer of duplicates knows, as small dicts: counts, clusters, decisions by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..dedup.deciding import by_hand, clusters
from ..dedup.deciding import keep as keeping
from ..dedup.deciding.by_hand import Made
from ..dedup.deciding.clusters import Decision
from ..dedup.deciding.marking import MUCH
from ..dedup.duplicates import Duplicates
from ..dedup.evidence import listing
from .escape import short, unmarked

BINS = 60
SOURCES = 12  # sources told of one by one
NAME = 120
VANISHES = 0.9  # a source that loses so much is all but gone


class View:
    """Duplicates under thresholds that move, with decisions by hand upon them."""

    def __init__(self, dups: Duplicates, made: Iterable[Made], keep: keeping.Keep):
        self.layers = dups._stack
        self.names = list(dups.thresholds)
        self.floors = {n: float(s.about["floor"]) for n, s, _ in dups._layers}
        self.thresholds = dict(dups.thresholds)
        df = dups._target(None, keep) if keeping.is_column(keep) else None
        self.order = keeping.priority(self.layers, keep, df)
        self.made: tuple[Made, ...] = ()
        self.fates: by_hand.Fates | None = None
        self.decide(made)

    # ---- what is asked ---------------------------------------------------------------------

    def move(self, name: str, value: float) -> float:
        """Another threshold for a finder, within its bounds."""
        self.thresholds[name] = min(max(float(value), self.floors[name]), 1.0)
        return self.thresholds[name]

    def decide(self, made: Iterable[Made]) -> None:
        """Other decisions by hand."""
        self.made = tuple(made)
        self.fates = by_hand.fates(self.layers, self.made) if self.made else None

    @property
    def _values(self) -> list[float]:
        return [self.thresholds[name] for name in self.names]

    # ---- counts ----------------------------------------------------------------------------

    @cached_property
    def _sources(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Names, live rows of each, and of each row the number of its source."""
        coded = self.layers.source.dictionary_encode()
        alive = self.layers.alive
        names = sorted(alive, key=lambda name: (-alive[name], name))
        number = {name: at for at, name in enumerate(names)}
        of_code = [number.get(name, len(names)) for name in coded.dictionary.to_pylist()]
        codes = np.array([*of_code, 0], np.int32)[coded.indices.to_numpy()]
        return names, np.array([alive[name] for name in names], np.int64), codes

    def removed(self) -> tuple[int, np.ndarray]:
        """How many rows go, in all and of each source; quick enough for a slider."""
        stays = clusters.staying(self.layers, self._values, self.order, self.fates)
        names, _, codes = self._sources
        gone = np.bincount(codes[~stays], minlength=len(names))[: len(names)]
        return int(gone.sum()), gone

    def counts(self) -> dict[str, Any]:
        """Rows that would go, in all and by source, and which sources lose too much."""
        removed, gone = self.removed()
        names, live, _ = self._sources
        share = gone / np.maximum(live, 1)
        level = np.where(share >= VANISHES, 2, np.where(share > MUCH, 1, 0)) * (gone > 10)
        chosen = np.sort(np.lexsort((np.arange(len(names)), -level))[:SOURCES])
        told = [
            {
                "name": named(names[at]),
                "live": int(live[at]),
                "removed": int(gone[at]),
                "level": int(level[at]),
            }
            for at in chosen.tolist()
        ]
        return {
            "live": int(live.sum()),
            "removed": removed,
            "sources": told,
            "others": len(names) - len(told),
            "vanishing": int((level == 2).sum()),
            "decided": len(self.made),
        }

    def histogram(self) -> dict[str, list[int]]:
        """For each finder how many listed pairs have which score, from the floor to 1."""
        bins = {}
        for name, found in zip(self.names, self.layers.found, strict=True):
            bins[name] = listing.histogram(found, BINS)["pairs"].tolist()
        return bins

    def about(self) -> dict[str, Any]:
        """What does not change while one looks."""
        histogram = self.histogram()
        finders = []
        for name, found in zip(self.names, self.layers.found, strict=True):
            grouped = found.groups.pairs if found.groups is not None else 0
            finders.append(
                {
                    "name": name,
                    "floor": self.floors[name],
                    "bins": histogram[name],
                    "pairs": found.graph.pairs,
                    "copies": len(found.copies),
                    "grouped": grouped,
                }
            )
        compared = max(found.about["compared"] for found in self.layers.found)
        return {"finders": finders, "compared": compared, "old": self.layers.olds}

    # ---- clusters --------------------------------------------------------------------------

    def listed(self, by: str) -> Listed:
        """The clusters as they are now, in an order to look at them."""
        decision = clusters.decide(self.layers, self._values, self.order, fates=self.fates)
        return Listed.of(decision, np.array(self._values), by)

    def told(self, row: int) -> dict[str, Any]:
        """What a row is called."""
        return {
            "row": row,
            "id": named(str(self.layers.id[row].as_py())),
            "source": named(self.layers.source[row].as_py()),
            "old": row < self.layers.olds,
        }

    def id(self, row: int) -> Any:
        """The id of a row."""
        return self.layers.id[row].as_py()

    def ids(self, rows: Sequence[int]) -> list[Any]:
        """The ids of rows."""
        return self.layers.id.take(pa.array(rows, pa.int64())).to_pylist()

    def row_of(self, key: Any) -> int | None:
        """The row with an id; of those compared against only where there is no other."""
        if type(key) is not (int if self.layers.id.type == pa.int64() else str):
            return None
        found = pc.equal(self.layers.id, pa.scalar(key, self.layers.id.type))
        rows = np.flatnonzero(found.to_numpy(zero_copy_only=False))
        return int(rows[-1]) if len(rows) else None

    def how(self, decision: Decision, row: int) -> str:
        """What found that a row goes."""
        layer = int(decision.layer[row])
        found = self.layers.found[layer]
        return found.how_same if decision.equal[row] else self.names[layer]

    def verdict(self, row: int, head: int | None = None) -> str | None:
        """What was decided by hand of a row, or of the pair it is in."""
        if self.fates is None:
            return None
        fate = self.fates.of_row[row]
        if fate & (by_hand.STAYS | by_hand.GOES):
            return "keep" if fate & by_hand.STAYS else "remove"
        return "distinct" if head in self.fates.apart.get(row, ()) else None


@dataclass(frozen=True)
class Listed:
    """Clusters in the order in which to look at them: a kept row each, and the rows that go."""

    decision: Decision
    heads: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, decision: Decision, thresholds: np.ndarray, by: str) -> Listed:
        """The clusters of a decision."""
        gone = decision.witnessed
        witness = decision.witness[gone]
        rows = gone[np.argsort(witness, kind="stable")]
        counts = np.bincount(witness, minlength=1)
        heads = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts[heads])])
        return cls(decision, heads, starts, rows, _order(decision, rows, starts, thresholds, by))

    def __len__(self) -> int:
        return len(self.heads)

    def size(self, cluster: int) -> int:
        """How many rows a cluster has, the kept one among them."""
        return int(self.starts[cluster + 1] - self.starts[cluster]) + 1

    def members(self, cluster: int) -> np.ndarray:
        """The rows that go, the most similar first."""
        rows = self.rows[self.starts[cluster] : self.starts[cluster + 1]]
        return rows[np.lexsort((rows, -self.decision.score[rows]))]

    def cluster_of(self, row: int) -> int | None:
        """The cluster a row is in."""
        witness = int(self.decision.witness[row])
        head = row if witness < 0 else witness
        at = int(np.searchsorted(self.heads, head))
        return at if at < len(self.heads) and self.heads[at] == head else None

    def scores(self, cluster: int) -> tuple[float, float]:
        """The lowest and the highest score in a cluster."""
        score = self.decision.score[self.rows[self.starts[cluster] : self.starts[cluster + 1]]]
        return float(score.min()), float(score.max())


def _order(
    decision: Decision, rows: np.ndarray, starts: np.ndarray, thresholds: np.ndarray, by: str
) -> np.ndarray:
    """The clusters in order; ties by the kept row."""
    sizes = np.diff(starts)
    if by == "size" or not len(sizes):
        return np.argsort(-sizes, kind="stable")
    score = decision.score[rows]
    if by == "score":
        return np.argsort(-np.maximum.reduceat(score, starts[:-1]), kind="stable")
    doubt = score - thresholds[decision.layer[rows]]
    return np.argsort(np.minimum.reduceat(doubt, starts[:-1]), kind="stable")


def named(text: str | None, most: int = NAME) -> str:
    """A name as the page shows it: bounded, and nothing in it unseen."""
    return short(unmarked(short(text or "", most)), 2 * most)


def changed(made: Sequence[Made], one: Made) -> tuple[Made, ...]:
    """The decisions with one more; the same one again is taken back, its contrary goes."""
    if one in made:
        return tuple(held for held in made if held != one)
    if one.decision == "distinct":
        pair = {(one.id, one.other), (one.other, one.id)}
        held = [m for m in made if m.against != one.against or (m.id, m.other) not in pair]
    else:
        held = [m for m in made if m.decision == "distinct" or m.id != one.id]
    return (*held, one)
