"""Large plain texts by paragraph are shared out, and every paragraph is somebody's."""

from __future__ import annotations

import gzip
import io
import json
from itertools import pairwise
from pathlib import Path

import dask
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import datamerge as dm
from datamerge.read import lines, paragraphs, unpacked
from datamerge.read.values import BOM

LINES = st.sampled_from(
    [b"", b" ", b"\t\r", b"a", b"bb bb", b"c" * 30, "ä🙂".encode(), b"\xff", b"d\r"]
)


@pytest.fixture(autouse=True)
def _workdir(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def shown(items) -> list[tuple[int, str, bytes]]:
    return [(position, str(value), raw) for position, value, raw in items]


@given(
    st.lists(LINES, max_size=30),
    st.lists(st.integers(0, 200), max_size=5),
    st.booleans(),
    st.booleans(),
)
@example([b"", b"a"], [1], True, False)
@example([b"a", b"a", b"", b"", b"b"], [1, 2, 3, 4, 5, 6], False, True)
@settings(max_examples=600, deadline=None)
def test_shares_of_bytes_have_the_paragraphs_of_the_whole(some, cuts, marked, ended):
    data = (BOM if marked else b"") + b"\n".join(some) + (b"\n" if ended else b"")
    whole = lines.text_items(lines.lines_of(lines.stream_blocks([data])), "paragraph")
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = []
    for start, stop in pairwise(bounds):
        part = paragraphs.of_bytes(io.BytesIO(data), start, stop)
        found += lines.text_items(part, "paragraph")
    assert shown(found) == shown(whole)


def test_a_long_blank_line_before_a_share_is_looked_through():
    for blank in (b" " * 10_000, b" " * 4093, BOM + b" " * 4096, b" " * 5000 + b"x"):
        data = blank + b"\nlast"
        found = lines.text_items(paragraphs.of_bytes(io.BytesIO(data), 5, len(data)), "paragraph")
        assert len(list(found)) == (not blank.endswith(b"x"))


def text(count: int) -> bytes:
    """Paragraphs of one to forty lines, some of them longer than a share."""
    return b"\n\n".join(
        b"\n".join(
            f"paragraph {n} line {m} {'x' * (n % 40)}".encode() for m in range(1 + n * n % 40)
        )
        for n in range(count)
    )


def frames(path: Path, blocksize: int, by: str = "paragraph") -> tuple[pd.DataFrame, int]:
    df = dm.read(str(path), name="text", sample_by=by, blocksize=blocksize)
    return df.compute().reset_index(drop=True), df.npartitions


@pytest.mark.parametrize("blocksize", [100, 1_000, 20_000])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_large_texts_are_shared_out(name, blocksize, tmp_path, monkeypatch):
    monkeypatch.setattr(unpacked, "BLOCK", 700)
    data = text(300)
    (tmp_path / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith("gz") else data)
    whole, one = frames(tmp_path / name, 1 << 30)
    found, many = frames(tmp_path / name, blocksize)
    assert one == 1 < many
    pd.testing.assert_frame_equal(found, whole)
    assert found["text"].tolist() == data.decode().split("\n\n")


@pytest.mark.parametrize("blocksize", [100, 1_000])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.77, 0.95])
def test_of_a_broken_stream_nothing_is_lost(part, blocksize, tmp_path, monkeypatch):
    """The paragraph that it breaks in is set aside, from its beginning to what arrived."""
    monkeypatch.setattr(unpacked, "BLOCK", 700)
    data = text(200)
    packed = gzip.compress(data, mtime=0)
    (tmp_path / "a.txt.gz").write_bytes(packed[: int(len(packed) * part)])
    whole, _ = frames(tmp_path / "a.txt.gz", 1 << 30)
    found, many = frames(tmp_path / "a.txt.gz", blocksize)
    assert many > 1
    pd.testing.assert_frame_equal(found, whole)
    *kept, last = found.to_dict("records")
    assert last["drop_reason"] == "malformed" and "truncated" in last["drop_detail"]
    arrived = "\n\n".join([row["text"] for row in kept] + [raw(last["meta"])])
    assert data.decode().startswith(arrived) and len(arrived) > 300


def test_of_a_broken_document_nothing_is_lost(tmp_path):
    data = text(100)
    packed = gzip.compress(data, mtime=0)
    (tmp_path / "a.txt.gz").write_bytes(packed[: len(packed) // 2])
    (row,) = frames(tmp_path / "a.txt.gz", 1 << 30, "document")[0].to_dict("records")
    assert row["drop_reason"] == "malformed" and row["id"] == "text/a.txt.gz#0"
    assert data.decode().startswith(raw(row["meta"])) and len(raw(row["meta"])) > 1000


def raw(meta: str) -> str:
    return json.loads(meta)["raw"]
