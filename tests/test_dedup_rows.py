"""Rows to compare: ids of any kind in natural order, a user's own frame, earlier outputs."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from frames import make_frame
from hypothesis import given, settings
from hypothesis import strategies as st

import datamerge as dm
from datamerge.dedup.compared import ids, same, worked
from datamerge.dedup.compared.adapt import adapted, id_array
from datamerge.dedup.compared.earlier import earlier_frames
from datamerge.dedup.compared.extract import extract
from datamerge.dedup.compared.texts import Extract, has_text

PLAIN = re.compile(r"^(.*)#(\d+)(?:\.(\d+))?$", re.DOTALL)


@pytest.fixture(autouse=True)
def _workdir(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def texts(*found):
    return pa.array(found, pa.large_string())


def plain_key(key: str):
    match = PLAIN.match(key)
    if not match:
        return (key, -1, 0, key)
    return (match[1], int(match[2]), int(match[3] or 0), key)


digits = st.one_of(
    st.integers(0, 30).map(str),
    st.integers(0, 10**40).map(str),
    st.sampled_from(["007", "٣", "1٣", "9" * 18, "9" * 19, str(2**63 - 1), str(2**63), "", "1\n"]),
)
names = st.sampled_from(["a", "b", "a#1", "é", "", "a.", "#", "a#", "b/ü.json", "a\n", "🌍"])
keys = st.one_of(
    st.builds("{}#{}".format, names, digits),
    st.builds("{}#{}.{}".format, names, digits, digits),
    st.text(st.sampled_from("a#.019é٣\n"), max_size=8),
)


@given(st.lists(keys, unique=True, max_size=30), st.booleans())
@settings(max_examples=400, deadline=None)
def test_natural_order_is_the_plain_one(found, compiled):
    before = ids.FEW
    ids.FEW = 0 if compiled else before
    try:
        order = ids.natural_order(texts(*found))
        shifted = ids.natural_order(texts("zzz", *found, "0").slice(1, len(found)))
    finally:
        ids.FEW = before
    expected = sorted(range(len(found)), key=lambda n: plain_key(found[n]))
    assert order.tolist() == expected == shifted.tolist()


def test_natural_order_of_many(monkeypatch):
    rng = np.random.default_rng(0)
    found = [f"{name}#{n}" for name in ("b", "a", "a/b#c") for n in range(9000)]
    found += [f"free {n}" for n in range(100)]
    found = [found[n] for n in rng.permutation(len(found))]
    assert len(found) > ids.FEW
    order = ids.natural_order(texts(*found))
    assert order.tolist() == sorted(range(len(found)), key=lambda n: plain_key(found[n]))


@pytest.mark.parametrize("few", [0, 10**9])
def test_double_ids_are_found_behind_other_spellings(monkeypatch, few):
    monkeypatch.setattr(ids, "FEW", few)
    ids.natural_order(texts("a#1", "a#01", "a#001"))
    with pytest.raises(ValueError, match="'a#1' stands in the frame more than once"):
        ids.natural_order(texts("a#1", "a#01", "a#1"))
    assert ids.natural_order(texts("b", "a", "b"), unique=False).tolist() == [1, 0, 2]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=20))
@settings(max_examples=50, deadline=None)
def test_integers_are_in_the_order_of_numbers(found):
    order = ids.natural_order(pa.array(found, pa.int64()))
    assert [found[n] for n in order] == sorted(found)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
@settings(max_examples=100, deadline=None)
def test_first_of_same(pairs):
    digest = np.array(pairs, np.uint64).reshape(-1, 2)
    found = same.first_of_same(digest)
    assert found.tolist() == [pairs.index(pair) for pair in pairs]
    assert same.firsts(found).tolist() == [n for n, pair in enumerate(pairs) if n == found[n]]


# A user's own frame.


def test_what_a_frame_lacks_is_added():
    frame = pd.DataFrame({"text": ["a", "b"]}, index=["x", "y"])
    found = adapted(frame)
    assert found["id"].tolist() == ["x", "y"]
    assert found["source"].tolist() == ["frame"] * 2
    assert found[["drop_reason", "drop_detail"]].isna().all(axis=None)
    assert list(frame.columns) == ["text"]
    assert adapted(found) is found
    assert adapted(frame.reset_index(drop=True))["id"].tolist() == [0, 1]
    assert adapted(pd.DataFrame({"text": []}))["id"].tolist() == []


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (["a", None], "the id of row 1 is missing"),
        ([None, None], "the id of every row is missing"),
        (["a", 1], r"the id of row 1 is 1: ids are all strings, or all integers"),
        ([1, 2.5], r"the id of row 0 is 1\.0"),
        ([True, False], r"the id of row 0 is True"),
        ([2**63, 1], r"the id of row 0 is 9223372036854775808"),
        ([1, 1], "id 1 stands in the frame more than once"),
        (["b", "b"], "id 'b' stands in the frame more than once"),
    ],
)
def test_bad_ids_are_named(column, said):
    frame = pd.DataFrame({"id": column, "text": ["a", "a"]})
    with pytest.raises(ValueError, match=said):
        dm.dedup.exact(frame).decisions()


def test_bad_indexes_are_named():
    for index, said in [
        ([7, 7], "7 stands in its index more than once"),
        ([0.5, 1.5], "the id of row 0 is 0.5"),
        (pd.MultiIndex.from_tuples([(1, 2), (3, 4)]), "several levels"),
    ]:
        with pytest.raises(ValueError, match=said):
            dm.dedup.exact(pd.DataFrame({"text": ["a", "a"]}, index=index)).decisions()


def test_a_dask_frame_must_have_all_columns():
    frame = dd.from_pandas(pd.DataFrame({"text": ["a"]}), npartitions=1)
    with pytest.raises(ValueError, match="lacks id, source, drop_reason, drop_detail"):
        dm.dedup.exact(frame).decisions()
    part = dd.from_pandas(make_frame(["a", "b"]).assign(id=["x", None]), npartitions=1, sort=False)
    with pytest.raises(ValueError, match="the id of row 1 of partition 0 is missing"):
        dm.dedup.exact(part).decisions()


def gone(found) -> dict:
    table = found.decisions()
    return dict(zip(table["id"].tolist(), table["witness"].tolist(), strict=True))


@pytest.mark.parametrize("finder", [dm.dedup.exact, dm.dedup.jaccard, dm.dedup.minhash])
def test_integer_ids_end_to_end(finder):
    long = " ".join(f"word{n}" for n in range(20))
    frame = pd.DataFrame(
        {"summary": [long, "other", long.upper(), None, long]}, index=[9, 3, 10, 1, 7]
    )
    found = finder(frame, text="summary")
    assert gone(found) == {9: 7, 10: 7}
    assert found.decisions()["id"].dtype == np.int64
    marked = found.mark()
    assert marked["drop_reason"].isna().tolist() == [False, True, False, True, True]
    assert marked["id"].tolist() == [9, 3, 10, 1, 7] == marked.index.tolist()
    assert marked["drop_detail"].tolist()[0].endswith(" 7")
    whole = adapted(frame)
    assert gone(finder(dd.from_pandas(whole, npartitions=3, sort=False), text="summary")) == gone(
        found
    )


def test_semantic_takes_a_frame_in_hand():
    frame = pd.DataFrame({"text": ["Boil an egg", "boil an egg!", "Hi there"]}, index=list("cab"))
    assert gone(dm.dedup.semantic(frame, threshold=0.9)) == {"c": "a"}


def test_chats_as_lists_of_dicts():
    def turn(content, **more):
        return {"role": "user", "content": content, **more}

    chats = [
        [turn("a")],
        [turn("A ")],
        [turn("a", name="x")],
        None,
        [],
        [{"from": "human", "value": "a"}],
    ]
    frame = pd.DataFrame({"messages": chats})
    assert gone(dm.dedup.exact(frame)) == {1: 0, 5: 0}
    arrays = pd.DataFrame({"messages": [np.array(chats[0], object), chats[1]]})
    assert gone(dm.dedup.exact(arrays)) == {1: 0}
    nested = pd.Series([chats[0], chats[1]], dtype=pd.ArrowDtype(pa.array(chats[:2]).type))
    assert gone(dm.dedup.exact(pd.DataFrame({"messages": nested}))) == {1: 0}
    with pytest.raises(ValueError, match=r"id 1: messages\[0\]"):
        dm.dedup.exact(pd.DataFrame({"messages": [chats[0], [7]]})).decisions()


def test_large_frames_are_cut_and_give_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"text": [f"text {n}" for n in rng.integers(0, 300, 1000)]})
    whole = gone(dm.dedup.exact(frame))
    assert len(whole) > 600
    monkeypatch.setattr(worked, "SHARE", 64)
    with dask.config.set({"datamerge.workdir": str(dask.config.get("datamerge.workdir")) + "2"}):
        assert gone(dm.dedup.exact(frame)) == whole
        with dask.config.set(scheduler="threads"):
            assert gone(dm.dedup.exact(frame, normalise="none")) == whole


# What a frame is compared against.


def compared(new, against, text="chat", normal="loose"):
    with tempfile.TemporaryDirectory() as folder:
        work = Extract(text, normal)
        _, found = extract(new, work, stage="t", scratch=Path(folder), against=against)
        first = same.first_of_same(found.digest).tolist()
        keys = found.told(np.arange(len(found)))["id"].to_pylist()
    return {keys[n]: keys[s] for n, s in enumerate(first) if s != n and n >= found.olds}


def test_against_frames_and_lists_of_them():
    new = dm.read(["a", "b", "c", "d"], name="new")
    old = dm.read(["B ", "x"], name="old")
    more = pd.DataFrame({"id": ["m1", "m2"], "text": ["c", "d"], "drop_reason": [None, "gone"]})
    assert compared(new, old) == {"new#1": "old#0"}
    assert compared(new, [old, more]) == {"new#1": "old#0", "new#2": "m1"}
    assert compared(new, [[old], (more,)]) == {"new#1": "old#0", "new#2": "m1"}
    assert compared(new, []) == compared(new, None) == {}


def test_against_an_output_takes_its_kept_rows_and_their_ids(tmp_path):
    def chat(text, **more):
        return {"messages": [{"role": "user", "content": text, **more}]}

    first = dm.read([chat("a"), chat("a "), chat("b", name="x")], name="first")
    dm.write(dm.dedup.exact(first).mark(), tmp_path / "out")
    new = dm.read([chat("A"), chat("b"), chat("b", name="x"), chat("c")], name="new")
    for path in (tmp_path / "out", str(tmp_path / "out")):
        assert compared(new, path) == {"new#0": "first#0", "new#2": "first#2"}
    again = dm.read(tmp_path / "out", name="again")
    dm.write(again, tmp_path / "second")
    assert set(compared(new, [tmp_path / "second"])) == {"new#0", "new#2"}


def test_against_what_is_no_output(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"")
    for path in (tmp_path, tmp_path / "x.parquet", tmp_path / "nowhere"):
        with pytest.raises(ValueError, match="is no finished output"):
            earlier_frames(path)
    with pytest.raises(TypeError, match="against= is int"):
        earlier_frames(3)
    new = pd.DataFrame({"text": ["a"]})
    with pytest.raises(ValueError, match="integers in the frame and strings"):
        compared(new, dm.read(["a"], name="old"))
    with pytest.raises(ValueError, match="neither a view nor a column"):
        compared(new.assign(summary="a"), new, text="summary")


def test_ids_of_any_layout():
    for column in (
        pd.Series(["a", "b"]),
        pd.Series(["a", "b"], dtype=object),
        pd.Series(["a", "b"], dtype="category"),
        pd.Series(["a", "b"], dtype=pd.ArrowDtype(pa.string_view())),
    ):
        assert id_array(column).to_pylist() == ["a", "b"]
        assert id_array(column).type == pa.large_string()
    for kind in ("int8", "uint32", "Int64", "int64[pyarrow]"):
        assert id_array(pd.Series([1, 2], dtype=kind)).type == pa.int64()


def test_what_lies_under_a_null_does_not_count():
    data, offsets = pa.py_buffer(b"abab"), pa.py_buffer(np.array([0, 2, 4], np.int64))
    valid = pa.py_buffer(bytes([0b01]))
    hidden = pa.Array.from_buffers(pa.large_string(), 2, [valid, offsets, data], null_count=1)
    assert hidden.to_pylist() == ["ab", None]
    assert has_text(hidden).tolist() == [True, False]
