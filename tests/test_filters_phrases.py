"""The phrase filter, against one regular expression a phrase."""

from __future__ import annotations

import re
import unicodedata

import pyarrow as pa
import pytest
from frames import computed, make_frame, marks
from hypothesis import given, settings
from hypothesis import strategies as st

from datamerge import filters
from datamerge.filters._phrase_search import LETTERS_A_PASS, fold_one, search
from datamerge.filters.phrases import _entries, built_in


def plainly(text: str, phrases: list[str]) -> set[str]:
    """The slow way: which phrases stand in a text, each looked for by itself."""
    quotes = str.maketrans("‘’‚‛ʼ＇“”„‟＂", "''''''\"\"\"\"\"")

    def simple(words: str) -> str:
        return unicodedata.normalize("NFC", words.translate(quotes).lower().replace("ς", "σ"))

    found = set()
    for phrase in phrases:
        words = r"\s+".join(re.escape(word) for word in simple(phrase).split())
        start = r"(?<!\w)" if re.match(r"\w", simple(phrase).strip()) else ""
        end = r"(?!\w)" if re.search(r"\w$", simple(phrase).strip()) else ""
        if re.search(start + words + end, simple(text)):
            found.add(phrase)
    return found


PHRASES = [
    "as an ai language model", "an AI", "I can't", "delve into", "it's", "naïve answer",
    "作为一个", "…", "C++ (sort of)", '"quoted"', "je suis désolé", "éa", "x_y", "3.5", "a\tb",
    "Οδος",
]  # fmt: skip
TEXTS = [
    "As an AI language model, no.",
    "as an  ai\n\nlanguage\tmodel", "as an air", "an AI.", "fan ai",
    "I can’t", "I can't", "i cant", "IT‘S", "naïve  answer",
    unicodedata.normalize("NFD", "naïve answer"),
    "一作为一个", "作为一个 AI", "well… no",
    "c++ (SORT of)", "“quoted”", "„quoted“", "Je suis Désolé!",
    "xéa", "éa", "éa1", "x_y", "ax_y", "13.5", "3.5", "a b", "a\u00a0b", "a\u3000b", "\u2003éa", "",
    "delve intoé", "delve into—this", "Delve\r\n into", "delve\x0binto", "delve\x1finto",
    "ΟΔΟΣ!", "οδος", "οδοσ",
    "İt's it's",
]  # fmt: skip


def holds(text: str, phrases: list[str]) -> bool:
    return bool(list(search(tuple(phrases)).hits(pa.array([text], pa.large_string()))))


@pytest.mark.parametrize("text", TEXTS)
def test_finds_what_the_slow_way_finds(text):
    for phrase in PHRASES:
        assert holds(text, [phrase]) == bool(plainly(text, [phrase])), phrase
    assert holds(text, PHRASES) == bool(plainly(text, PHRASES))


PIECES = st.sampled_from(
    [
        *PHRASES,
        *"aéei .'’\n_3x",
        "an",
        "ai",
        "AI",
        "İ",
        "ſ",
        "K",
        "ß",
        "Σ",
        "ς",
        "\u0301",
        "\u00a0",
        "\u2009",
        "\x1c",
    ]
)


@settings(max_examples=400, deadline=None)
@given(text=st.lists(PIECES, max_size=9).map("".join), more=st.lists(st.text("aé 'i.", min_size=1)))
def test_any_text_is_screened_and_decided_as_the_slow_way_does(text, more):
    phrases = [*PHRASES, *(phrase for phrase in more if phrase.strip())]
    expected = plainly(text, phrases)
    finder = search(tuple(phrases))
    screened = finder.screen(pa.array([text], pa.large_string()))[0]
    assert screened or not expected  # the screen may find too much, never too little
    number = finder.first(fold_one(text))
    assert (number is not None) == bool(expected)
    assert number is None or phrases[number] in expected


def test_the_first_phrase_and_the_longest_of_several_is_named():
    found = marks(filters.phrases(make_frame(["z b c a b"]), ["a b", "b", "b c"]))
    assert found == [("phrases", 'text: "b c"')]


def test_turn_phrase_and_list_are_recorded_on_every_backend(on_backend):
    refusal = "Well, as an AI\nLanguage Model I cannot do that."
    rows = [
        [("user", "Hi"), ("assistant", "Hello"), ("user", refusal), ("assistant", refusal)],
        [("user", refusal), ("assistant", "fine")],
        refusal,
        "a plain text",
        None,
        [],
    ]
    df = computed(filters.phrases(on_backend(make_frame(rows)), ["refusals", "plain text"]))
    assert marks(df) == [
        ("phrases", 'assistant turn 3: "as an ai language model" (refusals)'),
        None,
        ("phrases", 'text: "as an ai language model" (refusals)'),
        ("phrases", 'text: "plain text"'),
        None,
        None,
    ]
    everyone = marks(filters.phrases(on_backend(make_frame(rows)), "refusals", roles=None))
    assert everyone[0] == ("phrases", 'user turn 2: "as an ai language model" (refusals)')
    users = marks(filters.phrases(on_backend(make_frame(rows)), "refusals", roles="user"))
    assert users[0] == everyone[0] and users[1] is not None


@pytest.mark.parametrize("rows", [["only text, as an AI language model"], [[("assistant", "x")]]])
def test_frames_without_chats_or_without_documents(rows, on_backend):
    found = marks(filters.phrases(on_backend(make_frame(rows)), "refusals"))
    assert (found[0] is not None) == isinstance(rows[0], str)


def test_dead_rows_keep_their_first_reason(on_backend):
    df = make_frame(["delve", "delve", "no"], dead={0: "before"})
    assert marks(filters.phrases(on_backend(df), ["delve"])) == [
        ("before", "marked before"), ("phrases", 'text: "delve"'), None,
    ]  # fmt: skip


def test_lists_files_and_phrases_together(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("# a comment\n\n  Grüße aus  \ndelve\n", "utf-8-sig")
    assert _entries(path) == [("Grüße aus", "mine"), ("delve", "mine")]
    assert _entries(str(path)) == _entries([str(path)]) == _entries([path])
    mixed = _entries(["delve", path, "slop"])
    assert mixed[:2] == [("delve", None), ("Grüße aus", "mine")]
    assert mixed[-1][1] == "slop"


def test_the_built_in_lists_can_be_searched():
    assert {"refusals", "slop"} <= {*built_in()}
    for name in built_in():
        phrases = [phrase for phrase, _ in _entries(name)]
        assert len(phrases) > 100
        finder = search(tuple(phrases))
        array = pa.array(phrases, pa.large_string())
        assert {hit.text for hit in finder.hits(array)} == {*range(len(phrases))}
        assert not list(finder.hits(pa.array(["The cat sat on the mat."], pa.large_string())))


@pytest.mark.parametrize(
    ("phrases", "error", "message"),
    [
        ("refusal", ValueError, "built-in list .*did you mean 'refusals'.*give a list: ..refusal"),
        ("no/such/file.txt", FileNotFoundError, "no file 'no/such/file.txt'"),
        (["missing.txt"], FileNotFoundError, "no file 'missing.txt'"),
        ([], ValueError, "holds no phrase"),
        (["a", "  "], ValueError, "phrase '  ' holds nothing to search for"),
        ([3], ValueError, "3 is neither a phrase nor a path"),
    ],
)
def test_wrong_lists_are_errors_at_once(phrases, error, message):
    with pytest.raises(error, match=message):
        filters.phrases(make_frame(["x"]), phrases)


def test_many_phrases_are_searched_in_passes_re2_can_hold():
    phrases = [f"phrase number {i} of very many" for i in range(2000)]
    finder = search(tuple(phrases))
    assert len(finder.patterns) > 1
    assert all(pattern.count("\\b") < LETTERS_A_PASS / 10 for pattern in finder.patterns)
    texts = ["nothing", "a phrase  number 1999 of very MANY things", "phrase number 7 of very many"]
    assert [(h.text, h.phrase) for h in finder.hits(pa.array(texts, pa.large_string()))] == [
        (1, 1999), (2, 7),
    ]  # fmt: skip


def test_real_answers_are_found_as_the_slow_way_finds_them(data):
    import pandas as pd

    answers = pd.read_parquet(data / "bench" / "alpaca_eval_60.parquet", columns=["output"])
    texts = answers["output"].iloc[::997].fillna("").tolist()
    phrases = [phrase for phrase, _ in _entries(["refusals", "slop"])]
    found = {
        hit.text: phrases[hit.phrase]
        for hit in search(tuple(phrases)).hits(pa.array(texts, pa.large_string()))
    }
    for i, text in enumerate(texts):
        expected = plainly(text, phrases)
        assert (i in found) == bool(expected)
        assert i not in found or found[i] in expected
