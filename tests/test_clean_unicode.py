"""The character transform, against ftfy on every text."""

from __future__ import annotations

import re
import unicodedata

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from frames import computed, contents, make_frame
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from hypothesis import given, settings
from hypothesis import strategies as st

from datamerge import clean
from datamerge._arrays import turns
from datamerge.clean.unicode import _screen, _Unicode

DEFAULT = _Unicode("NFC", True, True, False)

REPAIRS = [
    ("schÃ¶n", "schön"),
    ("âœ” done", "✔ done"),
    ("donâ€™t", "don’t"),
    ("a\x00b\x07c", "abc"),
    ("\x1b[31mred\x1b[0m", "red"),
    ("\ufeffstart", "start"),
    ("e\u0301", "é"),
]
KEPT = [
    "", "plain ASCII, with \t tabs \r\n and\flines", "“curly” ‘quotes’ — and … dashes",
    "&lt;p&gt; &amp;amp;",
    "ＦＵＬＬ width ｶﾅ", "ﬁne ﬂow", "naïve café Ünïcödé", "Привет, «мир» — да", "Καλημέρα κόσμε",
    "日本語のテキスト、全角。", "שלום עולם", "مرحبا بالعالم", "👩‍👩‍👧 family", "می‌خواهم",
    "10³ m² ½", "a\u200bb",
    "s = 'Ã' + \"é\" # x²≤y", "if (a && b) { return `x${y}`; }",
    "\u202eoverride\u202c", "R$ 5 £ 3 €",
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), [*REPAIRS, *((text, text) for text in KEPT)])
def test_repairs_and_leaves_alone(before, after, on_backend):
    rows = ["x", before, [("user", before), ("narrator é\u0301", "x", {"k": before})]]
    df = computed(clean.unicode(on_backend(make_frame(rows))))
    assert contents(df) == ["x", after, [("user", after), ("narrator é\u0301", "x", {"k": before})]]


LETTERS = (
    "".join(MOJIBAKE_CATEGORIES.values()) + "aA z\n.\x80\x9f\x00\x1b[\u0301вЂГўВβ€ΒΞā\ufeff日ÃÂ"
)


@settings(max_examples=600, deadline=None)
@given(text=st.text(alphabet=LETTERS, max_size=8) | st.text(max_size=20))
def test_the_screen_misses_nothing_ftfy_would_change(text):
    text = text.encode("utf-8", "ignore").decode()
    array = pa.array([text, "fine"], pa.large_string())
    if is_bad(text):
        assert pc.match_substring_regex(array, _screen(DEFAULT))[0].as_py()
    df = clean.unicode(make_frame([text, "fine"]))
    assert contents(df) == [DEFAULT.repair_one(text), "fine"]


@pytest.mark.parametrize("wrong", ["latin-1", "cp1252", "cp1251", "cp1250", "macroman", "cp437"])
@pytest.mark.parametrize("text", ["schön", "“don’t” — naïve…", "Привет", "日本", "ñ", "½ × ²", "é"])
def test_text_decoded_wrongly_is_repaired_as_ftfy_repairs_it(text, wrong):
    garbled = text.encode().decode(wrong, "replace")
    assert contents(clean.unicode(make_frame([garbled]))) == [DEFAULT.repair_one(garbled)]


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD", None])
def test_forms(form):
    texts = ["é", "e\u0301", "10³ ﬁ", "ASCII"]
    expected = [unicodedata.normalize(form, text) if form else text for text in texts]
    assert contents(clean.unicode(make_frame(texts), form=form)) == expected


def test_each_repair_can_be_left_out():
    texts = ["schÃ¶n\x07 \u202ax\u202c e\u0301"]
    frame = make_frame(texts)
    assert contents(clean.unicode(frame, mojibake=False)) == ["schÃ¶n \u202ax\u202c é"]
    assert contents(clean.unicode(frame, control=False)) == ["schön\x07 \u202ax\u202c é"]
    assert contents(clean.unicode(frame, bidi="remove")) == ["schön x é"]
    nothing = clean.unicode(frame, mojibake=False, control=False, form=None)
    assert contents(nothing) == texts


def test_dead_rows_keep_their_words(on_backend):
    rows = ["schÃ¶n", "schÃ¶n", [("user", "e\u0301")], [("user", "e\u0301")]]
    df = make_frame(rows, dead={0: "before", 2: "before"})
    df = computed(clean.unicode(on_backend(df)))
    assert contents(df) == ["schÃ¶n", "schön", [("user", "e\u0301")], [("user", "é")]]


def test_nulls_and_missing_columns(on_backend):
    rows = [None, "é", [], [("user", "")]]
    assert contents(computed(clean.unicode(on_backend(make_frame(rows))))) == rows
    for rows in (["e\u0301", None], [[("user", "e\u0301")], None]):
        df = computed(clean.unicode(on_backend(make_frame(rows))))
        assert "é" in str(contents(df)[0])
        assert ("text" in df) != ("messages" in df)


def test_wrong_arguments_are_errors_at_once():
    with pytest.raises(ValueError, match=r"form='NFX' is not known .*; allowed: 'NFC'"):
        clean.unicode(make_frame(["a"]), form="NFX")
    with pytest.raises(ValueError, match=r"bidi=True is not known.*'keep', 'remove'"):
        clean.unicode(make_frame(["a"]), bidi=True)


def test_real_answers_are_repaired_as_ftfy_repairs_them(data):
    import pandas as pd

    answers = pd.read_parquet(data / "bench" / "alpaca_eval_60.parquet", columns=["output"])
    texts = [text for text in answers["output"].dropna() if re.search(r"[^\x20-\x7e\n]", text)]
    texts = texts[::20]
    df = clean.unicode(make_frame([[("user", text)] for text in texts]))
    expected = [DEFAULT.repair_one(text) for text in texts]
    assert turns(df["messages"]).content.to_pylist() == expected
