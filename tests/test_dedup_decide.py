"""Who stays: the compiled pass against the plain rule, whatever was found."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from evidence import Edge, Layer, found, layers_of, plain, rows_in_evidence, saved
from hypothesis import given, settings
from hypothesis import strategies as st

from datamerge.dedup import evidence
from datamerge.dedup.cosine import _screen_kernels
from datamerge.dedup.deciding import clusters, layers
from datamerge.dedup.evidence import graph, listing, within
from datamerge.dedup.evidence.pairs import Dense


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def numbers(stack: layers.Layers) -> list[int]:
    """The rows of a stack as the numbers they were made from, which count old rows first."""
    olds = OLDS.get(id(stack), 0)
    return [
        int(key.rpartition("#")[2]) + (0 if at < stack.olds else olds)
        for at, key in enumerate(stack.id.to_pylist())
    ]


OLDS: dict[int, int] = {}


def decided(stack, made, olds, order, rule="witness"):
    """What is decided, in the numbers the rows were made from."""
    OLDS[id(stack)] = olds
    rows = numbers(stack)
    at = {row: place for place, row in enumerate(rows)}
    priority = np.array([at[row] for row in order if row in at], np.int64)
    result = clusters.decide(stack, [one.threshold for one in made], priority, rule=rule)
    return {
        rows[row]: (
            rows[result.witness[row]],
            float(result.score[row]),
            int(result.layer[row]),
            bool(result.equal[row]),
        )
        for row in result.removed.tolist()
    }


@given(found())
@settings(max_examples=300, deadline=None)
def test_witness_rule_equals_the_plain_one(room, case):
    made, olds, order = case
    stack = layers_of(room, made, olds)
    gone = decided(stack, made, olds, order)
    assert gone == plain(made, olds, order)
    # Both halves, said directly: no two kept rows are alike, and every witness is kept.
    links = [layer.links(olds) for layer in made]
    kept = [row for row in order if row not in gone]
    for a, b in combinations(kept, 2):
        both_old = a < olds and b < olds
        assert both_old or not any((a, b) in known for known in links)
    for row, (witness, score, layer, _) in gone.items():
        assert row >= olds
        assert witness not in gone
        assert links[layer][row, witness][1] == score >= made[layer].threshold
    assert rows_in_evidence(made, olds) <= set(numbers(stack))


@given(found())
@settings(max_examples=200, deadline=None)
def test_components_rule_equals_the_plain_one(room, case):
    made, olds, order = case
    gone = decided(layers_of(room, made, olds), made, olds, order, "components")
    links = [layer.links(olds) for layer in made]
    edges = [pair for known in links for pair in known if max(pair) >= olds]
    part = {row: row for row in order}
    for _ in order:
        for a, b in edges:
            part[a] = part[b] = min(part[a], part[b])
    expected = {}
    for row in order:
        # A row that says the same as an old one goes because of that.
        first = next(other for other in order if part[other] == part[row])
        for known in links:
            twins = [o for o in order if o < olds and known.get((row, o), (False,))[0]]
            if twins or (row, first) in known:
                first = twins[0] if twins else first
                break
        if row >= olds and first != row:
            expected[row] = first
    assert {row: told[0] for row, told in gone.items()} == expected
    for row, (witness, score, layer, equal) in gone.items():
        if np.isnan(score):
            assert not any((row, witness) in known for known in links)
            assert any(row in pair for pair in links[layer])
        else:
            assert links[layer][row, witness] == (equal, score)


@given(found(layers=1), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_evidence_reads_as_it_was_written(room, case, block):
    (made,), olds, _ = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "BLOCK", block)
        stored = saved(room / "0", made, olds)
    assert evidence.sound(stored)
    rows = numbers_of(stored, olds)
    listed = [
        (rows[a], rows[b], s)
        for lefts, rights, scores in stored.graph.listed(block)
        for a, b, s in zip(lefts.tolist(), rights.tolist(), scores.tolist(), strict=True)
    ]
    assert listed == sorted(made.edges)
    for row in range(len(stored)):
        span = slice(stored.graph.starts[row], stored.graph.starts[row + 1])
        some = list(zip(-stored.graph.scores[span], stored.graph.neighbours[span], strict=True))
        assert some == sorted(some)
    table = [t for one in listing.tables(stored, block) for t in one.to_pylist()]
    assert len(table) == len(made.edges) + sum(
        made.first[row] != row and row >= olds for row in made.rows
    )
    if stored.about["old"]:
        for line in table:
            new, other = (int(line[k].partition("#")[2]) for k in ("id", "other"))
            other += 0 if line["against"] else olds
            pair = tuple(sorted((new + olds, other)))
            known = {(a, b): s for a, b, s in made.edges} | {
                (f, r): 1.0 for r, f in made.first.items()
            }
            assert known[pair] == line["score"]
    elif table:
        assert "against" not in table[0]


def numbers_of(stored: evidence.Evidence, olds: int) -> list[int]:
    return [
        int(key.rpartition("#")[2]) + (0 if at < stored.olds else olds)
        for at, key in enumerate(stored.id.to_pylist())
    ]


def test_long_slices_are_sorted_as_short_ones(tmp_path):
    rng = np.random.default_rng(0)
    rows = tuple(range(300))
    edges = tuple(
        (0, other, float(score))
        for other, score in zip(rng.permutation(np.arange(1, 300)).tolist(),
                                rng.choice([0.8, 0.9, 1.0], 299), strict=True)
    )  # fmt: skip
    stored = saved(tmp_path, Layer(rows, dict(zip(rows, rows, strict=True)), edges))
    scores, neighbours = stored.graph.scores[:299], stored.graph.neighbours[:299]
    assert list(zip(-scores, neighbours, strict=True)) == sorted((-s, o) for _, o, s in edges)


# Groups whose pairs are not listed: every decision is that of the listed ones.


def clouds(rng: np.random.Generator, count: int, dim: int = 6) -> np.ndarray:
    base = rng.normal(size=(max(count // 8, 1), dim))
    vectors = base[rng.integers(0, len(base), count)] + rng.normal(size=(count, dim)) * 0.25
    vectors[count // 2 : count // 2 + 3] = vectors[:1]  # ties
    return (vectors * rng.choice([0.1, 1, 30], count)[:, None]).astype(np.float32)


def cosine(vectors: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """As the comparison of all pairs scores them."""
    scores = np.empty(len(left))
    norms = np.empty(len(vectors))
    _screen_kernels.lengths(vectors, norms)
    _screen_kernels.score(vectors, norms, left, right, scores)
    return scores


def sets(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    made = []
    for _ in range(count):
        base = rng.integers(0, 2) * 100 + np.arange(20)
        dropped = rng.choice(20, rng.integers(0, 8), replace=False)
        made.append(np.sort(np.delete(base, dropped)).astype(np.uint64))
    return made


def all_pairs(measure: str, things, floor: float) -> list[Edge]:
    found = []
    for a, b in combinations(range(len(things)), 2):
        if measure == "cosine":
            score = float(cosine(things, np.array([a]), np.array([b]))[0])
        else:
            both = len(np.intersect1d(things[a], things[b]))
            score = both / (len(things[a]) + len(things[b]) - both)
        if score >= floor:
            found.append((a, b, score))
    return found


def arrays_of(measure: str, things):
    if measure == "cosine":
        return {"vectors": np.array(things, np.float32)}
    starts = np.concatenate([[0], np.cumsum([len(s) for s in things])]).astype(np.int64)
    return {
        "hashes": np.concatenate(things) if things else np.zeros(0, np.uint64),
        "starts": starts,
    }


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(2, 60),
    measure=st.sampled_from(["cosine", "jaccard"]),
    groups=st.integers(1, 4),
    olds=st.integers(0, 6),
    threshold=st.sampled_from([0.5, 0.7, 0.85, 0.95, 0.99, 1.0]),
    rule=st.sampled_from(["witness", "components"]),
    products=st.sampled_from([1, 100, 10_000]),
)
@settings(max_examples=250, deadline=None)
def test_dense_groups_decide_as_listed_pairs(
    room, seed, count, measure, groups, olds, threshold, rule, products
):
    rng = np.random.default_rng(seed)
    things = clouds(rng, count) if measure == "cosine" else sets(rng, count)
    olds = min(olds, count - 1)
    edges = [e for e in all_pairs(measure, things, 0.5) if e[1] >= olds]
    rows = tuple(range(count))
    first = {row: row for row in rows}
    first[count - 1] = 0  # a class of two, one of them old if any is
    edges = [e for e in edges if count - 1 not in e[:2]]
    of_group = rng.integers(-1, groups, count)  # -1: in none
    of_group[count - 1] = -1
    members = rng.permutation(np.flatnonzero(of_group >= 0))
    dense_pairs = Dense(
        members, of_group[members], measure, arrays_of(measure, [things[m] for m in members])
    )
    apart = tuple((a, b, s) for a, b, s in edges if of_group[a] < 0 or of_group[a] != of_group[b])
    order = [*rng.permutation(olds).tolist(), *(rng.permutation(count - olds) + olds).tolist()]
    listed = Layer(rows, first, tuple(edges), threshold)
    one = saved(room / "listed", listed, olds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(within, "PRODUCTS", products)
        other = saved(
            room / "dense", Layer(rows, first, apart, threshold), olds,
            dense=dense_pairs if len(members) else None,
        )  # fmt: skip
        assert evidence.sound(other)
        results = [
            decided(layers.stacked([e], [None]), [listed], olds, order, rule) for e in (one, other)
        ]
    assert repr(results[0]) == repr(results[1])  # NaN is like NaN


def test_members_of_a_group_are_listed_with_its_first(tmp_path):
    rng = np.random.default_rng(3)
    vectors = clouds(rng, 12)
    rows = tuple(range(12))
    group = Dense(np.arange(12), np.zeros(12, np.int64), "cosine", {"vectors": vectors})
    stored = saved(tmp_path, Layer(rows, {r: r for r in rows}, ()), 2, dense=group, floor=-1.0)
    lines = [line for t in listing.tables(stored) for line in t.to_pylist()]
    assert [line["id"] for line in lines] == [f"s#{n}" for n in range(10)]
    assert {(line["other"], line["against"]) for line in lines} == {("s#0", True)}
    expected = cosine(vectors, np.zeros(10, np.int64), np.arange(2, 12))
    assert [line["score"] for line in lines] == expected.tolist()
