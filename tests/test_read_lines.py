"""JSON Lines and plain text: whole, compressed, cut into blocks, and broken."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reading import COMPRESS, alive, malformed, positions, raw_of, read, rows

from datamerge.read.compression import STEP, decompressed
from datamerge.read.lines import json_items, lines_of, read_block, stream_blocks, text_items
from datamerge.read.records import Broken
from datamerge.read.values import long_numbers

BOM = b"\xef\xbb\xbf"
TEXTS = ["plain", "größe 水 🙂", "", "שלום", "<script>alert(1)</script>", "a\\nb\u2028c", "x" * 300]
LINES = [
    *(json.dumps({"text": text, "n": n}, ensure_ascii=n % 2 == 0) for n, text in enumerate(TEXTS)),
    '{"text": "broken',
    '{"text": 5}',
]


def jsonl(end: bytes = b"\n") -> bytes:
    return end.join(line.encode() for line in LINES) + end


@pytest.mark.parametrize("suffix", list(COMPRESS))
def test_compressed_or_not_the_rows_are_the_same(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"lines.jsonl{suffix}"
    path.write_bytes(COMPRESS[suffix](jsonl()))
    df = read(str(path), name="s")
    assert alive(df)["text"].tolist() == TEXTS
    assert [json.loads(meta) for meta in alive(df)["meta"]] == [{"n": n} for n in range(len(TEXTS))]
    assert [reason for reason, _ in malformed(df).values()] == [
        "invalid JSON at character 9: Unterminated string starting at",
        "text is int, expected string",
    ]
    assert set(df["id"]) == {f"s/lines.jsonl{suffix}#{at}" for at in positions(df)}


def test_a_position_is_the_byte_offset_where_the_record_begins(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl())
    df = read(str(path))
    for at, text in zip(positions(df), df["text"], strict=True):
        with path.open("rb") as file:
            file.seek(at)
            line = file.readline()
        assert line.startswith(b"{")
        assert text is None or at in malformed(df) or json.loads(line)["text"] == text


content = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [b"\n", b"\r\n", b"\n\n", b"\r", BOM, "水\u2028".encode(), b"{", b'"', b" "]
        ),
        st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5), max_size=2).map(
            lambda value: json.dumps(value, ensure_ascii=False).encode()
        ),
        st.just(b"\n" + json.dumps({"text": "long " * 20}).encode() + b"\n"),
    ),
    max_size=12,
).map(b"".join)


def plain_lines(data: bytes) -> list[tuple[int, bytes]]:
    """Every non-blank line with its offset, the slow way."""
    found, at = [], 0
    for line in data.split(b"\n"):
        if (line if at else line.removeprefix(BOM)).strip():
            found.append((at, line))
        at += len(line) + 1
    return found


def in_blocks(data: bytes, size: int) -> list[tuple[int, bytes]]:
    return [
        block
        for start in range(0, len(data), size)
        for block in read_block(io.BytesIO(data), start, min(start + size, len(data)))
    ]


def shown(items: Any) -> list[tuple[int, str, bytes]]:
    """Items in a form that compares: a Broken by its reason, NaN as text."""
    return [(at, v.reason if isinstance(v, Broken) else repr(v), raw) for at, v, raw in items]


@settings(max_examples=150, deadline=None)
@given(data=content, size=st.integers(1, 40))
@example(data=b"", size=1)
@example(data=b"\n" * 9, size=2)
@example(data=b'{"a":1}', size=3)
@example(data=BOM + b'{"a":1}\r\n{"a":2}', size=7)
def test_any_bytes_in_any_blocks_give_the_same_records(data: bytes, size: int) -> None:
    whole = shown(json_items(stream_blocks([data])))
    assert [(at, raw) for at, _, raw in whole] == plain_lines(data)
    assert shown(json_items(in_blocks(data, size))) == whole
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    assert shown(json_items(stream_blocks(chunks))) == whole
    assert shown(text_items(lines_of(in_blocks(data, size)), "line")) == shown(
        text_items(lines_of(stream_blocks(chunks)), "line")
    )


@settings(max_examples=8, deadline=None)
@given(data=content)
def test_every_blocksize_gives_the_same_frame(tmp_path_factory: Any, data: bytes) -> None:
    data = b'{"text": "tells the schema"}\n' * 9 + data
    path = tmp_path_factory.mktemp("blocks") / "a.jsonl"
    path.write_bytes(data)
    whole = read(str(path), type="text", blocksize=len(data))
    assert len(whole) == len(plain_lines(data))
    for size in (1, 7, 40, 99, len(data) - 1):
        assert rows(read(str(path), type="text", blocksize=size)) == rows(whole)


def test_raw_bytes_of_what_is_set_aside_are_those_of_the_line(tmp_path: Path) -> None:
    lines = [
        b'{"text": "ok"}',
        b'{"text": "\xff\xfe"}',
        b" {bad}\t\r",
        b'{"text": null}  ',
        b"\x00",
    ]
    data = BOM + b"nothing\n" + b"\n".join(lines)
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    found = malformed(read(str(path)))
    assert len(found) == 5
    for at, (_, raw) in found.items():
        assert data[at : at + len(raw)] == raw
        assert data[at + len(raw) :][:1] in (b"\n", b"")
    reasons = [reason for reason, _ in found.values()]
    assert reasons[1] == "invalid UTF-8 at byte 10: invalid start byte"
    assert reasons[3] == "text is null"


def test_a_bom_before_the_first_record_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(BOM + b'{"text": "a"}\n' + BOM + b'{"text": "b"}\n')
    df = read(str(tmp_path / "a.jsonl"))
    assert alive(df)["text"].tolist() == ["a"]
    assert list(malformed(df)) == [17]


# Broken streams


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2", ".xz"])
def test_of_a_file_cut_in_half_what_came_before_is_kept(tmp_path: Path, suffix: str) -> None:
    random.seed(1)
    lines = [json.dumps({"text": f"{random.getrandbits(4000):x}"}) for _ in range(3000)]
    data = "\n".join(lines).encode()
    packed = COMPRESS[suffix](data)
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(packed[: len(packed) // 2])
    df = read(str(path))
    kept = alive(df)["text"].tolist()
    assert kept == [json.loads(line)["text"] for line in lines[: len(kept)]]
    # bzip2 and zstd decompress a block of some 100 kB or more at once, or not at all.
    assert len(kept) > (1400 if suffix == ".gz" else 300)
    [(at, (reason, raw))] = malformed(df).items()
    assert "truncated" in reason
    assert data[at:].startswith(raw) and at == sum(len(line) + 1 for line in lines[: len(kept)])


def test_a_gz_cut_in_its_first_record_is_one_malformed_record(tmp_path: Path) -> None:
    random.seed(2)
    text = "".join(random.choices("abcdefghijklmnopqrstuvwxyz ", k=300_000))
    packed = gzip.compress(json.dumps({"text": text}).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    [(at, (reason, raw))] = malformed(read(str(tmp_path / "a.jsonl.gz"))).items()
    assert (at, reason) == (0, "gzip stream is truncated")
    assert len(raw) > 100_000 and json.dumps({"text": text}).encode().startswith(raw)


def test_bytes_flipped_in_a_gz_are_never_an_error_nor_lost(tmp_path: Path) -> None:
    data = b"".join(b'{"text": "%d"}\n' % i for i in range(20_000))
    packed = bytearray(gzip.compress(data))
    packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "a.jsonl.gz").write_bytes(packed)
    df = read(str(tmp_path / "a.jsonl.gz"))
    assert len(alive(df)) > 5000 and len(malformed(df)) >= 1
    assert "gzip stream is corrupt" in list(malformed(df).values())[-1][0]


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_members_one_after_another_are_one_file(suffix: str) -> None:
    pack = COMPRESS[suffix]
    data = pack(b"one ") + pack(b"") + pack(b"two " * 50_000) + pack(b"three")
    kind = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}[suffix]
    found = b"".join(decompressed(io.BytesIO(data), kind))
    assert found == b"one " + b"two " * 50_000 + b"three"


def test_padding_between_members_is_skipped() -> None:
    data = gzip.compress(b"a") + b"\0" * 2_000_000 + gzip.compress(b"b") + b"\0" * 10
    assert b"".join(decompressed(io.BytesIO(data), "gzip")) == b"ab"


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_a_bomb_is_unpacked_a_chunk_at_a_time(suffix: str) -> None:
    kind = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}[suffix]
    packed = COMPRESS[suffix](bytes(64 << 20))
    assert len(packed) < 1 << 20
    sizes = [len(chunk) for chunk in decompressed(io.BytesIO(packed), kind, size=1 << 18)]
    assert sum(sizes) == 64 << 20 and max(sizes) <= (1 << 18) + STEP


# Plain text

TEXT = "one\r\ntwo 🙂\n\n\n  three\nfour\n \nfive"


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("line", ["one", "two 🙂", "  three", "four", "five"]),
        ("paragraph", ["one\ntwo 🙂", "  three\nfour", "five"]),
        ("document", [TEXT.replace("\r\n", "\n")]),
    ],
)
def test_text_by_line_paragraph_or_document(tmp_path: Path, by: Any, expected: list[str]) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT.encode())
    df = read(str(tmp_path / "a.txt"), sample_by=by)
    assert df["text"].tolist() == expected
    for at, text in zip(positions(df), df["text"], strict=True):
        assert TEXT.encode()[at:].decode().startswith(text.split("\n")[0])
    small = read(str(tmp_path / "a.txt"), sample_by=by, blocksize=5)
    assert rows(small) == rows(df)


def test_text_that_is_not_utf8_is_set_aside_with_its_bytes(tmp_path: Path) -> None:
    data = b"fine\ncaf\xe9 au lait\r\nfine again\n"
    (tmp_path / "a.txt").write_bytes(data)
    df = read(str(tmp_path / "a.txt"))
    assert alive(df)["text"].tolist() == ["fine", "fine again"]
    assert malformed(df) == {
        5: ("invalid UTF-8 at byte 3: invalid continuation byte", b"caf\xe9 au lait\r")
    }
    [meta] = df[df["drop_reason"].notna()]["meta"]
    assert raw_of(json.loads(meta)) == b"caf\xe9 au lait\r"


# Long numbers


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text("0123456789", min_size=1, max_size=45),
            st.sampled_from([" ", "-", "\n", "x", ",", "-1"]),
        ),
        max_size=20,
    ).map(lambda pieces: "".join(pieces).encode())
)
def test_every_long_number_is_found(data: bytes) -> None:
    slow = {match.start() for match in re.finditer(rb"-[0-9]{19,}|[0-9]{20,}", data)}
    assert set(long_numbers(data)) == slow
