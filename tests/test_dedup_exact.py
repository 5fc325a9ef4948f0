"""Exact duplicates: the compiled normalisation and hash against Arrow's and Python's."""

from __future__ import annotations

import unicodedata

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from frames import make_frame
from hypothesis import given, settings
from hypothesis import strategies as st

import datamerge as dm
from datamerge.dedup.compared import digest
from datamerge.dedup.compared.texts import has_text
from datamerge.workdir import checkpoint

MASK = 2**64 - 1


@pytest.fixture(autouse=True)
def _workdir(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def texts(found):
    return pa.array(found, pa.large_string())


def murmur(data: bytes) -> tuple[int, int]:
    """MurmurHash3_x64_128 with seed 0, in plain Python."""

    def turned(x, r):
        return ((x << r) | (x >> (64 - r))) & MASK

    def mixed(x):
        x = ((x ^ (x >> 33)) * 0xFF51AFD7ED558CCD) & MASK
        x = ((x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53) & MASK
        return x ^ (x >> 33)

    c1, c2, h1, h2 = 0x87C37B91114253D5, 0x4CF5AD432745937F, 0, 0
    whole = len(data) // 16 * 16
    for at in range(0, len(data), 16):
        block = data[at : at + 16].ljust(16, b"\0")
        k1, k2 = (int.from_bytes(half, "little") for half in (block[:8], block[8:]))
        h1 ^= (turned(k1 * c1 & MASK, 31) * c2) & MASK
        if at < whole:
            h1 = ((turned(h1, 27) + h2) * 5 + 0x52DCE729) & MASK
        h2 ^= (turned(k2 * c2 & MASK, 33) * c1) & MASK
        if at < whole:
            h2 = ((turned(h2, 31) + h1) * 5 + 0x38495AB5) & MASK
    h1, h2 = h1 ^ len(data), h2 ^ len(data)
    h1 = (h1 + h2) & MASK
    h2 = (h2 + h1) & MASK
    h1, h2 = mixed(h1), mixed(h2)
    h1 = (h1 + h2) & MASK
    return h1, (h2 + h1) & MASK


def test_published_hashes():
    known = {
        "": "00000000000000000000000000000000",
        "hello": "cbd8a7b341bd9b025b1e906a48ae1d19",
        "hello, world": "342fac623a5ebc8e4cdcbc079642414d",
        "The quick brown fox jumps over the lazy dog": "e34bbc7bbc071b6c7a433ca9c49a9347",
    }
    found = digest.digests(texts(list(known)))
    assert [f"{a:016x}{b:016x}" for a, b in found.tolist()] == list(known.values())


@given(st.lists(st.text(max_size=70), max_size=8))
@settings(max_examples=200, deadline=None)
def test_hash_is_murmur(found):
    assert digest.digests(texts(found)).tolist() == [list(murmur(t.encode())) for t in found]


spicy = st.text(
    st.sampled_from(
        list("aZ \t\n\x0b\x0c\r\x1c\x1f\x00.,-'#5éÉßẞσΣςİıſK\u00a0\u2028\u3000\u200b\u0301\u0323")
        + [
            "한",
            "ᄀ",
            "ᅡ",
            "ᆨ",
            "中",
            "ﬁ",
            "①",
            "½",
            "🌍",
            "\u0345",
            "Ⱥ",
            "\u1e9b",
            "é".upper(),
            "カ",
            "\u3099",
        ]
    ),
    max_size=12,
)


@given(
    st.lists(st.one_of(spicy, st.text(max_size=12)), max_size=8),
    st.sampled_from(["loose", "words"]),
)
@settings(max_examples=500, deadline=None)
def test_compiled_normalisation_is_arrows(found, normal):
    compiled = digest.digests(texts(found), normal)
    plain = digest.normalised(texts(found), normal)
    assert (compiled == digest.digests(plain)).all()
    for value in plain.to_pylist():
        assert value == value.strip(" ") and "  " not in value


@pytest.mark.parametrize("normal", ["loose", "words"])
@pytest.mark.parametrize("around", ["{}", "a{}B", " {} ", "{0}{0}", "é{}", "e{}\u0301"])
def test_every_character(normal, around):
    found = texts([around.format(chr(c)) for c in range(0x30000) if not 0xD800 <= c < 0xE000])
    compiled = digest.digests(found, normal)
    different = (compiled != digest.digests(digest.normalised(found, normal))).any(axis=1)
    assert not different.any(), found.filter(pa.array(different)).to_pylist()[:10]


def python_loose(text: str) -> str:
    """The documented rule in Python's words; white space as Arrow has it."""
    lowered = "".join(
        c.lower() if len(c.lower()) == 1 else c for c in unicodedata.normalize("NFC", text)
    )
    return " ".join(lowered.split())


@given(
    st.lists(
        st.text(
            st.characters(max_codepoint=0x24F, exclude_characters="İ\x1c\x1d\x1e\x1f"), max_size=12
        ),
        max_size=8,
    )
)
@settings(max_examples=200, deadline=None)
def test_loose_is_what_is_documented(found):
    assert digest.normalised(texts(found)).to_pylist() == [python_loose(t) for t in found]


def test_words_are_letters_and_digits():
    found = digest.normalised(texts(["Don't -- stop!", " x² ≠ ﬁne ", "...", "été"]), "words")
    assert found.to_pylist() == ["don t stop", "x2 fine", "", "été"]


@given(st.lists(st.one_of(st.none(), spicy), max_size=10))
@settings(max_examples=200, deadline=None)
def test_has_text(found):
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(texts(found)).to_pylist()
    assert has_text(texts(found)).tolist() == [bool(t) for t in trimmed]


def brute(frame: pd.DataFrame, key) -> dict:
    first: dict = {}
    found = {}
    for row in frame.itertuples():
        told = key(row)
        if told is not None:
            if told in first:
                found[row.id] = first[told]
            first.setdefault(told, row.id)
    return found


def gone(found) -> dict:
    table = found.decisions()
    return dict(zip(table["id"], table["witness"], strict=True))


@given(
    st.lists(
        st.one_of(st.none(), st.sampled_from(["a", "A", "a ", "b c", "b  c", "é", "e\u0301", " "])),
        max_size=20,
    ),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_documents_against_brute_force(tmp_path_factory, found, cuts):
    frame = make_frame(found)
    frame["text"] = pd.array(found, "string[pyarrow]")
    expected = brute(
        frame, lambda r: python_loose(r.text) or None if isinstance(r.text, str) else None
    )
    as_is = brute(frame, lambda r: r.text if isinstance(r.text, str) and r.text.strip() else None)
    with dask.config.set({"datamerge.workdir": str(tmp_path_factory.mktemp("work"))}):
        for given_frame in (
            frame,
            frame[::-1],
            dd.from_pandas(frame, npartitions=cuts, sort=False),
        ):
            assert gone(dm.dedup.exact(given_frame)) == expected
            assert gone(dm.dedup.exact(given_frame, normalise="none")) == as_is


turn = st.tuples(
    st.sampled_from(["user", "assistant", "User"]),
    # Of one separator inside, as Python alone takes different ones for white space.
    st.sampled_from(["a", "a ", "b", "", "a\x1fb", "A\x1fb", "b\x1ea"]),
    st.sampled_from([None, None, {"name": "x"}, {"name": "X"}]),
)


@given(
    st.lists(
        st.one_of(st.lists(turn, min_size=1, max_size=3), st.just("a"), st.just("user\x1fa\x1f")),
        max_size=14,
    )
)
@settings(max_examples=100, deadline=None)
def test_chats_against_brute_force(tmp_path_factory, chats):
    frame = make_frame(chats)

    def key(row):
        chat = chats[row.Index]
        if isinstance(chat, str):
            return python_loose(chat)
        said = [(role, python_loose(content), str(extra)) for role, content, extra in chat]
        return tuple(said) if any(content.strip() for _, content, _ in chat) else None

    expected = brute(frame, key)
    with dask.config.set({"datamerge.workdir": str(tmp_path_factory.mktemp("work"))}):
        assert gone(dm.dedup.exact(frame)) == expected


def test_words_ignore_punctuation():
    frame = pd.DataFrame({"text": ["Hello, world!", "hello world", "hello worlds", "...", "!!!"]})
    assert gone(dm.dedup.exact(frame, normalise="words")) == {1: 0, 4: 3}


def test_parquet_to_parquet_without_a_copy(tmp_path):
    rng = np.random.default_rng(0)
    said = [f"Line {n}" for n in rng.integers(0, 4000, 9000)]
    table = pa.table({"row": range(9000), "text": said})
    pq.write_table(table, tmp_path / "lines.parquet", row_group_size=1000)
    expected = pd.Series(said).str.lower().drop_duplicates()
    outputs = []
    for size in ("8KiB", "1MiB"):
        df = dm.read(tmp_path / "lines.parquet", blocksize=size)
        assert checkpoint.keep(df) is df
        out = tmp_path / f"out{size}"
        tally = dm.write(dm.dedup.exact(df).mark(), out)
        assert tally.total["kept"] == len(expected)
        kept = pd.concat([pd.read_parquet(part) for part in sorted((out / "data").iterdir())])
        assert kept["text"].tolist() == [said[n] for n in expected.index]
        removed = pd.concat([pd.read_parquet(p) for p in sorted((out / "removed").iterdir())])
        outputs.append((kept.to_numpy().tolist(), removed.to_numpy().tolist()))
    assert outputs[0] == outputs[1]
    assert not (tmp_path / "work" / "frames").exists()


def test_what_is_costly_to_read_is_kept(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    lines, cheap = (
        dm.read(tmp_path / "a.jsonl", name="l"),
        dm.read(tmp_path / "a.parquet", name="p"),
    )
    assert checkpoint.keep(lines) is not lines
    assert checkpoint.keep(cheap) is cheap
    both = dm.concat([cheap, dm.read(tmp_path / "a.parquet", name="q")])
    assert checkpoint.keep(both) is both
    for costly in (
        dm.concat([lines, cheap]),
        dm.clean.unicode(cheap),
        cheap.map_partitions(lambda p: p),
    ):
        assert checkpoint.keep(costly) is not costly


def test_written_columns_are_encoded_by_what_they_hold(tmp_path):
    chats = [{"messages": [{"role": "user", "content": f"q {n}"}], "k": 1} for n in range(50)]
    dm.write(dm.read(chats, name="c"), tmp_path / "out")
    (part,) = (tmp_path / "out" / "data").iterdir()
    group = pq.ParquetFile(part).metadata.row_group(0)
    encodings = {c.path_in_schema: c.encodings for c in map(group.column, range(group.num_columns))}
    with_dictionary = {path for path, found in encodings.items() if "RLE_DICTIONARY" in found}
    assert with_dictionary == {"source", "meta", "messages.list.element.role"}


def test_against(tmp_path):
    old = dm.read([{"text": t} for t in ("a", "b", "b")], name="old")
    dm.write(dm.dedup.exact(old).mark(), tmp_path / "old")
    new = dm.read([{"text": t} for t in ("c", "B ", "c")], name="new")
    marked = dm.dedup.exact(new, against=tmp_path / "old").mark().compute()
    assert marked["drop_detail"].tolist()[1:] == [
        f"same text as old#1, in {tmp_path / 'old'}", "same text as new#0"
    ]  # fmt: skip
    assert pd.isna(marked["drop_detail"].tolist()[0])
