"""Evidence made by hand, and who stays by the plain rule, row by row."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from datamerge.dedup import evidence
from datamerge.dedup.compared import kept
from datamerge.dedup.compared.rows import Compared
from datamerge.dedup.deciding.layers import Layers, stacked
from datamerge.dedup.evidence.pairs import PAIR, Dense, Pairs

Edge = tuple[int, int, float]


@dataclass(frozen=True)
class Layer:
    """What one finder found: of ``rows`` their classes, and scored pairs of classes.

    Rows are numbers; those below ``olds`` are compared against. ``edges`` are pairs of rows, each
    the first of its class among ``rows``.
    """

    rows: tuple[int, ...]
    first: Mapping[int, int]
    edges: tuple[Edge, ...]
    threshold: float = 0.9
    chars: Mapping[int, int] = field(default_factory=dict)

    def links(self, olds: int) -> dict[tuple[int, int], tuple[bool, float]]:
        """Rows that are alike at the threshold: (are they equal, their score), both ways.

        Of equal old rows the first stands for all.
        """
        members: dict[int, list[int]] = {}
        for row in self.rows:
            if row >= olds or self.first[row] == row:
                members.setdefault(self.first[row], []).append(row)
        found = {(a, b): (True, 1.0) for c in members.values() for a in c for b in c if a != b}
        for one, other, score in self.edges:
            if score >= self.threshold:
                for a in members[one]:
                    for b in members[other]:
                        found[a, b] = found[b, a] = (False, score)
        return found


def name(row: int, olds: int, kind: str = "string") -> str | int:
    """Ids of old rows look like those of new ones."""
    number = row if row < olds else row - olds
    return number if kind == "int" else f"s#{number}"


def compared(
    folder: Path, layer: Layer, olds: int, kind: str = "string", sources: int = 1
) -> Compared:
    """The rows as a finder has them."""
    count = len(layer.rows)
    ids = [name(row, olds, kind) for row in layer.rows]
    alive = {f"s{s}": len(range(s, max(count, s), sources)) for s in range(sources)}
    given = {
        "id": pa.array(ids, pa.int64() if kind == "int" else pa.large_string()),
        "source": pa.array([f"s{row % sources}" for row in layer.rows], pa.large_string()),
        "chars": np.array([layer.chars.get(row, 1) for row in layer.rows], np.int64),
        "digest": np.zeros((count, 2), np.uint64),
    }
    kept.save(folder / "0.part", {**given, "alive": alive})
    return Compared(
        digest=given["digest"],
        olds=sum(row < olds for row in layer.rows),
        alive=alive,
        parts=(folder / "0.part",),
        starts=np.array([0, count]),
        scratch=folder,
    )


def saved(
    folder: Path,
    layer: Layer,
    olds: int = 0,
    *,
    kind: str = "string",
    sources: int = 1,
    dense: Dense | None = None,
    floor: float = 0.5,
    how: str = "semantic",
) -> evidence.Evidence:
    """The layer as evidence on disk; ``dense`` has rows for items."""
    place = {row: at for at, row in enumerate(layer.rows)}
    same = np.array([place[layer.first[row]] for row in layer.rows], np.int64)
    number = np.flatnonzero(same == np.arange(len(same)))
    item = {layer.rows[at]: i for i, at in enumerate(number.tolist())}
    found = np.array([(item[a], item[b], score) for a, b, score in layer.edges], PAIR)
    if dense is not None:
        items = np.array([item[row] for row in dense.item.tolist()], np.int64)
        dense = Dense(items, dense.group, dense.measure, dense.arrays)
    about = {"how": how, "same": "exact", "floor": floor, "text": "chat"}
    shutil.rmtree(folder, ignore_errors=True)  # what is there would be taken for the same
    with tempfile.TemporaryDirectory() as scratch:
        rows = compared(Path(scratch), layer, olds, kind, sources)
        evidence.save(folder, rows, same, Pairs(number, found, dense), about)
    return evidence.load(folder)


def layers_of(folder: Path, layers: Sequence[Layer], olds: int, **options: str) -> Layers:
    """The layers, stacked."""
    found = [saved(folder / str(n), layer, olds, **options) for n, layer in enumerate(layers)]
    return stacked(found, ["old" if olds else None] * len(found))


def plain(
    layers: Sequence[Layer], olds: int, priority: Iterable[int]
) -> dict[int, tuple[int, float, int, bool]]:
    """The rows that go by the witness rule: witness, score, layer, whether they are equal."""
    links = [layer.links(olds) for layer in layers]
    order = list(priority)
    rank = {row: at for at, row in enumerate(order)}
    kept: list[int] = []
    for row in order:
        if row < olds or not any((row, one) in found for one in kept for found in links):
            kept.append(row)
    gone = {}
    for row in sorted(set(order) - set(kept)):
        for number, found in enumerate(links):
            known = [(*found[row, one], one) for one in kept if (row, one) in found]
            if known:
                equal, score, one = max(known, key=lambda k: (k[0], k[1], -rank[k[2]]))
                gone[row] = (one, score, number, equal)
                break
    return gone


def rows_in_evidence(layers: Sequence[Layer], olds: int) -> set[int]:
    """New rows that anything was found of."""
    return {a for layer in layers for pair in layer.links(olds) for a in pair if a >= olds}


@st.composite
def found(draw: st.DrawFn, most: int = 14, olds: bool = True, layers: int = 3):  # type: ignore[no-untyped-def]
    """Some layers over the same rows, how many rows are old, and an order of priority."""
    n = draw(st.integers(0, most))
    old = draw(st.integers(0, n // 2)) if olds else 0
    made = []
    for _ in range(draw(st.integers(1, layers))):
        rows = sorted(draw(st.sets(st.sampled_from(range(n))))) if n else []
        label = {row: draw(st.integers(0, max(n - 1, 0))) for row in rows}
        first = {row: min(r for r in rows if label[r] == label[row]) for row in rows}
        heads = sorted(set(first.values()))
        edges = {}
        for a, b in (
            draw(st.lists(st.tuples(*[st.sampled_from(heads)] * 2), max_size=30)) if heads else []
        ):
            if a < b and b >= old:  # pairs of two old rows are not sought
                edges[a, b] = draw(st.sampled_from([0.8, 0.9, 0.95, 0.95, 1.0]) | st.floats(0.8, 1))
        shuffled = draw(st.permutations([(a, b, s) for (a, b), s in edges.items()]))
        made.append(
            Layer(tuple(rows), first, tuple(shuffled), draw(st.sampled_from([0.8, 0.9, 0.95])))
        )
    order = draw(st.permutations(range(old))) + draw(st.permutations(range(old, n)))
    return made, old, order
