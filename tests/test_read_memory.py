"""Frames in hand: pandas, Dask, a Hugging Face `Dataset`, a list of records; and several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from reading import alive, malformed, read, rows

import datamerge as dm
from datamerge.read import memory

CHATS = [
    {"messages": [{"role": "user", "content": f"Hi {n} 🙂"}], "n": n, "tag": None if n % 2 else "x"}
    for n in range(25)
]
RECORDS = [
    {"instruction": f"Add {n} and {n}.", "input": "", "output": str(2 * n)} for n in range(9)
]


def as_pandas(records: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(records)


def as_dataset(records: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("datasets").Dataset.from_list(records)


@pytest.mark.parametrize("make", [list, as_pandas, as_dataset])
@pytest.mark.parametrize("records", [CHATS, RECORDS], ids=["chats", "alpaca"])
def test_a_frame_in_hand_gives_what_its_records_in_a_file_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, records: list[Any]
) -> None:
    (tmp_path / "frame.json").write_text(json.dumps(records))
    expected = read(str(tmp_path / "frame.json"), name="frame")
    expected["id"] = expected["id"].str.replace("frame/frame.json", "frame").astype("str")
    found = read(make(records))
    assert rows(found) == rows(expected)
    monkeypatch.setattr(memory, "ROWS", 4)
    assert dm.read(make(records)).npartitions == -(-len(records) // 4)
    assert rows(read(make(records))) == rows(expected)


def test_rows_of_a_dask_frame_are_numbered_within_their_partition() -> None:
    lazy = dd.from_pandas(pd.DataFrame(RECORDS), npartitions=3, sort=False)
    df = read(lazy, name="d")
    assert df["id"].tolist() == [f"d#{p * 10**9 + n}" for p in range(3) for n in range(3)]
    assert [turns[1]["content"] for turns in df["messages"]] == [str(2 * n) for n in range(9)]


def test_a_dask_frame_whose_first_partition_is_empty() -> None:
    frame = pd.DataFrame({"text": ["a", "b"]})
    empty = dd.from_pandas(frame.iloc[:0], npartitions=1)
    df = read(dd.concat([empty, dd.from_pandas(frame, npartitions=2)]))
    assert df["text"].tolist() == ["a", "b"]


@pytest.mark.parametrize("make", [list, as_pandas])
def test_without_rows(make: Any) -> None:
    assert len(read(make([]))) == 0
    assert "text" in read(pd.DataFrame({"text": pd.Series([], dtype=str)}))


def test_values_of_pandas_are_plain_values_and_nested_ones_stay_as_they_are() -> None:
    frame = pd.DataFrame(
        {
            "text": ["a", "b"],
            "float": [1.5, np.nan],
            "int": pd.array([1, None], "Int64"),
            "when": [pd.Timestamp("2026-01-02"), pd.NaT],
            "kind": pd.Categorical(["x", None]),
            "nested": [{"a": 1}, {"b": [np.int64(2), None]}],
            "mixed": ["x", 5],
            "array": [np.array([1, 2]), None],
        }
    )
    first, second = (json.loads(meta) for meta in read(frame)["meta"])
    assert first == {
        "float": 1.5,
        "int": 1,
        "when": "2026-01-02T00:00:00",
        "kind": "x",
        "nested": {"a": 1},
        "mixed": "x",
        "array": [1, 2],
    }
    nothing = dict.fromkeys(["float", "int", "when", "kind", "array"])
    assert second == {**nothing, "nested": {"b": [2, None]}, "mixed": 5}


def test_odd_records_in_a_list_are_set_aside_and_shown() -> None:
    circle: dict[str, Any] = {"text": 5}
    circle["self"] = circle
    odd = [
        *({"text": 5}, None, 7, {"text": "\ud800"}, {"text": "x", "set": {1}}, circle),
        {"text": "y", "deep": _nested(5000)},
    ]
    df = read([{"text": "good", 5: 2}, {"text": "fine"}, *odd], type="text")
    found = malformed(df)
    assert alive(df)["text"].tolist() == ["good", "fine"]
    assert list(found) == [*range(2, 9)]
    assert found[2] == ("text is int, expected string", b'{"text":5}')
    assert found[3] == ("record is null", b"null")
    assert found[5][0] == "a lone surrogate U+D800 is no text"
    assert found[5][1] == b"{'text': '\\ud800'}"


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_integers_of_any_size_survive() -> None:
    df = read([{"text": "a", "n": 2**80}, {"text": "b", "n": -(2**64)}])
    assert [json.loads(meta)["n"] for meta in df["meta"]] == [2**80, -(2**64)]


def test_columns_of_one_name_are_an_error() -> None:
    frame = pd.DataFrame([["a", "b"]], columns=["text", "text"])
    with pytest.raises(ValueError, match="two columns"):
        dm.read(frame, type="text")


def test_what_is_no_frame_is_an_error() -> None:
    datasets = pytest.importorskip("datasets")
    split = datasets.DatasetDict({"train": as_dataset(RECORDS)})
    with pytest.raises(TypeError, match="DatasetDict streams or holds several splits"):
        dm.read(split)
    with pytest.raises(TypeError, match="IterableDataset"):
        dm.read(as_dataset(RECORDS).to_iterable_dataset())
    with pytest.raises(TypeError, match="cannot read a int"):
        dm.read(5)
    with pytest.raises(ValueError, match="nothing to read"):
        dm.read()
    with pytest.raises(ValueError, match="'path' or 'frame'"):
        dm.read({"name": "a"})


def test_the_same_frame_gives_the_same_name_and_another_one_another() -> None:
    frame = pd.DataFrame(RECORDS)
    for make in (list, as_pandas, as_dataset):
        assert dm.read(make(RECORDS))._name == dm.read(make(RECORDS))._name
    assert dm.read(frame)._name != dm.read(frame.iloc[::-1])._name
    assert dm.read(RECORDS)._name != dm.read([*RECORDS[:-1], {**RECORDS[0], "n": 1}])._name


# Several sources


def test_sources_of_all_kinds_in_one_frame(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text('{"text": "from a file"}\n')
    df = dm.read(
        str(tmp_path / "lines.jsonl"),
        {"frame": pd.DataFrame(RECORDS[:2]), "name": "sums"},
        {"frame": CHATS[:1], "name": "chats"},
        {
            "frame": [{"q": "Why?", "a": "So."}],
            "name": "asked",
            "field_question": "q",
            "field_answer": "a",
        },
    ).compute()
    assert df["source"].tolist() == ["asked", "chats", "lines", "sums", "sums"]
    assert df["text"].isna().tolist() == [True, True, False, True, True]
    assert df["messages"].isna().tolist() == [False, False, True, False, False]
    assert df["id"].is_unique


def test_columns_that_clash_in_type_merge_without_loss() -> None:
    one = [{"text": "a", "score": 1}, {"text": "b", "score": [1, {"x": None}]}]
    other = pd.DataFrame({"text": ["c"], "score": ["high"]})
    df = read({"frame": one, "name": "one"}, {"frame": other, "name": "other"})
    scores = [json.loads(meta)["score"] for meta in df["meta"]]
    assert scores == [1, [1, {"x": None}], "high"]


def test_two_sources_of_one_name() -> None:
    with pytest.raises(ValueError, match="two sources are named 'a'"):
        dm.read({"frame": RECORDS, "name": "a"}, {"frame": RECORDS, "name": "a"})
    with pytest.raises(ValueError, match="name"):
        dm.read(RECORDS, RECORDS)
    with pytest.raises(ValueError, match="name= is for one input"):
        dm.read(RECORDS, CHATS, name="a")
