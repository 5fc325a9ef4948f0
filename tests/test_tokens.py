"""Token counts, against the tokenizers library one text at a time."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from frames import computed, make_frame
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from datamerge import tokens
from datamerge.audit import steps

ROWS: list[Any] = [
    [("system", "Be kind."), ("user", "Hi!"), ("assistant", "Hello, world."), ("tool", '{"a": 1}')],
    [("user", "déjà vu 東京"), ("user", "again"), ("narrator", "unseen role")],
    "A plain document, antidisestablishmentarianism included.",
    "",
    None,
    [],
    [("assistant", "calling", {"tool_calls": [{"name": "search"}]})],
]


def wordpiece() -> Tokenizer:
    """The default tokenizer as the library has it."""
    pieces = ["[UNK]", *tokens.PIECES.read_text("utf-8").splitlines()]
    model = models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


WORDPIECE = wordpiece()


def plainly(text: str, tokenizer: Tokenizer = WORDPIECE) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False))


def of_row(row: Any, role: str | None = None, tokenizer: Tokenizer = WORDPIECE) -> int:
    if isinstance(row, list):
        return sum(plainly(t[1], tokenizer) for t in row if role in (None, t[0]))
    return plainly(row or "", tokenizer) if role is None else 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tokenizer of words on disk, which truncates, pads and adds special tokens."""
    path = tmp_path_factory.mktemp("tokenizer")
    vocabulary = {word: i for i, word in enumerate(["[UNK]", "[PAD]", "hello", "world"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=7)
    tokenizer.save(str(path / "tokenizer.json"))
    return path


def test_counts_contents_on_every_backend(on_backend):
    df = computed(tokens.count(on_backend(make_frame(ROWS)), per_role=True))
    assert df["tokens"].tolist() == [of_row(row) for row in ROWS]
    for role in ("system", "user", "assistant", "tool"):
        assert df[f"tokens_{role}"].tolist() == [of_row(row, role) for row in ROWS]
        assert df[f"tokens_{role}"].dtype == pd.ArrowDtype(pa.int32())
    assert df["tokens"].dtype == pd.ArrowDtype(pa.int32())
    assert df["drop_reason"].isna().all()


def test_without_roles_there_is_one_column():
    df = make_frame(ROWS)
    assert {*tokens.count(df).columns} - {*df.columns} == {"tokens"}


@pytest.mark.parametrize("rows", [["only", "documents"], [[("user", "only chats")]], [None]])
def test_frames_without_chats_or_without_documents(rows, on_backend):
    df = computed(tokens.count(on_backend(make_frame(rows))))
    assert df["tokens"].tolist() == [of_row(row) for row in rows]


def test_marked_rows_are_counted_too(on_backend):
    df = make_frame(ROWS, dead={0: "before", 2: "before"})
    df = computed(tokens.count(on_backend(df)))
    assert df["tokens"].tolist() == [of_row(row) for row in ROWS]


def test_a_tokenizer_file_neither_truncates_nor_pads(folder, on_backend):
    rows = ["hello world hello world hello", "hello", "", [("user", "hello you"), ("tool", "x")]]
    for given_ in (folder, str(folder), folder / "tokenizer.json"):
        df = computed(tokens.count(on_backend(make_frame(rows)), given_))
        assert df["tokens"].tolist() == [5, 1, 0, 3]


def test_a_tokenizer_object_is_left_as_it_was(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    df = tokens.count(make_frame(["hello world hello"]), tokenizer)
    assert df["tokens"].tolist() == [3]
    assert tokenizer.truncation["max_length"] == 2 and tokenizer.padding["length"] == 7


class Letters:
    def encode(self, text: str) -> list[str]:
        return list(text)


def test_any_object_with_encode(on_backend):
    df = computed(tokens.count(on_backend(make_frame(["abc", [("user", "de")], None])), Letters()))
    assert df["tokens"].tolist() == [3, 2, 0]


def test_a_fast_transformers_tokenizer(folder):
    transformers = pytest.importorskip("transformers")
    file = str(folder / "tokenizer.json")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=file, name_or_path="tiny")
    assert tokens.count(make_frame(["hello big world"]), tokenizer)["tokens"].tolist() == [3]


def test_wrong_tokenizers_are_errors_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no tokenizer.json at .*nowhere.json"):
        tokens.count(make_frame(["a"]), tmp_path / "nowhere.json")
    with pytest.raises(FileNotFoundError, match=r"no tokenizer.json"):
        tokens.count(make_frame(["a"]), tmp_path)
    with pytest.raises(TypeError, match="neither a path, a name nor an object with encode"):
        tokens.count(make_frame(["a"]), 17)


def test_the_step_pickles_small(folder):
    from frames import on_dask

    (step,) = steps(tokens.count(on_dask(make_frame(["a"]), 1), folder))
    assert len(pickle.dumps(step.run)) < 1000
    assert pickle.loads(pickle.dumps(step.run)) == step.run


TRICKY = [
    "", " ", "Hello, World!", "don't stop", "a" * 100, "a" * 101, "a" * 101 + " b", "zzqx" * 20,
    "tab\tnew\nline\r\n", "nul\0byte", "bell\x07", "a\x0bb", "a\x1cb", "\x7f", "naïve café",
    "ÅNGSTRÖM",
    "東京タワー", "한국어", "emoji 😀👍🏽 end", "[CLS] [UNK] ##ing", "3.14159 1e-5 0xFF",
    "x" * 5000,
    "\u00a0no\u00a0break\u2003space", "soft\u00adhyphen", "zero\u200bwidth", "“quoted” — dash…",
    "ß ẞ ﬁ",
    "snake_case_name(arg)[0] += 1;", "http://example.com/a?b=c&d=%20", "ÀÉÎ", "e\u0301a\u0300", "…",
]  # fmt: skip


def test_the_default_counts_as_the_library_does():
    assert tokens.count_texts(pa.array(TRICKY, pa.large_string())).tolist() == [
        plainly(text) for text in TRICKY
    ]


SCRAPS = st.sampled_from(
    [*"abzAZ09 ._-'\n\t\0\x0b\x7fé東ß\u0301\u00a0—😀", "ing", "##", "walk", "un"]
)


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(st.lists(SCRAPS | st.characters(), max_size=12).map("".join), max_size=4))
def test_any_text_is_counted_as_the_library_does(texts):
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    counts = tokens.count_texts(pa.array([*texts, None], pa.large_string()))
    assert counts.tolist() == [*(plainly(text) for text in texts), 0]


def test_slices_and_many_texts():
    texts = pa.array(TRICKY * 200, pa.large_string())
    once = np.array([plainly(text) for text in TRICKY])
    assert (tokens.count_texts(texts) == np.tile(once, 200)).all()
    assert tokens.count_texts(texts.slice(5, 9)).tolist() == once[5:14].tolist()


def test_real_answers_are_counted_as_the_library_does(data):
    answers = pd.read_parquet(data / "bench" / "alpaca_eval_60.parquet", columns=["output"])
    texts = answers["output"].iloc[::60].fillna("").tolist()
    counts = tokens.count_texts(pa.array(texts, pa.large_string()))
    assert counts.tolist() == [plainly(text) for text in texts]
