"""Finders and decisions against brute force in float64."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datamerge as dm
from datamerge.dedup import DuplicatesWarning
from datamerge.dedup.compared import ids


@dataclass(frozen=True)
class Table:
    """An encoder that looks vectors up: a text is its comma-separated numbers."""

    dim: int
    fingerprint: str = "table"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.array([[float(x) for x in text.split(",")] for text in texts])
        return vectors.reshape(len(texts), self.dim).astype(np.float32)


@pytest.fixture(autouse=True)
def _workdir(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAMERGE_WORKDIR", str(tmp_path / "work"))
    import dask

    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def texts_frame(texts: Sequence[str | None], name: str = "web") -> dd.DataFrame:
    return dm.read([{"text": text} for text in texts], name=name)


def marks(df) -> dict[str, str | None]:
    df = df.compute() if hasattr(df, "compute") else df
    details = [None if pd.isna(d) else d for d in df["drop_detail"]]
    return dict(zip(df["id"], details, strict=True))


def test_both_copies_never_vanish():
    df = texts_frame(["a", "a", "b"])
    assert marks(dm.dedup.exact(df).mark()) == {
        "web#0": None,
        "web#1": "same text as web#0",
        "web#2": None,
    }
    vectors = texts_frame(["1,0", "1,0.0", "0,1"])
    found = dm.dedup.semantic(vectors, threshold=0.9, text="text", encoder=Table(2))
    assert [d is None for d in marks(found.mark()).values()] == [True, False, True]


@pytest.mark.parametrize(
    ("normalise", "same"),
    [
        ("loose", [("A  b\n", "a b"), ("é", "e\u0301"), ("a\u00a0b", "A b"), ("ß", "ß ")]),
        ("none", [("a", "a")]),
    ],
)
def test_exact_normalisation(normalise, same):
    for left, right in same:
        df = texts_frame([left, right])
        assert marks(dm.dedup.exact(df, normalise=normalise).mark())["web#1"]


def test_exact_none_is_byte_for_byte():
    df = texts_frame(["a", "A", "a "])
    assert not any(marks(dm.dedup.exact(df, normalise="none").mark()).values())


def test_exact_chat_compares_roles_and_tool_calls():
    def chat(*turns, **extra):
        return {"messages": [{"role": r, "content": c, **extra} for r, c in turns]}

    df = dm.read(
        [
            chat(("user", "a"), ("assistant", "b")),
            chat(("assistant", "a"), ("user", "b")),
            chat(("user", "a b")),
            chat(("user", "a"), ("assistant", "B")),
            chat(("user", "a"), ("assistant", "b"), name="x"),
        ],
        name="c",
    )
    found = marks(dm.dedup.exact(df).mark())
    assert [k for k, v in found.items() if v] == ["c#3"]
    by_prompt = marks(dm.dedup.exact(df, text="prompt").mark())
    assert [k for k, v in by_prompt.items() if v] == ["c#3", "c#4"]


def test_blank_and_dead_rows_are_not_compared():
    df = texts_frame(["", "", "  ", "x", "x"])
    df = dm.filters.length(df, max=0, text="text", reason="first")  # removes the two with text
    assert dm.dedup.exact(df).decisions().empty
    assert dm.dedup.semantic(df, threshold=0.5, text="text").decisions().empty


@pytest.mark.parametrize("count", [0, 1])
def test_empty_and_single_frames(count):
    df = texts_frame(["x"] * count)
    for found in (dm.dedup.exact(df), dm.dedup.semantic(df, threshold=0.9, text="chat")):
        assert found.pairs.empty
        assert list(found.pairs.columns) == ["id", "other", "score", "how"]
        assert len(found.mark().compute()) == count


def test_keep_longest_shortest_first_column_and_source():
    first = dm.read([{"text": "aa  aa", "q": 1}, {"text": "aa aa", "q": 3}], name="one")
    second = dm.read([{"text": "Aa aa", "q": 2}, {"text": "aa   aa", "q": 0}], name="two")
    df = dm.concat([first, second])
    quality = [1.0, 3.0, 2.0, 0.0]
    pdf = df.compute().assign(quality=quality)

    def kept(frame, **options):
        marked = dm.dedup.exact(frame).mark(**options)
        marked = marked.compute() if hasattr(marked, "compute") else marked
        return marked.loc[marked["drop_reason"].isna(), "id"].tolist()

    assert kept(df, keep="first") == ["one#0"]
    assert kept(df, keep="longest") == ["two#1"]
    assert kept(df, keep="shortest") == ["one#1"]
    assert kept(df, keep=["two"]) == ["two#0"]
    assert kept(pdf, keep="quality") == ["one#1"]
    assert kept(dd.from_pandas(pdf, npartitions=3, sort=False), keep="quality") == ["one#1"]
    with pytest.raises(ValueError, match="no source 'three'"):
        kept(df, keep=["three"])
    with pytest.raises(ValueError, match="neither 'first'"):
        kept(df, keep="best")


def test_first_is_by_position_not_by_spelling():
    df = texts_frame(["x"] * 12)
    decided = dm.dedup.exact(df).decisions()
    assert set(decided["witness"]) == {"web#0"}
    order = ids.natural_order(pa.array(["a#10", "a#9", "b", "a#9.1", "A#3"], pa.large_string()))
    assert order.tolist() == [4, 1, 3, 0, 2]


def brute_pairs(vectors: np.ndarray, floor: float) -> dict[tuple[int, int], float]:
    unit = vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    scores = unit @ unit.T
    left, right = np.nonzero(np.triu(scores >= floor, 1))
    return {(i, j): scores[i, j] for i, j in zip(left.tolist(), right.tolist(), strict=True)}


vectors_2d = st.lists(st.integers(0, 71), min_size=1, max_size=30)


@given(angles=vectors_2d, cuts=st.integers(1, 6), threshold=st.sampled_from([0.9, 0.97, 0.999]))
@settings(max_examples=40, deadline=None)
def test_semantic_end_to_end(angles, cuts, threshold, tmp_path_factory):
    """No kept pair reaches the threshold; removed rows reach it with a kept one; on any cut."""
    import dask

    texts = [f"{np.cos(a * np.pi / 36):.9f},{np.sin(a * np.pi / 36):.9f}" for a in angles]
    vectors = Table(2).encode(texts) if texts else np.zeros((0, 2), np.float32)
    true = brute_pairs(vectors, -2) if len(texts) > 1 else {}
    pdf = texts_frame(texts).compute()
    results = []
    with dask.config.set({"datamerge.workdir": str(tmp_path_factory.mktemp("work"))}):
        for frame in (dd.from_pandas(pdf, npartitions=cuts, sort=False), pdf[::-1]):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DuplicatesWarning)
                found = dm.dedup.semantic(frame, threshold=threshold, text="text", encoder=Table(2))
                marked = found.mark()
            results.append(marks(marked))
            decided = found.decisions()
            gone = dict(zip(decided["id"], decided["witness"], strict=True))
            number = {key: int(key.partition("#")[2]) for key in pdf["id"]}
            kept = [number[key] for key in pdf["id"] if key not in gone]
            for i in kept:
                for j in kept:
                    assert i >= j or true[i, j] < threshold
            for key, witness in gone.items():
                assert witness not in gone
                pair = tuple(sorted((number[key], number[witness])))
                assert true[pair] >= threshold - 1e-12
    assert results[0] == results[1]


def test_at_moves_both_ways_without_finding_again(monkeypatch):
    texts = [f"{np.cos(a):.9f},{np.sin(a):.9f}" for a in (0, 0.1, 0.3, 0.31)]
    df = texts_frame(texts)
    found = dm.dedup.semantic(df, threshold=0.99, floor=0.9, text="text", encoder=Table(2))
    assert set(found.decisions()["id"]) == {"web#1", "web#3"}

    def never(*_):
        raise AssertionError("the texts were embedded again")

    monkeypatch.setattr(Table, "encode", never)
    assert set(found.at(0.999).decisions()["id"]) == {"web#3"}
    assert set(found.at(0.95).decisions()["id"]) == {"web#1", "web#2", "web#3"}
    assert repr(found.at(0.95)) == (
        "<Duplicates: semantic; text='text', threshold=0.95, floor=0.9; 4 rows compared, 6 pairs "
        "found, 3 rows would go>"
    )
    with pytest.raises(ValueError, match="floor"):
        found.at(0.85)


def test_scores_are_exact():
    rng = np.random.default_rng(1)
    texts = [",".join(f"{x:.6f}" for x in row) for row in rng.normal(size=(40, 8))]
    found = dm.dedup.semantic(
        texts_frame(texts), threshold=0.3, floor=0.0, text="text", encoder=Table(8)
    )
    vectors = Table(8).encode(texts).astype(np.float64)
    for row in found.pairs.itertuples():
        a, b = (vectors[int(key.partition("#")[2])] for key in (row.id, row.other))
        assert row.score == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)), abs=1e-6)
    assert len(found.pairs) == len(brute_pairs(vectors, 0.0))


def test_zero_vectors_and_bad_encoders():
    df = texts_frame(["0,0", "0,0.0", "1,0", "nan,1"])
    live = dm.read([{"text": t} for t in ("0,0", "0,0.0", "1,0")], name="z")
    found = dm.dedup.semantic(live, threshold=0.5, text="text", encoder=Table(2))
    assert found.decisions().empty
    with pytest.raises(ValueError, match="NaN"):
        dm.dedup.semantic(df, threshold=0.5, text="text", encoder=Table(2)).mark()

    class Wrong(Table):
        def encode(self, texts):
            return np.zeros((len(texts), 3), np.float32)

    with pytest.raises(ValueError, match=r"shape .* expected"):
        dm.dedup.semantic(live, threshold=0.5, text="text", encoder=Wrong(2, "wrong")).mark()


def test_bad_arguments():
    df = texts_frame(["a"])
    with pytest.raises(ValueError, match="floor"):
        dm.dedup.semantic(df, threshold=0.5, floor=0.6)
    with pytest.raises(ValueError, match="normalise"):
        dm.dedup.exact(df, normalise="some")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not an encoder"):
        dm.dedup.semantic(df, encoder=object())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="neither a view nor a column"):
        dm.dedup.exact(df, text="nothing")


def test_double_ids_are_an_error():
    pdf = texts_frame(["a", "b"]).compute()
    pdf["id"] = "same"
    with pytest.raises(ValueError, match="more than once"):
        dm.dedup.exact(pdf).mark()


def test_much_removed_warns_and_names_source_and_pairs():
    df = texts_frame(["same"] * 40 + [str(n) for n in range(20)])
    with pytest.warns(DuplicatesWarning, match=r"39 of 60 live rows of source 'web'.*web#"):
        dm.dedup.exact(df).mark()


def test_pandas_in_pandas_out():
    pdf = texts_frame(["a", "a"]).compute()
    marked = dm.dedup.exact(pdf).mark()
    assert isinstance(marked, pd.DataFrame)
    assert marked["drop_reason"].tolist()[1] == "exact_duplicate"


def test_marking_another_frame_goes_by_id():
    df = texts_frame(["a", "a", "b"])
    dups = dm.dedup.exact(df)
    later = dm.filters.length(df, min=1, unit="words", text="text")
    assert marks(dups.mark(later))["web#1"] == "same text as web#0"
    few = later.compute().iloc[1:]
    assert marks(dups.mark(few)) == {"web#1": "same text as web#0", "web#2": None}
