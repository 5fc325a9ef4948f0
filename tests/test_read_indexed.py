"""Tables in text, and compressed arrays: tasks share a file, and nothing differs from reading it
whole."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reading import COMPRESS, alive, malformed, positions, read, rows

import datamerge as dm
from datamerge.read import _record_kernels as kernels
from datamerge.read import arrays, compression, indexed, lines, sources, starts, unpacked
from datamerge.read.delimited import Delimiter, csv_items
from datamerge.read.records import Broken
from datamerge.read.sources import File
from datamerge.workdir import sealed, waiting

PACKED = [suffix for suffix in COMPRESS if suffix]


@pytest.fixture(autouse=True)
def small_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(unpacked, "BLOCK", 1_500)
    monkeypatch.setattr(compression, "STEP", 1_000)
    monkeypatch.setattr(starts, "EVERY", 100)
    monkeypatch.setattr(arrays, "EVERY", 100)
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


# Shares of a table are the records of the whole: by bytes, with no file system


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def told(items: Iterable[Any]) -> list[Any]:
    """Every item, and the error at the end, as they compare."""
    found: list[Any] = []
    try:
        for number, value, raw in items:
            found.append((number, value.reason if isinstance(value, Broken) else value, raw))
    except Broken as error:
        found.append(("broken", error.reason, error.position, error.raw))
    return found


def breaking(chunks: list[bytes], broken: str | None) -> Iterator[bytes]:
    yield from chunks
    if broken:
        raise Broken(broken)


def whole(data: bytes, delimiter: Delimiter, broken: str | None) -> list[Any]:
    blocks = lines.utf8(lines.stream_blocks(breaking([data], broken)))
    return told(csv_items(lines.lines_of(blocks), delimiter))


def shared(
    data: bytes, delimiter: Delimiter, broken: str | None, sizes: tuple[int, int, int]
) -> list[Any]:
    size, every, block = sizes
    name = "a.csv" if delimiter == "," else "a.tsv"
    file = File(name, name, len(data), "", "csv", None, name, None)
    scanner = starts.Scanner(delimiter, every)
    index = np.concatenate([scanner.first, *map(scanner.places, chunked(data, size))])
    found = []
    bounds = [*range(0, len(data), block), len(data)] if data else [0, 0]
    for start, stop in pairwise(bounds):
        found += told(indexed.items(file, io.BytesIO(data), index, start, stop, broken))
    return found


BITS = [
    *(b'"', b'""', b",", b"\t", b"\n", b"\r\n", b"\r", b" ", b"\x0b", b"\x0c", b"\x00", b"\x1c"),
    *("ü".encode(), b"\xff", b"\xef\xbb\xbf", "\x85\u2028".encode(), b"a", b"bc", b"'", b"\\"),
    *(b'",', b'"\n', b',"', b'\n"', b'"\r\n', b'"a', b"a,b\n", b'"a\nb",c\r\n', b"\n\n"),
]
nasty = st.lists(st.sampled_from(BITS), max_size=40).map(b"".join)
heads = st.sampled_from([b"", b"a,b\n", b"a\tb\r\n", b"\xef\xbb\xbf", b'"a\n",b\n', b"\n \na,b\n"])
three = st.tuples(st.integers(3, 40), st.integers(1, 30), st.integers(1, 40))


@settings(max_examples=1000, deadline=None)
@given(
    data=st.tuples(heads, nasty).map(b"".join),
    delimiter=st.sampled_from([",", "\t"]),
    broken=st.sampled_from([None, None, "the stream breaks"]),
    sizes=three,
)
@example(data=b"", delimiter=",", broken=None, sizes=(3, 1, 1))
@example(data=b"", delimiter=",", broken="breaks", sizes=(3, 1, 1))
@example(data=b"a\nb\n", delimiter=",", broken="breaks", sizes=(3, 1, 1))
@example(data=b'a\nb\n"c\nd\n', delimiter=",", broken="breaks", sizes=(3, 1, 1))
@example(data=b"\xef\xbb\xbf\n1\n", delimiter=",", broken=None, sizes=(3, 1, 1))
@example(data=b"a,a\n1,2\n3,4\n", delimiter=",", broken=None, sizes=(3, 1, 1))
@example(data="a\nb\nc\n".encode("utf-16"), delimiter=",", broken=None, sizes=(3, 1, 1))
@example(data=b'a\n"b" c\n\r\n \rx\n"d', delimiter=",", broken=None, sizes=(3, 1, 1))
def test_shares_of_a_table_are_the_records_of_the_whole(
    data: bytes, delimiter: Delimiter, broken: str | None, sizes: tuple[int, int, int]
) -> None:
    one = whole(data, delimiter, broken)
    many = shared(data, delimiter, broken, sizes)
    if one and one[0][0] == "broken" and not one[0][3]:
        # Of a header that can't be read, no share knows anything but the first.
        assert many[0][:2] == one[0][:2] and all(item == many[0] for item in many)
    else:
        assert many == one


@settings(max_examples=300, deadline=None)
@given(data=st.tuples(heads, nasty).map(b"".join), sizes=three)
def test_places_do_not_depend_on_chunks(data: bytes, sizes: tuple[int, int, int]) -> None:
    size, every, _ = sizes
    found = []
    for chunks in (chunked(data, size), [data]):
        scanner = starts.Scanner(",", every)
        found.append(np.concatenate([scanner.first, *map(scanner.places, chunks)]).tolist())
    assert found[0] == found[1]
    places = [place for place, _ in found[0]]
    assert all(b - a >= every for a, b in pairwise(places))


def test_behind_a_record_too_long_for_the_reader_nothing_is_shared_out() -> None:
    scanner = starts.Scanner(",", 1)
    assert scanner.places(b"a\n1\n").tolist() == [[2, 0], [4, 1]]
    scanner.base += kernels.LONGEST
    assert scanner.places(b'"\n2\n3\n').tolist() == []


def test_the_pass_goes_by_words_of_eight_bytes_and_misses_none() -> None:
    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"abcdefgh\x80\xa2\xff\x23\x21\x0b\x09\x2d", np.uint8)
    for _ in range(300):
        data = rng.choice(letters, rng.integers(20, 120))
        data[rng.integers(0, len(data), 6)] = rng.choice(np.frombuffer(b'"\n\r,', np.uint8), 6)
        text = b"a\n" + data.tobytes()
        assert shared(text, ",", None, (1 << 20, 1, 9)) == whole(text, ",", None)


# Files


CELLS = [f'{n} größe, "quoted"\n' + "x" * (n % 50) + "\r\n" * (n % 3) for n in range(300)]


def table(tmp_path: Path, name: str, end: str = "\n") -> Path:
    out = io.StringIO(newline="")
    delimiter = "\t" if ".tsv" in name else ","
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerows([["text", "n"], *([cell, str(n)] for n, cell in enumerate(CELLS))])
    path = tmp_path / name
    path.write_bytes(COMPRESS["".join(path.suffixes[1:])](out.getvalue().encode()))
    return path


def both(path: Path, blocksize: int = 1_000, **options: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a file by shares, and as one stream."""
    lazy = dm.read(str(path), blocksize=blocksize, **options)
    assert lazy.npartitions > 1
    return lazy.compute().reset_index(drop=True), read(str(path), **options)


def kept(folder: Path, kind: str) -> list[Path]:
    return list((folder / "work" / kind).glob("*"))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize("suffix", list(COMPRESS))
def test_a_table_is_read_the_same_whole_or_shared_out(
    tmp_path: Path, name: str, suffix: str, end: str
) -> None:
    path = table(tmp_path, name + suffix, end)
    for blocksize in (100, 1_000):
        pieces, one = both(path, blocksize)
        pd.testing.assert_frame_equal(pieces, one)
    assert one["text"].tolist() == CELLS
    assert positions(one) == list(range(len(CELLS)))
    assert len(kept(tmp_path, "unpacked" if suffix else "elements")) == 1


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_odd_records_and_a_quote_that_never_closes(tmp_path: Path, suffix: str) -> None:
    body = [b'"%d\nx",%d\n' % (n, n) for n in range(200)]
    body[50:50] = [b"\n", b" \r\n", b"one,two,three\n", b"caf\xe9,4\r\n", b'"quoted" and,5\n']
    body[120:120] = [b"lone\rreturn,1\n", b'a 5" pipe,3\n']
    tail = b'"never closed,7\nplain,8\n' * 20
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(COMPRESS[suffix](b"\xef\xbb\xbftext,label\n" + b"".join(body) + tail))
    pieces, one = both(path, 200)
    pd.testing.assert_frame_equal(pieces, one)
    found = malformed(one)
    assert [at for at in found if at < 200] == [50, 51, 52, 120 - 2]
    assert len(found) > 5 and len(alive(one)) > 200


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("name", ["a.csv", "a.json", "b.json"])
def test_a_stream_breaks_at_the_same_place(tmp_path: Path, name: str, suffix: str) -> None:
    if name == "a.csv":
        body = b"text,n\n" + b"".join(b'"%d\n%d",%d\n' % (n * 7919, n**5, n) for n in range(900))
    else:
        records = [{"text": f"{n * 7919}\n{n**5}"} for n in range(900)]
        shown = json.dumps(records) if name == "a.json" else "".join(map(json.dumps, records))
        body = shown.encode()
    packed = COMPRESS[suffix](body)
    path = tmp_path / f"{name}{suffix}"
    for cut in range(0, len(packed), len(packed) // 7):
        path.write_bytes(packed[:cut])
        lazy = dm.read(str(path), blocksize=1_000, on_error="quarantine", type="text")
        one = read(str(path), on_error="quarantine", type="text")
        pd.testing.assert_frame_equal(lazy.compute().reset_index(drop=True), one)
        # Where nothing can be unpacked, nobody knows what kind of JSON it is.
        shared_out = lazy.npartitions > 1
        assert shared_out or len(one) == 1 or cut * 4 <= 1_000
        assert len(malformed(one)) == (1 if cut else 0)
    path.write_bytes(packed + b"no member of it")
    pieces, one = both(path)
    pd.testing.assert_frame_equal(pieces, one)


RECORDS = [{"text": f'{n} "quoted" \\ [brackets] {{}} 🙂', "n": n} for n in range(200)]


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("kind", ["array", "values"])
def test_compressed_arrays_and_values(
    tmp_path: Path, suffix: str, indent: int | None, kind: str
) -> None:
    if kind == "array":
        text = json.dumps(RECORDS, indent=indent)[:-1] + ', {"text": nope}] and more'
    else:
        text = "".join(json.dumps(record, indent=indent) for record in RECORDS) + "{"
    path = tmp_path / f"a.json{suffix}"
    path.write_bytes(COMPRESS[suffix](text.encode()))
    for blocksize in (150, 1_500):
        pieces, one = both(path, blocksize)
        pd.testing.assert_frame_equal(pieces, one)
    assert alive(one)["text"].tolist() == [record["text"] for record in RECORDS]
    assert len(malformed(one)) == (2 if kind == "array" else 1)
    assert len(kept(tmp_path, "unpacked")) == 1


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kind", ["names", "utf8", "utf16", "never"])
def test_a_header_that_cannot_be_read(tmp_path: Path, suffix: str, kind: str) -> None:
    body = b"1,2\n" * 1_000
    data = {
        "names": b"text,text\n" + body,
        "utf8": b"t\xffxt,n\n" + body,
        "utf16": b"\xff\xfe" + (b"text,n\n" + body).decode().encode("utf-16-le"),
        "never": b'text,"n\n' + body,
    }[kind]
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(COMPRESS[suffix](data))
    with pytest.raises(dm.ReadError, match=r"a\.csv.*: "):
        dm.read(str(path), blocksize=40)
    pieces, one = both(path, 40, on_error="quarantine", type="text")
    pd.testing.assert_frame_equal(pieces, one)
    assert len(one) == 1


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_nothing_but_a_header_and_blank_lines(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(COMPRESS[suffix](b"text,n\n" + b" \r\n" * 400))
    pieces, one = both(path, 10)
    pd.testing.assert_frame_equal(pieces, one)
    assert len(one) == 0


def test_small_tables_share_a_partition(tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"{n}.csv").write_text(f"text,n\na,{n}\n")
    df = dm.read(str(tmp_path), blocksize=1_000)
    assert df.npartitions == 1 and len(df) == 5


def test_planning_does_not_go_through_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,n\n" + b"some words in a row,1\n" * 300_000)

    def never(*given: Any) -> None:
        raise AssertionError("a pass over the file")

    monkeypatch.setattr(starts.Scanner, "places", never)
    assert dm.read(str(path), blocksize="1MiB").npartitions == 7
    assert not kept(tmp_path, "elements")


@pytest.mark.parametrize("name", ["a.csv", "a.json"])
def test_one_task_makes_the_index_and_the_others_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    if name == "a.csv":
        table(tmp_path, name)
    else:
        path.write_text(json.dumps(RECORDS))
    scanner: Any = starts.Scanner if name == "a.csv" else arrays.Scanner
    passes: list[int] = []
    real = scanner.places

    def slow(self: Any, chunk: bytes) -> np.ndarray:
        passes.append(threading.get_ident())
        time.sleep(0.5)
        return real(self, chunk)

    monkeypatch.setattr(scanner, "places", slow)
    df = dm.read(str(path), blocksize=500)
    with dask.config.set(scheduler="threads", num_workers=6):
        first, again = df.compute(), df.compute()
    pd.testing.assert_frame_equal(first, again)
    assert len(passes) == 1  # a chunk of 1 MiB is more than all of it


def test_an_index_is_made_again_when_it_is_damaged_or_the_file_changes(tmp_path: Path) -> None:
    path = table(tmp_path, "a.csv")
    before = read(str(path), blocksize=500)
    (index,) = kept(tmp_path, "elements")
    for damage in (lambda b: b[:-9], lambda b: b"", lambda b: b.replace(b"\x01", b"\x02")):
        index.write_bytes(damage(index.read_bytes()))
        assert rows(read(str(path), blocksize=500)) == rows(before)
    path.write_bytes(b"text,n\n" + b"".join(b'"%d\n",%d\n' % (n, n) for n in range(500)))
    assert len(read(str(path), blocksize=500)) == 500


@pytest.mark.parametrize("name", ["records.npy", "2"])
def test_a_damaged_part_of_what_was_unpacked_is_made_again(tmp_path: Path, name: str) -> None:
    df = dm.read(str(table(tmp_path, "a.csv.gz")), blocksize=2_000)
    before = df.compute()
    (folder,) = kept(tmp_path, "unpacked")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(sealed.DamagedError, match="the same run again makes it again"):
        df.compute()
    pd.testing.assert_frame_equal(df.compute(), before)


def test_who_died_making_an_index_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path, "a.csv")
    df = dm.read(str(path), blocksize=2_000)
    monkeypatch.setattr(waiting, "PATIENCE", 1.0)
    file = df.partitions[0].compute()  # makes the index
    (index,) = kept(tmp_path, "elements")
    index.rename(index.with_suffix(".making"))
    assert len(df.compute()) == len(CELLS) and len(file)
    assert [path.suffix for path in kept(tmp_path, "elements")] == [".npy"]


def test_files_that_cannot_be_told_from_changed_ones_are_gone_through_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path, "a.csv")
    one = read(str(path))
    monkeypatch.setattr(sources, "_stamp", lambda fs, info: "")
    pd.testing.assert_frame_equal(
        dm.read(str(path), blocksize=2_000).compute().reset_index(drop=True), one
    )
    assert not kept(tmp_path, "elements")


def test_content_is_read_like_a_file(tmp_path: Path) -> None:
    data = bytes(range(256)) * 20
    blocks = [data[:1000], data[1000:1001], data[1001:]]
    for number, block in enumerate(blocks):
        unpacked._write(tmp_path / str(number), block)
    content, plain = unpacked.Content(tmp_path, [0, 1000, 1001], len(data)), io.BytesIO(data)
    for offset, whence in ((0, 0), (990, 0), (1001, 0), (0, 2), (9_000, 0), (-7, 2)):
        assert content.seek(offset, whence) == plain.seek(offset, whence)
        for size in (0, 5, 30, -1):
            assert content.read(size) == plain.read(size)
