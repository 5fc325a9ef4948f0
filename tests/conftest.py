"""Fixtures: each backend in turn, and the folder of real data."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests import `frames` and other neighbours

from frames import BACKENDS

dask.config.set(scheduler="synchronous")


@pytest.fixture(params=list(BACKENDS))
def on_backend(request: pytest.FixtureRequest) -> Callable[[pd.DataFrame], Any]:
    """Puts a frame on each backend in turn: pandas, and Dask in several cuts."""
    return BACKENDS[request.param]


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data; tests that need it are skipped where it is absent."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DATAMERGE_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set DATAMERGE_DATA)")
    return folder
