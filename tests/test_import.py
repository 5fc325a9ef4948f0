"""Importing starts, logs and loads nothing that is not needed."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "anywidget", "cudf", "cupy", "datasets", "distributed", "ftfy", "huggingface_hub", "ipywidgets",
    "numba", "py3langid", "sklearn", "tokenizers", "torch", "transformers",
}  # fmt: skip


def python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout


def test_nothing_heavy_is_loaded():
    before = set(python("import sys, dask.dataframe; print(*sys.modules)").split())
    after = set(python("import sys, datamerge; print(*sys.modules)").split())
    roots = {name.partition(".")[0] for name in after - before}
    assert not roots & HEAVY
    assert {name for name in after if name.startswith("datamerge.")}


def test_importing_starts_no_thread_and_prints_nothing():
    assert python("import datamerge, threading; print(threading.active_count())").strip() == "1"


def test_public_names_are_there_and_sorted():
    names = python(
        "import datamerge as dm\n"
        "assert dm.__all__ == sorted(dm.__all__, key=lambda n: (not n[0].isupper(), n))\n"
        "print(*[n for n in dm.__all__ if not hasattr(dm, n)])\n"
    )
    assert not names.strip()
