"""The language filter, against py3langid one text at a time."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from frames import computed, make_frame, marks
from hypothesis import given, settings
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from datamerge import filters
from datamerge.filters._naive_bayes import classify
from datamerge.filters.language import LANGUAGES, UNKNOWN, VARIETIES, identify

ENGLISH = "Could you please explain to me how the tides depend on the moon?"
GERMAN = "Kannst du mir bitte erklären, wie die Gezeiten vom Mond abhängen?"
FRENCH = "Peux-tu m'expliquer comment les marées dépendent de la lune ?"
CHINESE = "请你解释一下潮汐是如何受月球影响的。"
JAPANESE = "潮の満ち引きが月によってどう変わるのか説明してください。"
CODE = "def add(a, b):\n    return a + b\n\nfor i in range(10):\n    print(add(i, i))"
RUSSIAN = "Объясни, пожалуйста, как приливы зависят от луны."
HEBREW = "אנא הסבר לי כיצד הגאות והשפל תלויים בירח."


@pytest.fixture(scope="module")
def reference() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def assert_as_the_package(texts: list[str], reference: LanguageIdentifier, max_chars: int) -> None:
    labels, scores = classify(pa.array(texts, pa.large_string()), max_chars, {})
    for text, label, score in zip(texts, labels, scores, strict=True):
        expected, probability = reference.classify(text[:max_chars])
        if label == UNKNOWN:  # the package shares the probability out among all
            assert probability < 0.02 and score == 0
        else:
            ranking = dict(reference.rank(text[:max_chars]))
            assert ranking[label] == pytest.approx(probability, abs=1e-5), (text, label, expected)
            assert score == pytest.approx(probability, abs=1e-4)


def test_labels_and_scores_are_those_of_the_package(reference):
    texts = [ENGLISH, GERMAN, FRENCH, CHINESE, JAPANESE, CODE, RUSSIAN, HEBREW, "", " ", "1 + 1"]
    texts += [text.upper() for text in texts] + [unicodedata.normalize("NFD", t) for t in texts]
    texts += [ENGLISH + " " + CHINESE, CHINESE + " " + ENGLISH, ENGLISH.upper() + "é"]
    for max_chars in (3, 20, 61, 1000):
        assert_as_the_package(texts, reference, max_chars)


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=5), max_chars=st.integers(1, 50))
def test_any_text_gets_the_label_of_the_package(texts, max_chars, reference):
    assert_as_the_package(texts, reference, max_chars)


def test_real_answers_get_the_label_of_the_package(data, reference):
    answers = pd.read_parquet(data / "bench" / "alpaca_eval_60.parquet", columns=["output"])
    texts = answers["output"].iloc[::400].fillna("").tolist()
    labels, _ = classify(pa.array(texts, pa.large_string()), 300, {})
    assert labels.tolist() == [reference.classify(text[:300])[0] for text in texts]


def test_the_codes_are_those_of_the_model(reference):
    assert {*reference.labels} - {"zxx"} == LANGUAGES
    assert {*VARIETIES} <= {*reference.labels}


def test_marks_by_language_on_every_backend(on_backend):
    rows = [
        [("user", ENGLISH), ("assistant", CHINESE)],
        [("user", CHINESE), ("assistant", ENGLISH)],
        [("system", ENGLISH), ("user", GERMAN)],
        GERMAN,
        ENGLISH,
        None,
        [("assistant", GERMAN)],
        [("user", "12345")],
        [("user", JAPANESE)],
    ]
    df = computed(filters.language(on_backend(make_frame(rows)), ["en"]))
    assert df["language"].tolist() == ["en", "zh", "de", "de", "en", "und", "de", "und", "ja"]
    assert [mark and mark[0] for mark in marks(df)] == [
        None, "language", "language", "language", None, None, "language", None, "language",
    ]  # fmt: skip
    assert df["language_score"].dtype == pd.ArrowDtype(pa.float32())
    for code, score, mark in zip(df["language"], df["language_score"], marks(df), strict=True):
        assert mark is None or mark[1] == f"{code} {score:.2f}"


def test_dead_rows_are_not_looked_at(on_backend):
    rows = [GERMAN, ENGLISH, FRENCH, [("user", CHINESE)]]
    df = make_frame(rows, dead={0: "before", 1: "before"})
    df = computed(filters.language(on_backend(df), ["en"]))
    assert df["language"].isna().tolist() == [True, True, False, False]
    assert df["language_score"].isna().tolist() == [True, True, False, False]
    assert [mark[0] for mark in marks(df)] == ["before", "before", "language", "language"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [("prompt", [True, False]), ("response", [False, True]), ("chat", None), ("note", [True] * 2)],
)
def test_text_says_what_is_looked_at(text, kept):
    rows = [
        [("user", ENGLISH), ("assistant", FRENCH * 3)],
        [("user", FRENCH * 3), ("assistant", ENGLISH)],
    ]
    df = filters.language(make_frame(rows, note=[ENGLISH, None]), "en", text=text)
    kept = kept or [False, False]
    assert df["drop_reason"].isna().tolist() == kept


def test_varieties_count_as_their_language_unless_named():
    prompt = "how do i get my pitbull to attack?"  # Nigerian Pidgin, says the model
    apart = identify([prompt], apart=["pcm"])
    together = identify([prompt])
    assert (apart[0][0], together[0][0]) == ("pcm", "en")
    assert together[1][0] > apart[1][0]
    assert marks(filters.language(make_frame([prompt]), ["en"])) == [None]
    assert marks(filters.language(make_frame([prompt]), ["en", "pcm"])) == [None]
    assert marks(filters.language(make_frame([prompt]), ["pcm"])) == [None]
    assert marks(filters.language(make_frame([prompt]), ["de"]))[0][1].startswith("en ")


def test_what_is_not_sure_is_undetermined():
    df = filters.language(make_frame(["Bonjour", ENGLISH, ""]), ["en"], undetermined="mark")
    assert df["language"].tolist() == ["und", "en", "und"]
    assert marks(df)[0][1].startswith("und (fr 0.1")
    assert marks(df)[2] == ("language", "und 0.00")
    sure = filters.language(make_frame(["Bonjour"]), ["en"], min_score=0)
    assert marks(sure)[0][1].startswith("fr 0.1")
    assert marks(filters.language(make_frame(["Bonjour", ENGLISH]), ["en"])) == [None, None]
    named = filters.language(make_frame(["Bonjour"]), ["und"], undetermined="mark")
    assert marks(named) == [None]


def test_none_only_adds_the_columns():
    df = filters.language(make_frame([ENGLISH, GERMAN]), None)
    assert df["language"].tolist() == ["en", "de"] and marks(df) == [None, None]


def test_a_row_is_judged_alike_in_any_company():
    texts = [ENGLISH, GERMAN, FRENCH, CHINESE, CODE, RUSSIAN] * 20
    together = identify(texts)
    alone = [identify([text]) for text in texts]
    assert together[0].tolist() == [label[0] for label, _ in alone]
    assert together[1].tolist() == [score[0] for _, score in alone]
    sliced = identify(pa.array(texts, pa.large_string()).slice(3, 5))
    assert sliced[1].tolist() == together[1][3:8].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep": ["ger"]}, "'ger' is no language the model knows .did you mean 'de'"),
        ({"keep": "zh_CN"}, "'zh_CN' is no language the model knows .did you mean 'zh'"),
        ({"keep": ["zh", "wu"]}, "'wu' is no language the model knows .did you mean 'wuu'"),
        ({"keep": []}, "keep=.* must be a name or a list of names"),
        ({"keep": "en", "min_score": 1.5}, "min_score=1.5 must be between 0 and 1"),
        ({"keep": "en", "max_chars": 0}, "max_chars=0 must be at least 1"),
        (
            {"keep": "en", "undetermined": "drop"},
            "undetermined='drop' is not known.*'keep', 'mark'",
        ),
    ],
)
def test_wrong_arguments_are_errors_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        filters.language(make_frame([ENGLISH]), **arguments)


def test_an_unknown_column_is_an_error_before_any_work(on_backend):
    with pytest.raises((KeyError, ValueError), match="nonsense"):
        filters.language(on_backend(make_frame([ENGLISH])), "en", text="nonsense")


def test_threads_give_what_one_gives():
    from concurrent.futures import ThreadPoolExecutor

    texts = [ENGLISH, GERMAN, FRENCH, CHINESE] * 200
    expected = identify(texts)
    with ThreadPoolExecutor(4) as pool:
        for labels, scores in pool.map(identify, [texts] * 8):
            assert (labels == expected[0]).all() and np.array_equal(scores, expected[1])


def test_calling_the_filter_loads_no_model():
    code = (
        "import sys; sys.path.insert(0, 'tests'); from frames import make_frame, on_dask\n"
        "from datamerge import filters\n"
        "filters.language(on_dask(make_frame(['a', 'b']), 2), 'en')\n"
        "print('py3langid' in sys.modules, 'datamerge.filters._naive_bayes' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
