from __future__ import annotations

import pytest
from frames import computed, make_frame, marks

from datamerge import filters

ROWS = [
    [("system", "s"), ("user", "u"), ("tool", "t")],
    [("user", "u"), ("assistant", "a")],
    "a document",
    None,
    [],
    [("user", "u"), ("narrator", "n"), ("tool", "t"), ("narrator", "n")],
]


def plainly(drop: list[str]) -> list[tuple[str, str] | None]:
    found = []
    for row in ROWS:
        turns = [] if row is None or isinstance(row, str) else row
        hits = [(i, role) for i, (role, _) in enumerate(turns) if role in drop]
        found.append(("roles", f"{hits[0][1]} turn {hits[0][0]}") if hits else None)
    return found


@pytest.mark.parametrize("drop", [["system"], ["tool", "narrator"], ["nobody"], ["System"]])
def test_names_the_first_turn_of_such_a_role(drop, on_backend):
    assert marks(computed(filters.roles(on_backend(make_frame(ROWS)), drop))) == plainly(drop)


def test_one_role_may_be_a_string():
    assert marks(filters.roles(make_frame(ROWS), "tool")) == plainly(["tool"])


def test_frames_of_documents_stay(on_backend):
    assert marks(filters.roles(on_backend(make_frame(["a", "b"])), "user")) == [None, None]


def test_dead_rows_and_another_reason(on_backend):
    df = make_frame(ROWS, dead={0: "before"})
    found = marks(filters.roles(on_backend(df), "tool", reason="no_tools"))
    assert found[0] == ("before", "marked before") and found[5] == ("no_tools", "tool turn 2")


@pytest.mark.parametrize("drop", [[], "", [""], [1]])
def test_wrong_roles_are_errors_at_once(drop):
    with pytest.raises(ValueError, match="drop="):
        filters.roles(make_frame(ROWS), drop)
