from __future__ import annotations

from typing import Any

import pytest
from frames import computed, make_frame, marks

from datamerge import filters, tokens

ROWS: list[Any] = [
    [("system", "be kind"), ("user", "one two"), ("assistant", "three four five six")],
    [("user", "naïve 東京 \u2003 x")],
    "",
    "a b  c\nd\u00a0e",
    None,
    [],
    [("assistant", "words words words words words words words words words words")],
]


def plainly(row: Any, unit: str, text: str) -> int | None:
    """Length of a row the slow way, None where it is not to be judged."""
    is_chat = isinstance(row, list)
    if unit == "turns":
        return len(row) if is_chat else None
    if not is_chat and text != "chat":
        return None
    wanted = {"chat": None, "prompt": "user", "response": "assistant"}[text]
    parts = [c for role, c in row if wanted in (None, role)] if is_chat else [row or ""]
    whole = "\n\n".join(parts)
    return len(whole) if unit == "characters" else len(whole.split())


@pytest.mark.parametrize("unit", ["characters", "words", "turns"])
@pytest.mark.parametrize("text", ["chat", "prompt", "response"])
@pytest.mark.parametrize(("least", "most"), [(2, None), (None, 5), (1, 8), (0, 0)])
def test_bounds_are_included(unit, text, least, most, on_backend):
    expected = []
    for row in ROWS:
        n = plainly(row, unit, text)
        if n is not None and least is not None and n < least:
            expected.append(("length", f"{n} {unit} < {least}"))
        elif n is not None and most is not None and n > most:
            expected.append(("length", f"{n} {unit} > {most}"))
        else:
            expected.append(None)
    df = on_backend(make_frame(ROWS))
    df = computed(filters.length(df, min=least, max=most, unit=unit, text=text))
    assert marks(df) == expected


def test_tokens_are_counted_with_the_default_tokenizer(on_backend):
    df = on_backend(make_frame(ROWS))
    counts = computed(tokens.count(df))["tokens"].tolist()
    found = marks(filters.length(df, min=6, unit="tokens"))
    assert found == [("length", f"{n} tokens < 6") if n < 6 else None for n in counts]


def test_tokens_that_were_counted_are_read():
    df = make_frame(["a", "b", "c"]).assign(tokens=[100, 1, None])
    assert marks(filters.length(df, min=50, unit="tokens")) == [
        None, ("length", "1 tokens < 50"), ("length", "0 tokens < 50"),
    ]  # fmt: skip
    chat = make_frame([[("user", "hello there"), ("assistant", "x")]]).assign(tokens=[100])
    assert marks(filters.length(chat, min=50, unit="tokens", text="prompt")) == [
        ("length", "2 tokens < 50")
    ]


def test_a_column_can_be_measured():
    df = make_frame(["a", "b"], note=["four", None])
    assert marks(filters.length(df, min=1, text="note")) == [None, ("length", "0 characters < 1")]


def test_dead_rows_are_left_alone(on_backend):
    df = make_frame(["a", "b", "long enough"], dead={1: "before"})
    assert marks(filters.length(on_backend(df), min=5)) == [
        ("length", "1 characters < 5"), ("before", "marked before"), None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "length needs min, max or both"),
        ({"min": -1}, "min=-1 must be a whole number"),
        ({"max": 1.5}, "max=1.5 must be a whole number"),
        ({"min": True}, "min=True must be a whole number"),
        ({"min": 5, "max": 4}, "min=5 is greater than max=4"),
        ({"min": 1, "unit": "word"}, "unit='word' is not known .did you mean 'words'"),
    ],
)
def test_wrong_arguments_are_errors_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        filters.length(make_frame(["a"]), **arguments)
