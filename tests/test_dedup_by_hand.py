"""Decisions by hand against the plain rule, row by row; their file; recipes that replay them."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
from evidence import Layer, found, layers_of, name
from frames import make_frame, marks, on_dask
from hypothesis import given, settings
from hypothesis import strategies as st

import datamerge as dm
from datamerge import recipe
from datamerge.dedup import DuplicatesWarning
from datamerge.dedup.deciding import by_hand, clusters
from datamerge.dedup.deciding.by_hand import Made
from datamerge.dedup.evidence.pairs import Dense


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _workdir(tmp_path) -> Iterator[None]:
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


# ---- who stays ------------------------------------------------------------------------------


@st.composite
def cases(draw, layers=3, olds=True):
    """What was found, and decisions about it, some of rows of which nothing was found."""
    made, old, order = draw(found(layers=layers, olds=olds))
    new = list(range(old, len(order)))
    if not new:
        return made, old, order, {}, [], []
    fate = draw(st.dictionaries(st.sampled_from(new), st.sampled_from(["keep", "remove"])))
    pairs = draw(st.lists(st.tuples(st.sampled_from(new), st.sampled_from(order)), max_size=8))
    apart = [(a, b) for a, b in pairs if a != b]
    told = [Made(what, name(row, old)) for row, what in fate.items()]
    told += [Made("distinct", name(a, old), name(b, old), b < old) for a, b in apart]
    return made, old, order, fate, apart, draw(st.permutations(told))


def linked(made, olds, apart):
    """For each layer the pairs that count."""
    barred = {*apart, *((b, a) for a, b in apart)}
    return [
        {pair: how for pair, how in one.links(olds).items() if pair not in barred} for one in made
    ]


def plainly(made, olds, order, fate, apart):
    """The rows that go, as one would do it with a pencil."""
    links = linked(made, olds, apart)
    hand = [row for row in order if fate.get(row) == "keep"]
    line = [*order[:olds], *hand, *(row for row in order[olds:] if row not in hand)]
    line = [row for row in line if fate.get(row) != "remove"]
    kept = []
    for row in line:
        always = row < olds or row in hand
        if always or not any((row, one) in known for one in kept for known in links):
            kept.append(row)
    gone = {row: None for row in order if fate.get(row) == "remove"}
    for row in line:
        for layer, known in enumerate(links) if row not in kept else ():
            found = [(*known[row, one], -line.index(one), one) for one in kept
                     if (row, one) in known]  # fmt: skip
            if found:
                equal, score, _, one = max(found)
                gone[row] = (one, score, layer, equal)
                break
    return gone


@given(cases())
@settings(max_examples=600, deadline=None)
def test_decisions_are_followed_as_by_the_plain_rule(room, case):
    made, olds, order, fate, apart, told = case
    stack = layers_of(room, made, olds)
    of_id = [int(key.rpartition("#")[2]) + (0 if at < stack.olds else olds)
             for at, key in enumerate(stack.id.to_pylist())]  # fmt: skip
    place = {row: at for at, row in enumerate(of_id)}
    priority = np.array([place[row] for row in order if row in place], np.int64)
    fates = by_hand.fates(stack, told)
    thresholds = [one.threshold for one in made]
    result = clusters.decide(stack, thresholds, priority, fates=fates)
    gone = {}
    for row in result.removed.tolist():
        witness = int(result.witness[row])
        how = (of_id[witness], result.score[row], int(result.layer[row]), bool(result.equal[row]))
        gone[of_id[row]] = None if witness < 0 else how
    expected = plainly(made, olds, order, fate, apart)
    assert gone == {row: how for row, how in expected.items() if row in place}

    # Both promises, said directly, for the rows that were not decided by hand.
    links = linked(made, olds, apart)
    kept = [row for row in of_id if row not in gone]
    for a, b in combinations(kept, 2):
        if not all(row < olds or fate.get(row) == "keep" for row in (a, b)):
            assert not any((a, b) in known for known in links)
    for row, how in gone.items():
        assert fate.get(row) == "remove" if how is None else how[0] in kept
    hand = [row for row in kept if fate.get(row) == "keep"]
    clash = {pair for pair in combinations(sorted(hand), 2) if any(pair in one for one in links)}
    said = {(of_id[a], of_id[b]) for a, b in result.clashes}
    assert {tuple(sorted(pair)) for pair in said} <= clash and bool(said) == bool(clash)

    stays = clusters.staying(stack, thresholds, priority, fates)
    assert np.array_equal(np.flatnonzero(~stays), result.removed)
    unknown = set(fates.unknown)
    for one in told:
        named = [name(row, olds) for row in of_id[stack.olds :]]
        old = [name(row, olds) for row in of_id[: stack.olds]]
        is_known = one.id in named and (one.other is None or one.other in (
            old if one.against else named))  # fmt: skip
        assert (one in unknown) == (not is_known)


@st.composite
def grouped(draw):
    """Vectors in a dense group, and a few more pairs outside; decisions about them."""
    n = draw(st.integers(2, 12))
    angles = draw(st.lists(st.integers(0, 40), min_size=n, max_size=n))
    rows = st.sampled_from(range(n))
    fate = draw(st.dictionaries(rows, st.sampled_from(["keep", "remove"]), max_size=3))
    apart = [(a, b) for a, b in draw(st.lists(st.tuples(rows, rows), max_size=6)) if a != b]
    return angles, fate, apart, draw(st.permutations(range(n)))


@given(grouped())
@settings(max_examples=200, deadline=None)
def test_decisions_reach_into_dense_groups(room, case):
    angles, fate, apart, order = case
    n = len(angles)
    radians = np.radians(angles)
    vectors = np.column_stack([np.cos(radians), np.sin(radians)]).astype(np.float32)
    unit = vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosine = unit @ unit.T
    near = [(a, b, float(cosine[a, b])) for a, b in combinations(range(n), 2)]
    if any(abs(score - 0.97) < 1e-6 for *_, score in near):
        return
    rows = Layer(tuple(range(n)), {row: row for row in range(n)}, (), threshold=0.97)
    from evidence import saved

    from datamerge.dedup.deciding.layers import stacked

    dense = Dense(np.arange(n), np.zeros(n, np.int64), "cosine", {"vectors": vectors})
    stack = stacked([saved(room / "g", rows, dense=dense)], [None])
    told = [Made(what, f"s#{row}") for row, what in fate.items()]
    told += [Made("distinct", f"s#{a}", f"s#{b}") for a, b in apart]
    fates = by_hand.fates(stack, told)
    result = clusters.decide(stack, [0.97], np.array(order), fates=fates)
    listed = Layer(rows.rows, rows.first, tuple(near), threshold=0.97)
    expected = plainly([listed], 0, order, fate, apart)
    assert set(result.removed.tolist()) == set(expected)
    for row, how in expected.items():
        witness = int(result.witness[row])
        if how is None:
            assert witness == -1
        else:
            assert cosine[row, witness] == pytest.approx(how[1], abs=1e-6)
            assert witness not in expected and (row, witness) not in {*apart}


# ---- the file -------------------------------------------------------------------------------

IDS = st.text(min_size=1, max_size=5) | st.text(st.sampled_from('a\n\r\u2028\x00"#'), min_size=1)


@given(ids=st.lists(IDS, unique=True, max_size=8), data=st.data())
@settings(max_examples=80, deadline=None)
@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_what_is_written_is_read(room, ending, ids, data):
    ids = [one.encode("utf-8", "replace").decode() for one in ids]
    ids = list(dict.fromkeys(ids))
    made = [Made(data.draw(st.sampled_from(["keep", "remove"])), one) for one in ids]
    made += [Made("distinct", a, b, data.draw(st.booleans()))
             for a, b in combinations(ids[:4], 2)]  # fmt: skip
    path = room / f"decisions.{ending}"
    by_hand.write(path, made)
    assert by_hand.read(path) == tuple(made)
    assert [file.name for file in room.glob("*decisions*")].count(path.name) == 1
    frame = pd.DataFrame([one.record() for one in made], columns=list(by_hand.COLUMNS))
    assert by_hand.read(frame) == tuple(made)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2: not JSON"),
        ("[1]", r"decision 2 is \[1\]"),
        ('{"decision": "kep", "id": "a"}', "did you mean 'keep'"),
        ('{"decision": "keep"}', "decision 2 has no id"),
        ('{"decision": "keep", "id": 1.5}', "1.5 is no id"),
        ('{"decision": "keep", "id": true}', "True is no id"),
        ('{"decision": "keep", "id": "b", "other": "c"}', "is of one row, not of two"),
        ('{"decision": "distinct", "id": "b"}', "needs the id of an other row"),
        ('{"decision": "distinct", "id": "b", "other": "b"}', "distinct from itself"),
        ('{"decision": "remove", "id": "a"}', "'a' is to be both kept and removed"),
        ('{"decision": "keep", "id": "a", "othr": 1}', "did you mean 'other'"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, line, told):
    path = tmp_path / "made.jsonl"
    path.write_text(f'{{"decision": "keep", "id": "a"}}\n{line}\n')
    with pytest.raises(ValueError, match=told):
        dm.dedup.exact(dm.read(["a", "A"], name="s")).mark(decisions=path)


# ---- marks ----------------------------------------------------------------------------------

ROWS = ["one two three", "One two  three", "one two three four", "ONE TWO THREE", "else"]


def found_in(df):
    return dm.dedup.exact(df) | dm.dedup.jaccard(df, ngram=1, threshold=0.7, floor=0.5)


def frame(*made):
    return pd.DataFrame([one.record() for one in made])


def test_decisions_are_replayed_when_rows_are_marked(on_backend, tmp_path):
    df = on_backend(make_frame(ROWS))
    dups = found_in(df)
    assert marks(dups.mark())[1:3] == [
        ("exact_duplicate", "same text as s#0"),
        ("jaccard_duplicate", "jaccard 0.750000 to s#0"),
    ]
    made = [Made("remove", "s#0"), Made("keep", "s#3"), Made("distinct", "s#2", "s#3")]
    expected = [
        ("exact_duplicate", "by hand"),
        ("exact_duplicate", "same text as s#3"),
        None,
        None,
        None,
    ]
    assert marks(dups.mark(decisions=frame(*made))) == expected
    for ending in ("jsonl", "parquet"):
        by_hand.write(tmp_path / f"d.{ending}", made)
        assert marks(dups.mark(decisions=tmp_path / f"d.{ending}")) == expected
    table = dups.decisions(decisions=tmp_path / "d.jsonl")
    assert table[["id", "how"]].values.tolist() == [["s#0", "by hand"], ["s#1", "exact"]]
    assert table["witness"].isna().tolist() == [True, False]
    assert dups.summary(decisions=tmp_path / "d.jsonl")["removed"].tolist() == [2]
    assert dups.clusters(decisions=frame(*made))["id"].tolist() == ["s#3", "s#1"]
    with pytest.raises(ValueError, match="rule='witness' only"):
        dups.mark(decisions=frame(*made), rule="components")


def test_equal_texts_can_be_told_apart():
    dups = dm.dedup.exact(make_frame(["a", "A", "a "]))
    made = [Made("distinct", "s#0", "s#1")]
    assert dups.decisions(decisions=frame(*made))[["id", "witness"]].values.tolist() == [
        ["s#2", "s#0"]
    ]
    made += [Made("distinct", "s#0", "s#2")]
    assert dups.decisions(decisions=frame(*made))[["id", "witness"]].values.tolist() == [
        ["s#2", "s#1"]
    ]


def test_rows_known_by_whole_numbers_are_decided_about(tmp_path):
    df = pd.DataFrame({"text": ["a", "A", "a "]}, index=[7, 8, 9])
    dups = dm.dedup.exact(df)
    for made in ([Made("keep", 9)], [Made("keep", 9), Made("distinct", 8, 9)]):
        for ending in ("jsonl", "parquet"):
            by_hand.write(tmp_path / f"d.{ending}", made)
            replayed = dups.decisions(decisions=tmp_path / f"d.{ending}")
            assert replayed.equals(dups.decisions(decisions=frame(*made)))
            assert 9 not in replayed["id"].tolist()


def test_what_decisions_do_not_do_is_told():
    dups = dm.dedup.exact(make_frame(["a", "A", "b"]))
    with pytest.warns(DuplicatesWarning, match=r"1 of 2 decisions by hand do nothing.*'s#2'"):
        dups.mark(decisions=frame(Made("remove", "s#2"), Made("keep", "s#1")))
    with pytest.warns(DuplicatesWarning, match=r"1 pairs of duplicates stay.*s#0 ~ s#1"):
        marked = dups.mark(decisions=frame(Made("keep", "s#0"), Made("keep", "s#1")))
    assert marks(marked) == [None] * 3


def test_a_row_kept_by_hand_stays_beside_an_earlier_one():
    earlier = make_frame(["a"])
    dups = dm.dedup.exact(make_frame(["A", "a ", "b"]), against=earlier)
    assert len(dups.decisions()) == 2
    kept = dups.decisions(decisions=frame(Made("keep", "s#1")))
    assert kept["id"].tolist() == ["s#0"]
    apart = frame(Made("distinct", "s#0", "s#0", against=True))
    assert dups.decisions(decisions=apart)["id"].tolist() == ["s#1"]


# ---- recipes --------------------------------------------------------------------------------


def test_a_recipe_replays_decisions_as_the_chain_does(tmp_path):
    source, path = tmp_path / "notes.jsonl", tmp_path / "made.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in ROWS))
    by_hand.write(path, [Made("keep", "notes/notes.jsonl#1")])
    df = dm.read(str(source))
    ids = df.compute()["id"].tolist()
    by_hand.write(path, [Made("keep", ids[1])])
    text = f"sources: ['{source}']\nsteps:\n  - dedup.exact: {{decisions: '{path}'}}\n"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checked = recipe.loads(text)
    laid = recipe.frame(checked)
    chain = dm.dedup.exact(df).mark(decisions=str(path))
    assert laid._name == chain._name
    assert [mark is None for mark in marks(laid)] == [False, True, True, False, True]
    by_hand.write(path, [Made("keep", ids[3])])
    assert dm.dedup.exact(df).mark(decisions=str(path))._name != chain._name
    path.write_text("{}")
    with pytest.raises(recipe.RecipeError, match="made.jsonl, decision 1 is None"):
        recipe.loads(text)
    path.unlink()
    with pytest.raises(recipe.RecipeError, match=r"made.jsonl"):
        recipe.loads(text)


def test_decisions_are_the_same_on_any_partitions():
    df = make_frame([f"{text} {i // 5}" for i, text in enumerate(ROWS * 8)])
    made = frame(Made("keep", "s#3"), Made("remove", "s#11"), Made("distinct", "s#0", "s#2"))
    whole = marks(found_in(df).mark(decisions=made))
    assert ("exact_duplicate", "by hand") in whole
    for parts in (2, 5):
        assert marks(found_in(on_dask(df, parts)).mark(decisions=made)) == whole
