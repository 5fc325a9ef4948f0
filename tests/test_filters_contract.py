"""What holds of every filter and transform alike."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from dask.base import tokenize
from frames import computed, contents, make_frame, marks, on_dask

from datamerge import audit, clean, filters, tokens

STEPS = {
    "clean.unicode": lambda df, **more: clean.unicode(df, **more),
    "clean.turns": lambda df, **more: clean.turns(df, **more),
    "filters.language": lambda df, **more: filters.language(df, ["en", "de"], **more),
    "filters.phrases": lambda df, **more: filters.phrases(df, ["refusals", "banana"], **more),
    "filters.roles": lambda df, **more: filters.roles(df, ["tool"], **more),
    "filters.length": lambda df, **more: filters.length(df, min=3, unit="words", **more),
    "tokens.count": lambda df, **more: tokens.count(df, per_role=True, **more),
}
MARKING = [name for name in STEPS if name not in ("clean.unicode", "tokens.count")]

ROWS = [
    [("user", "Where do bananas grow, and since when?"),
     ("assistant", "A banana grows in the tropics.")],
    [("assistant", "Hi"), ("user", "Wo wachsen Bananen, und seit wann?")],
    "As an AI language model I cannot have a favourite fruit.",
    None,
    [("user", "Où poussent les bananes, et depuis quand ?"), ("tool", "{}")],
    "Two words",
    [("user", "e\u0301"), ("system", "schÃ¶n")],
    "これは日本語の文章です。バナナはどこで育ちますか。",
]  # fmt: skip


def by_row(df: pd.DataFrame) -> list[dict]:
    return json.loads(df.to_json(orient="records"))


def test_filters_are_named_in_order():
    assert filters.__all__ == sorted(filters.__all__)
    assert all(callable(getattr(filters, name)) for name in filters.__all__)


@pytest.mark.parametrize("name", STEPS)
def test_same_rows_however_the_frame_is_cut(name, on_backend):
    frame = make_frame(ROWS, dead={5: "before"})
    once = STEPS[name](frame)
    again = computed(STEPS[name](on_backend(frame)))
    assert by_row(again) == by_row(once)
    assert again.dtypes.to_dict() == once.dtypes.to_dict()
    assert marks(again)[5] == ("before", "marked before")
    assert frame.equals(make_frame(ROWS, dead={5: "before"}))  # what was given is as it was


@pytest.mark.parametrize("name", STEPS)
def test_all_steps_in_a_row_are_remembered_with_their_arguments(name):
    lazy = on_dask(make_frame(ROWS), 3)
    (step,) = audit.steps(STEPS[name](lazy))
    assert step.name == name
    assert json.loads(json.dumps(step.arguments)) == step.arguments
    assert pickle.loads(pickle.dumps(step.run)) == step.run
    assert (step.reason is None) == (name not in MARKING)


@pytest.mark.parametrize("name", MARKING)
def test_a_filter_can_be_called_something_else(name):
    found = {mark[0] for mark in marks(STEPS[name](make_frame(ROWS), reason="mine")) if mark}
    assert found == {"mine"}


@pytest.mark.parametrize("name", STEPS)
def test_frames_without_rows(name):
    df = STEPS[name](make_frame([]))
    assert len(df) == 0
    dead = STEPS[name](make_frame(["x", "y"], dead={0: "before", 1: "before"}))
    assert contents(dead) == ["x", "y"]


def test_filters_follow_one_another(on_backend):
    df = on_backend(make_frame(ROWS))
    for step in STEPS.values():
        df = step(df)
    reasons = [mark and mark[0] for mark in marks(computed(df))]
    assert reasons == [
        "phrases", "turns", "phrases", "length", "language", "length", "length", "language",
    ]  # fmt: skip


def test_steps_have_the_same_name_in_every_process():
    """A run that is resumed finds what the last one left by these names."""
    code = (
        "import test_filters_contract as t; from frames import make_frame, on_dask\n"
        "from dask.base import tokenize; from datamerge import audit\n"
        "lazy = on_dask(make_frame(t.ROWS), 2)\n"
        "print(*(tokenize(audit.steps(step(lazy))[-1]) for step in t.STEPS.values()))"
    )
    lazy = on_dask(make_frame(ROWS), 2)
    here = [tokenize(audit.steps(step(lazy))[-1]) for step in STEPS.values()]
    tests = Path(__file__).parent
    path = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "17"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == here
    assert len({*here}) == len(STEPS)
