"""Parquet and CSV: by columns or by records, split by row groups, and damaged."""

from __future__ import annotations

import datetime
import decimal
import io
import json
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import COMPRESS, alive, malformed, positions, read, rows

import datamerge as dm
from datamerge.read import cut
from datamerge.read.batches import add_batch, batch_items
from datamerge.read.columnar import read_columns
from datamerge.read.records import COLUMNS, Rows
from datamerge.schema import Schema, normaliser

CHAT = [{"role": "user", "content": "Hi 🙂"}, {"role": "assistant", "content": "Hello"}]


# By columns is the same as by records

text = st.text(
    alphabet=st.sampled_from(
        [*'ab "\\\n\t\x00\x1f\x7f<{', "ü", "水", "🙂", "\u2028", "\xa0", "\u200b"]
    ),
    max_size=6,
)
said = st.one_of(st.none(), text, st.just("\n\nHuman: a\n\nAssistant: b"), st.just(" \n\t"))
OTHERS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "string": (pa.string(), st.none() | text),
    "view": (pa.string_view(), st.none() | text),
    "int": (pa.int64(), st.none() | st.integers(-(2**63), 2**63 - 1)),
    "uint": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "bool": (pa.bool_(), st.none() | st.booleans()),
    "null": (pa.null(), st.none()),
    "float": (pa.float64(), st.none() | st.floats()),
    "day": (pa.date32(), st.none() | st.dates()),
    "money": (pa.decimal128(20, 2), st.decimals(-9, 9, places=2)),
    "bytes": (pa.binary(), st.none() | st.binary(max_size=4)),
    "list": (pa.list_(pa.string()), st.none() | st.lists(text, max_size=2)),
    'a "quoted" name': (pa.struct({"x": pa.int8()}), st.fixed_dictionaries({"x": st.none()})),
}
SCHEMAS = {
    "text": ["text"],
    "question_answer": ["question", "answer", "system"],
    "prompt_completion": ["prompt", "completion", "system"],
    "alpaca": ["instruction", "input", "output", "system"],
    "instruction": ["instruction", "input"],
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, pa.RecordBatch]:
    type = draw(st.sampled_from(sorted(SCHEMAS)))
    size = draw(st.integers(0, 5))
    fields = {
        name: (draw(st.sampled_from([pa.string(), pa.large_string()])), said)
        for name in SCHEMAS[type]
        if name not in ("system", "input") or draw(st.booleans())
    }
    fields |= {name: OTHERS[name] for name in draw(st.lists(st.sampled_from(sorted(OTHERS))))}
    names = draw(st.permutations(sorted(fields)))
    arrays = [
        pa.array(draw(st.lists(fields[n][1], min_size=size, max_size=size)), fields[n][0])
        for n in names
    ]
    return type, pa.RecordBatch.from_arrays(arrays, names)


def both_ways(type: str, batch: pa.RecordBatch) -> tuple[Any, Any]:
    schema = Schema.usual(type)
    by_record, by_column = (Rows(normaliser(schema), "s") for _ in range(2))
    by_record.add(batch_items(batch, np.arange(7, 7 + batch.num_rows)), "f")
    add_batch(by_column, batch, 7, "f", schema)
    return by_record.frame(COLUMNS), by_column.frame(COLUMNS)


@settings(max_examples=400, deadline=None)
@given(tables())
def test_columns_give_the_rows_that_records_give(drawn: tuple[str, pa.RecordBatch]) -> None:
    by_record, by_column = both_ways(*drawn)
    assert rows(by_column) == rows(by_record)
    assert by_column.dtypes.equals(by_record.dtypes)
    assert by_column["id"].tolist() == [f"f#{n}" for n in range(7, 7 + len(by_record))]


def test_flat_tables_are_read_by_column_and_only_their_odd_rows_by_record() -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["a", None, "c"], "n": [1, 2, None]})
    found = read_columns(batch, Schema.usual("text"))
    assert found is not None and found.odd.tolist() == [False, True, False]
    assert found.meta.to_pylist() == ['{"n":1}', '{"n":2}', '{"n":null}']
    chats = pa.RecordBatch.from_pydict({"messages": [CHAT]})
    assert read_columns(chats, Schema.usual("messages")) is None
    mostly_odd = pa.RecordBatch.from_pydict({"text": ["a", None, None]})
    assert read_columns(mostly_odd, Schema.usual("text")) is None


def test_dictionary_encoded_strings_are_strings() -> None:
    column = pa.array(["a", "b", "a", None]).dictionary_encode()
    by_record, by_column = both_ways("text", pa.RecordBatch.from_pydict({"text": column}))
    assert rows(by_column) == rows(by_record)


@pytest.mark.parametrize("column", ["text", "note"])
def test_a_string_that_is_not_utf8_is_set_aside_alone(tmp_path: Path, column: str) -> None:
    strings = pa.array([b"a", b"caf\xe9", b"c"]).view(pa.string())
    table = pa.table({"text": ["x", "y", "z"], "note": ["1", "2", "3"]})
    table = table.set_column(table.column_names.index(column), column, strings)
    pq.write_table(table, tmp_path / "a.parquet")
    df = read(str(tmp_path / "a.parquet"), type="text")
    assert positions(alive(df)) == [0, 2]
    [(reason, raw)] = malformed(df).values()
    assert reason == f"invalid UTF-8 in column '{column}': unexpected end of data"
    assert json.loads(raw)[column] == "Y2Fm6Q=="


# Parquet files


def write_groups(path: Path, rows: int = 100, size: int = 10, **options: Any) -> list[str]:
    texts = [f"text number {n} " + "word " * (n % 7) for n in range(rows)]
    table = pa.table({"text": texts, "n": list(range(rows))})
    pq.write_table(table, path, row_group_size=size, **options)
    return texts


def test_row_groups_are_shared_out_and_rows_are_numbered_through(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = write_groups(path)
    whole = read(str(path), name="s")
    assert whole["text"].tolist() == texts
    assert whole["id"].tolist() == [f"s/a.parquet#{n}" for n in range(100)]
    assert dm.read(str(path), blocksize=1).npartitions == 100
    assert dm.read(str(path), blocksize=500).npartitions == 10
    for size in (1, 60, 500, 1000):
        assert rows(read(str(path), name="s", blocksize=size)) == rows(whole)


def test_a_table_without_rows_is_known_by_its_columns(tmp_path: Path) -> None:
    none = pa.array([], pa.string())
    pq.write_table(pa.table({"instruction": none, "output": none}), tmp_path / "a.parquet")
    df = read(str(tmp_path / "a.parquet"))
    assert len(df) == 0 and "messages" in df
    pq.write_table(pa.table({"text": none}), tmp_path / "b.parquet")
    assert "text" in read(str(tmp_path / "b.parquet"))


def test_nested_messages_and_values_of_all_kinds(tmp_path: Path) -> None:
    table = pa.table(
        {
            "messages": [CHAT, None, [{"role": "user", "content": None}]],
            "day": [datetime.date(2026, 1, 2), None, None],
            "money": [decimal.Decimal("1.50"), None, None],
            "bytes": [b"\xff", None, None],
            "tags": [["x", None], [], None],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    df = read(str(tmp_path / "a.parquet"))
    assert [(t["role"], t["content"]) for t in df["messages"].iloc[0]] == [
        ("user", "Hi 🙂"),
        ("assistant", "Hello"),
    ]
    meta = json.loads(df["meta"].iloc[0])
    assert meta == {"day": "2026-01-02", "money": "1.50", "bytes": "/w==", "tags": ["x", None]}
    found = malformed(df)
    assert {n: reason for n, (reason, _) in found.items()} == {
        1: "messages is null",
        2: "messages[0].content is null",
    }
    assert json.loads(found[2][1])["messages"] == [{"role": "user", "content": None}]


@pytest.mark.parametrize("checksums", [True, False])
def test_a_corrupt_page_sets_its_row_group_aside_and_no_other(
    tmp_path: Path, checksums: bool
) -> None:
    path = tmp_path / "a.parquet"
    texts = write_groups(path, write_page_checksum=checksums, compression="zstd")
    chunk = pq.ParquetFile(path).metadata.row_group(3).column(0)
    data = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    stop = start + chunk.total_compressed_size
    for at in range(stop - 40, stop - 20):
        data[at] ^= 0xFF
    path.write_bytes(data)
    df = read(str(path))
    assert positions(df) == list(range(100))
    assert alive(df)["text"].tolist() == texts[:30] + texts[40:]
    found = malformed(df)
    assert list(found) == list(range(30, 40))
    for n, (reason, raw) in found.items():
        assert reason.startswith("corrupt Parquet page in row group 3, column 'text': ")
        good = json.loads(raw)
        assert (good["columns"] if n == 30 else good) == {"n": n}
    import base64

    kept = json.loads(found[30][1])["damaged_chunks_base64"]
    assert base64.b64decode(kept["text"]) == bytes(data[start:stop])
    for size in (60, 200):
        assert rows(read(str(path), blocksize=size)) == rows(df)


def test_a_shared_row_group_is_read_anew_when_its_file_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for turn in ("one", "two"):
        texts = [f"{turn} {n}" for n in range(40)]
        pq.write_table(pa.table({"text": texts}), path, row_group_size=40)
        df = dm.read(str(path), blocksize=60)
        assert df.npartitions > 1
        assert df.compute()["text"].tolist() == texts


def test_the_schema_is_recognised_though_the_first_page_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_groups(path, write_page_checksum=True)
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(0)
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size - 30] ^= 0xFF
    path.write_bytes(data)
    df = read(str(path))
    assert list(malformed(df)) == list(range(10)) and len(df) == 100


NOT_PARQUET = {"cut": slice(0, -9), "head": slice(0, 40), "empty": slice(0, 0)}


@pytest.mark.parametrize("cut", list(NOT_PARQUET))
def test_what_is_no_parquet_file_is_an_error_that_names_it(tmp_path: Path, cut: str) -> None:
    write_groups(tmp_path / "whole.parquet")
    data = (tmp_path / "whole.parquet").read_bytes()[NOT_PARQUET[cut]]
    (tmp_path / "whole.parquet").unlink()
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(dm.ReadError, match=r"a\.parquet: not a readable Parquet file"):
        dm.read(str(tmp_path / "a.parquet"))
    for size in ("16MiB", 1):
        df = read(str(tmp_path / "a.parquet"), on_error="quarantine", blocksize=size)
        [(n, (reason, raw))] = malformed(df).items()
        assert (n, raw) == (0, data) and "a.parquet: not a readable Parquet file" in reason


def test_footers_are_read_some_at_a_time_and_parts_stay_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(60):
        table = pa.table({"text": [f"{n} {m} {'x' * 400}" for m in range(8)]})
        pq.write_table(table, tmp_path / f"{n:02}.parquet", row_group_size=4)
    one = read(str(tmp_path), name="s")
    under_way, most, lock = set(), [0], threading.Lock()
    real = cut._row_groups

    def counted(file: Any, blocksize: int) -> Any:
        with lock:
            under_way.add(file.name)
            most[0] = max(most[0], len(under_way))
        time.sleep(0.01)
        yield from real(file, blocksize)
        with lock:
            under_way.remove(file.name)

    monkeypatch.setattr(cut, "_row_groups", counted)
    lazy = dm.read(str(tmp_path), name="s", blocksize=1_000)
    assert lazy.npartitions > 60 and 1 < most[0] <= cut.LOOKS
    assert lazy.compute()["id"].tolist() == one["id"].tolist()
    for bad in ("41", "23", "57"):  # the sample, which is taken first, is of others
        (tmp_path / f"{bad}.parquet").write_bytes(b"no such thing" * 1_000)
    with pytest.raises(dm.ReadError, match=r"23\.parquet: not a readable Parquet file"):
        dm.read(str(tmp_path), blocksize=1_000)
    found = read(str(tmp_path), name="s", blocksize=1_000, on_error="quarantine")
    assert len(malformed(found)) == 1 and len(found) == 57 * 8 + 3


def test_footers_in_an_archive_are_read_one_after_another(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for n in range(20):
            write_groups(tmp_path / "one.parquet")
            archive.write(tmp_path / "one.parquet", f"x/{n:02}.parquet")
    df = read(f"zip://x/*.parquet::{tmp_path}/a.zip", name="z", blocksize=1_000)
    assert len(df) == 2_000


def test_two_columns_of_one_name_are_an_error_not_a_loss(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(dm.ReadError, match="two of its columns are named 'text'"):
        dm.read(str(tmp_path / "a.parquet"))


# CSV


def csv(tmp_path: Path, data: bytes, name: str = "a.csv", **options: Any) -> Any:
    (tmp_path / name).write_bytes(data)
    return read(str(tmp_path / name), **options)


CELLS = st.lists(
    st.lists(st.text(alphabet='ab,"\n\r\t; ü\u2028\x0b', max_size=6), min_size=2, max_size=2),
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(cells=CELLS, end=st.sampled_from(["\n", "\r\n"]), tabs=st.booleans())
def test_what_the_csv_module_writes_is_read(
    tmp_path_factory: Any, cells: list[list[str]], end: str, tabs: bool
) -> None:
    import csv as module

    out = io.StringIO(newline="")
    writer = module.writer(
        out, delimiter="\t" if tabs else ",", lineterminator=end, quoting=module.QUOTE_ALL
    )
    writer.writerows([["text", "more"], *cells])
    path = tmp_path_factory.mktemp("csv") / ("a.tsv" if tabs else "a.csv")
    path.write_bytes(out.getvalue().encode())
    df = read(str(path), type="text")
    assert [
        [t, json.loads(m)["more"]] for t, m in zip(df["text"], df["meta"], strict=True)
    ] == cells
    assert positions(df) == list(range(len(cells)))


def test_odd_lines_of_a_table_are_set_aside_with_their_bytes(tmp_path: Path) -> None:
    data = (
        b"\xef\xbb\xbftext,label\r\nplain,1\r\n\r\n"
        b'"two\r\nlines, and ""quotes""",2\r\n'
        b'a 5" pipe,3\r\n'
        b"one,two,three\r\n"
        b"caf\xe9,4\r\n"
        b'"quoted" and more,5\r\n'
        b",6\r\n"
        b'"never closed,7\r\nplain,8\r\n'
    )
    df = csv(tmp_path, data)
    assert alive(df)["text"].tolist() == ["plain", 'two\r\nlines, and "quotes"', 'a 5" pipe', ""]
    assert malformed(df) == {
        3: ("3 fields, expected 2", b"one,two,three\r"),
        4: ("invalid UTF-8 at byte 3: invalid continuation byte", b"caf\xe9,4\r"),
        5: ("invalid CSV: ',' expected after '\"'", b'"quoted" and more,5\r'),
        7: ("invalid CSV: unexpected end of data", b'"never closed,7\r\nplain,8\r'),
    }
    assert json.loads(df["meta"].iloc[0]) == {"label": "1"}


@pytest.mark.parametrize("suffix", list(COMPRESS))
def test_compressed_tables(tmp_path: Path, suffix: str) -> None:
    df = csv(tmp_path, COMPRESS[suffix](b"question,answer\n1 + 1?,2\n"), f"a.csv{suffix}")
    assert [turn["content"] for turn in df["messages"].iloc[0]] == ["1 + 1?", "2"]


def test_a_table_with_nothing_but_a_header_and_one_with_nothing(tmp_path: Path) -> None:
    assert len(csv(tmp_path, b"")) == 0
    df = csv(tmp_path, b"text,label\n")
    assert len(df) == 0 and "text" in df
    with pytest.raises(dm.schema.SchemaError, match="name"):
        csv(tmp_path, b"name,summary\nx,y\n")


def test_a_header_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(dm.ReadError, match=r"a\.csv: two of its columns are named 'text'"):
        csv(tmp_path, b"text,text\na,b\n")
    with pytest.raises(dm.ReadError, match="the header of the table can't be read: invalid UTF-8"):
        csv(tmp_path, b"t\xffxt\na\n")
    data = b"text,text\na,b\n"
    [(reason, raw)] = malformed(csv(tmp_path, data, on_error="quarantine")).values()
    assert "two of its columns" in reason and raw == data


def test_a_gz_cut_within_a_quoted_field(tmp_path: Path) -> None:
    body = b"text\n" + b"".join(b'"%d\n%d"\n' % (n * 7919, n**5) for n in range(20_000))
    packed = COMPRESS[".gz"](body)
    df = csv(tmp_path, packed[: len(packed) // 2], "a.csv.gz")
    [(n, (reason, raw))] = malformed(df).items()
    assert (n, reason) == (len(df) - 1, "gzip stream is truncated")
    assert alive(df)["text"].tolist() == [f"{i * 7919}\n{i**5}" for i in range(n)]
    assert (b'"%d\n%d"\n' % (n * 7919, n**5)).startswith(raw) or not raw
