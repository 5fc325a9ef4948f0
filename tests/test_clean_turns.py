from __future__ import annotations

from typing import Any

import pytest
from frames import computed, contents, make_frame, marks
from hypothesis import given, settings
from hypothesis import strategies as st

from datamerge import clean

U, A, S, T = ("user", "u"), ("assistant", "a"), ("system", "s"), ("tool", "t")


def plainly(chat: Any) -> Any:
    """The rules one at a time, each until it no longer applies."""
    if not isinstance(chat, list):
        return chat
    turns = [t for t in chat if len(t) > 2 or t[1].strip()]
    openers = [t for t in turns if t[0] in ("system", "developer")]
    turns = openers + [t for t in turns if t[0] not in ("system", "developer")]
    i = 0
    while i + 1 < len(turns):
        one, two = turns[i : i + 2]
        if one[0] == two[0] and one[0] != "tool" and len(one) == len(two) == 2:
            turns[i : i + 2] = [(one[0], one[1] + "\n\n" + two[1])]
        else:
            i += 1
    return turns


REPAIRS = [
    ([U, A, U, A], [U, A, U, A]),
    ([U, ("user", "more"), A], [("user", "u\n\nmore"), A]),
    ([U, S, A], [S, U, A]),
    ([S, U, ("system", "s2"), A], [("system", "s\n\ns2"), U, A]),
    ([("user", ""), U, ("assistant", " \n"), A], [U, A]),
    ([U, ("assistant", ""), ("user", "again"), A], [("user", "u\n\nagain"), A]),
    ([U, ("assistant", "", {"tool_calls": [1]}), T, ("tool", "t2"), A], None),
    ([U, A, ("assistant", "b", {"name": "x"}), ("assistant", "c")], None),
    ([("developer", "d"), S, U, A], None),
    ([U], None),
    ([("user", "  keeps its space \n"), A], None),
]


@pytest.mark.parametrize(("before", "after"), REPAIRS)
def test_repairs(before, after):
    df = clean.turns(make_frame([before]))
    assert contents(df) == [before if after is None else after]
    assert marks(df) == [None]


FAULTS = [
    ([A, U], "starts with assistant"),
    ([S, A, U, A], "starts with assistant"),
    ([T, U], "starts with tool"),
    ([("narrator", "n"), U], "starts with narrator"),
    ([A], "no user turn"),
    ([S], "no user turn"),
    ([S, A], "no user turn"),
    ([], "no turns"),
    ([("user", " ")], "no turns"),
    ([("assistant", ""), U], None),
    ([U], None),
    ("a document", None),
    (None, None),
]


@pytest.mark.parametrize(("chat", "fault"), FAULTS)
def test_marks_what_it_cannot_repair(chat, fault, on_backend):
    rows = [[U, A], chat, "text"]
    df = computed(clean.turns(on_backend(make_frame(rows))))
    assert marks(df) == [None, fault and ("turns", fault), None]
    assert contents(df) == [plainly(row) for row in rows]


def test_what_may_be_asked_for():
    df = make_frame([[A, U], [U], [U, A], [S]])
    assert marks(clean.turns(df, start="any")) == [None, None, None, ("turns", "no user turn")]
    found = marks(clean.turns(df, require_response=True, reason="order"))
    assert found == [
        ("order", "starts with assistant"), ("order", "no assistant turn"), None,
        ("order", "no user turn"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="start='system' is not known"):
        clean.turns(df, start="system")


def test_dead_rows_stay_as_they_are(on_backend):
    crooked = [U, ("user", "more"), S]
    df = make_frame([crooked, crooked, [A]], dead={0: "before", 2: "before"})
    df = computed(clean.turns(on_backend(df)))
    assert contents(df) == [crooked, plainly(crooked), [A]]
    assert [mark and mark[0] for mark in marks(df)] == ["before", None, "before"]


def test_frames_of_documents(on_backend):
    df = computed(clean.turns(on_backend(make_frame(["a", "b"]))))
    assert contents(df) == ["a", "b"] and "messages" not in df


TURN = st.tuples(
    st.sampled_from(["system", "developer", "user", "assistant", "tool", "critic"]),
    st.sampled_from(["", " ", "\n", "x", "two words", "\u2003", "é"]),
)
EXTRA = st.tuples(
    st.sampled_from(["user", "assistant"]), st.sampled_from(["", "x"]), st.just({"n": 1})
)
CHATS = st.lists(
    st.lists(TURN | TURN | EXTRA, max_size=7) | st.none() | st.just("text"), min_size=1, max_size=6
)


@settings(max_examples=200, deadline=None)
@given(rows=CHATS, dead=st.sets(st.integers(0, 5)))
def test_any_chat_is_repaired_as_the_slow_way_does_it(rows, dead):
    frame = make_frame(rows, dead=dict.fromkeys(dead, "before"))
    df = clean.turns(frame)
    expected = [row if i in dead else plainly(row) for i, row in enumerate(rows)]
    assert contents(df) == expected
    words = [sorted(w for t in row for w in t[1].split()) for row in rows if isinstance(row, list)]
    after = [
        sorted(w for t in row for w in t[1].split())
        for row in contents(df)
        if isinstance(row, list)
    ]
    assert words == after  # no word is lost
    assert contents(clean.turns(df)) == expected  # nor is there anything left to repair
