"""JSON files that hold one array, or values in a row: streamed, shared out, and broken."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reading import COMPRESS, alive, malformed, positions, read, rows

from datamerge.read import arrays, indexed
from datamerge.read.arrays import Scanner, stream_items
from datamerge.read.formats import json_format
from datamerge.read.records import Broken
from datamerge.read.sources import File


@pytest.fixture(autouse=True)
def _workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(arrays, "EVERY", 5)
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def streamed(data: bytes, size: int, *, is_array: bool = True) -> list[Any]:
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    return shown(stream_items(chunks, is_array=is_array))


def shared(
    data: bytes, size: int, block: int, *, is_array: bool = True, every: int = 1
) -> list[Any]:
    file = File("", "", len(data), "", "array" if is_array else "values", None, "", None)
    scanner = Scanner(is_array, every=every)
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    index = np.concatenate([scanner.first, *map(scanner.places, chunks)])
    found = []
    for start in range(0, len(data), block):
        stop = min(start + block, len(data))
        found += shown(indexed.items(file, io.BytesIO(data), index, start, stop))
    return found


def shown(items: Any) -> list[Any]:
    return [(n, v.reason if isinstance(v, Broken) else repr(v), raw) for n, v, raw in items]


tricky = st.text(alphabet='ab"\\[]{},: \n\t/ü🙂\u2028', max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | tricky,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(tricky, inner, max_size=3),
    max_leaves=12,
)
styles = st.fixed_dictionaries(
    {"indent": st.sampled_from([None, 0, 2]), "ensure_ascii": st.booleans()}
)
sizes = st.integers(1, 30)


@settings(max_examples=300, deadline=None)
@given(elements=st.lists(values, max_size=6), style=styles, size=sizes, block=sizes)
@example(elements=["\\", '\\"', "\\\\"], style={"indent": None}, size=1, block=1)
@example(elements=[], style={}, size=1, block=1)
def test_the_elements_of_an_array_are_those_json_loads_gives(
    elements: list[Any], style: Any, size: int, block: int
) -> None:
    text = json.dumps(elements, **style)
    data = f" \n{text}\n".encode()
    expected = [(n, repr(value)) for n, value in enumerate(json.loads(text))]
    found = streamed(data, size)
    assert [(n, value) for n, value, _ in found] == expected
    assert all(repr(json.loads(raw)) == value for _, value, raw in found)
    assert shared(data, size, block) == found


@settings(max_examples=200, deadline=None)
@given(
    elements=st.lists(
        st.dictionaries(tricky, values, max_size=3) | st.lists(values, max_size=3), max_size=5
    ),
    style=styles,
    parted=st.sampled_from(["", "\n", " \r\n\n"]),
    size=sizes,
    block=sizes,
)
def test_values_in_a_row_are_those_that_were_written(
    elements: list[Any], style: Any, parted: str, size: int, block: int
) -> None:
    data = parted.join(json.dumps(value, **style) for value in elements).encode()
    found = streamed(data, size, is_array=False)
    assert [(n, value) for n, value, _ in found] == [(n, repr(v)) for n, v in enumerate(elements)]
    assert shared(data, size, block, is_array=False) == found


@settings(max_examples=300, deadline=None)
@given(
    data=st.text(alphabet='[]{},:"\\ a1\n', max_size=40).map(str.encode) | st.binary(max_size=30),
    size=sizes,
    block=sizes,
    is_array=st.booleans(),
)
def test_whatever_the_bytes_nothing_is_lost(
    data: bytes, size: int, block: int, is_array: bool
) -> None:
    data = b"[" + data if is_array else data
    found = streamed(data, size, is_array=is_array)
    for every in (1, 7):
        shares = shared(data, size, block, is_array=is_array, every=every)
        assert found == shares or not data
    assert found == streamed(data, len(data) or 1, is_array=is_array)
    assert [n for n, _, _ in found] == sorted({n for n, _, _ in found})
    # What is in no element is white space, the brackets of the array and the commas between.
    at = 0
    for _, _, raw in found:
        begin = data.index(raw, at)
        assert not data[at:begin].strip(b" \t\r\n[],\xef\xbb\xbf")
        at = begin + len(raw)
    assert not data[at:].strip(b" \t\r\n[],\xef\xbb\xbf")


def test_of_many_small_elements_few_places_are_kept() -> None:
    data = b"[" + b",".join(b"%d" % (n % 10) for n in range(100_000)) + b"]"
    found = []
    for chunks in ([data], [data[:77_777], data[77_777:]]):
        scanner = Scanner(True, every=1_000)
        found.append(np.concatenate([*map(scanner.places, chunks)]).tolist())
    assert found[0] == found[1] and len(found[0]) == 200
    assert all(place == 1 + 2 * number for place, number in found[0])


RECORDS = [{"text": f'{n} "quoted" \\ [brackets] {{}} 🙂', "n": n} for n in range(30)]


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("suffix", list(COMPRESS))
def test_an_array_is_read_the_same_whole_or_shared_out(
    tmp_path: Path, suffix: str, indent: int | None
) -> None:
    data = json.dumps(RECORDS, indent=indent, ensure_ascii=False).encode()
    path = tmp_path / f"a.json{suffix}"
    path.write_bytes(COMPRESS[suffix](data))
    df = read(str(path), name="s")
    assert df["text"].tolist() == [record["text"] for record in RECORDS]
    assert df["id"].tolist() == [f"s/a.json{suffix}#{n}" for n in range(30)]
    for size in (15, 100, len(data) - 1):
        assert rows(read(str(path), name="s", blocksize=size)) == rows(df)


def test_one_bad_element_is_set_aside_and_its_neighbours_are_kept(tmp_path: Path) -> None:
    good = [json.dumps(record) for record in RECORDS[:4]]
    bad = ['{"text": nope, "n": [1, 2]}', '{"text": 5}', '{"text": "\\ud800"}', "{'a': 1}"]
    data = "[" + ",\n".join([good[0], bad[0], good[1], bad[1], bad[2], good[2], bad[3], good[3]])
    path = tmp_path / "a.json"
    path.write_text(data + "]")
    df = read(str(path))
    assert positions(alive(df)) == [0, 2, 5, 7]
    found = malformed(df)
    assert {n: raw.decode() for n, (_, raw) in found.items()} == {
        1: bad[0],
        3: bad[1],
        4: bad[2],
        6: bad[3],
    }
    assert found[1][0].startswith("invalid JSON at character 9")
    assert found[3][0] == "text is int, expected string"
    assert found[4][0] == "invalid JSON: a lone surrogate U+D800 is no text"
    for size in (3, 40):
        assert rows(read(str(path), blocksize=size)) == rows(df)


def test_an_element_that_closes_too_much_leaves_the_next_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"text": "a"}}, {"text": "b"]}, {"text": "c"}]')
    df = read(str(path))
    assert alive(df)["text"].tolist() == ["c"]
    assert [raw for _, raw in malformed(df).values()] == [b'{"text": "a"}}', b'{"text": "b"]}']


@pytest.mark.parametrize("blocksize", ["16MiB", 10])
def test_of_a_truncated_array_the_whole_elements_are_kept(tmp_path: Path, blocksize: Any) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(RECORDS)[:200])
    df = read(str(path), blocksize=blocksize)
    [(n, (reason, raw))] = malformed(df).items()
    assert alive(df)["text"].tolist() == [record["text"] for record in RECORDS[:n]]
    assert reason == "the array is not closed: the file ends too early"
    assert raw == json.dumps(RECORDS)[:200].encode()[-len(raw) :] and raw.startswith(b'{"text"')


@pytest.mark.parametrize("blocksize", ["16MiB", 5])
def test_an_array_cut_between_two_elements_says_so(tmp_path: Path, blocksize: Any) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"text": "a"},{"text": "b"}')
    df = read(str(path), blocksize=blocksize)
    assert alive(df)["text"].tolist() == ["a", "b"]
    assert malformed(df) == {2: ("the array is not closed: the file ends too early", b"")}


@pytest.mark.parametrize("blocksize", ["16MiB", 5])
def test_what_follows_an_array_is_one_malformed_record(tmp_path: Path, blocksize: Any) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"text": "a"}] and [more] {"text": "b"}\n')
    df = read(str(path), blocksize=blocksize)
    assert alive(df)["text"].tolist() == ["a"]
    rest = b'and [more] {"text": "b"}'
    assert malformed(df) == {1: (f"no JSON value: the last {len(rest)} bytes of the file", rest)}


def test_a_truncated_gz_of_an_array_gives_what_came_before(tmp_path: Path) -> None:
    random.seed(3)
    records = [{"text": f"{random.getrandbits(4000):x}"} for _ in range(1000)]
    packed = COMPRESS[".gz"](json.dumps(records).encode())
    (tmp_path / "a.json.gz").write_bytes(packed[: len(packed) // 2])
    df = read(str(tmp_path / "a.json.gz"))
    [(n, (reason, raw))] = malformed(df).items()
    assert n > 400 and reason == "gzip stream is truncated"
    assert alive(df)["text"].tolist() == [record["text"] for record in records[:n]]
    assert json.dumps(records[n]).encode().startswith(raw.strip())


@pytest.mark.parametrize("text", ["[]", " [\n]\n", "[ ]"])
@pytest.mark.parametrize("blocksize", ["16MiB", 1])
def test_an_empty_array_has_no_rows(tmp_path: Path, text: str, blocksize: Any) -> None:
    (tmp_path / "a.json").write_text(text)
    assert len(read(str(tmp_path / "a.json"), blocksize=blocksize)) == 0


def test_the_scan_of_a_shared_array_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(RECORDS))
    first = read(str(path), blocksize=100)
    assert len(list((tmp_path / "work" / "elements").iterdir())) == 1
    assert rows(read(str(path), blocksize=100)) == rows(first)
    path.write_text(json.dumps(RECORDS[::-1]))
    assert read(str(path), blocksize=100)["text"].tolist() == first["text"].tolist()[::-1]


# Which kind of file it is

PRETTY = json.dumps({"text": "a", "tags": ["x", {"y": []}]}, indent=2)
CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"text": "a"}]', "array"),
        ('\n [\n{"text": "a"},\n{"text": "b"}\n]', "array"),
        ("[]", "array"),
        ("[", "array"),
        (json.dumps([CHAT]), "array"),
        (json.dumps(CHAT) + "\n" + json.dumps(CHAT) + "\n", "lines"),
        ('{"text": "a"}\n{"text": "b"}\n', "lines"),
        ('{"text": "a"}', "lines"),
        ('{"text": bad}\n{"text": "b"}\n', "lines"),
        ('\ufeff{"text": "a"}\n', "lines"),
        (PRETTY, "values"),
        (PRETTY + PRETTY, "values"),
        ('{"text": "a"}{"text": "b"}', "values"),
        ('{"rows": [\n{"text": "a"},\n{"text": "b"}\n]}', "values"),
        (json.dumps({"text": "a", "n": [1, 2]}, indent=0), "values"),
        ("", "lines"),
    ],
)
def test_how_a_json_file_is_laid_out_is_told_by_how_it_begins(text: str, expected: str) -> None:
    assert json_format(text.encode()) == expected


@pytest.mark.parametrize("blocksize", ["16MiB", 20])
def test_json_lines_in_a_json_file(tmp_path: Path, blocksize: Any) -> None:
    (tmp_path / "a.json").write_text('{"text": "a"}\n{"text": bad}\n{"text": "c"}\n')
    df = read(str(tmp_path / "a.json"), blocksize=blocksize)
    assert (positions(alive(df)), positions(df)) == ([0, 28], [0, 14, 28])


@pytest.mark.parametrize("blocksize", ["16MiB", 20])
def test_pretty_printed_objects_one_after_another(tmp_path: Path, blocksize: Any) -> None:
    (tmp_path / "a.json").write_text(PRETTY + "\n" + PRETTY.replace('"a"', '"b"'))
    df = read(str(tmp_path / "a.json"), blocksize=blocksize)
    assert (df["text"].tolist(), positions(df)) == (["a", "b"], [0, 1])
    assert json.loads(df["meta"].iloc[0]) == {"tags": ["x", {"y": []}]}


@pytest.mark.parametrize("blocksize", ["16MiB", 20])
def test_chats_as_bare_lists_one_a_line(tmp_path: Path, blocksize: Any) -> None:
    (tmp_path / "a.json").write_text((json.dumps(CHAT) + "\n") * 3)
    df = read(str(tmp_path / "a.json"), blocksize=blocksize)
    assert [[turn["content"] for turn in chat] for chat in df["messages"]] == [["Hi", "Hello"]] * 3
