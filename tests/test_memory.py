"""What is read of mapped files does not stay in memory."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from datamerge.compute import memory

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def of_files() -> int:
    """Bytes of mapped files in this process's memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssFile:")[1].split()[0]) * 1024


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    """A matrix of 128 MiB whose rows know their number."""
    path = tmp_path / "matrix.npy"
    matrix = np.lib.format.open_memmap(path, "w+", np.float32, (1 << 18, 128))
    matrix[:, 0] = np.arange(len(matrix))
    matrix.flush()
    del matrix
    return np.load(path, mmap_mode="r")


@linux
def test_what_was_read_is_let_go(mapped):
    before = of_files()
    assert float(mapped[:, 0].sum()) > 0
    assert of_files() - before > 100 << 20
    memory.let_go(np.asarray(mapped)[5:].view())  # whatever of it one has in hand
    assert of_files() - before < 20 << 20
    assert mapped[777, 0] == 777  # it is read again
    memory.let_go(np.zeros(3))  # not mapped: nothing to let go


@linux
def test_rows_in_any_places_are_read_and_not_mapped(mapped):
    rows = np.random.default_rng(0).permutation(len(mapped))[:4000]
    before = of_files()
    picked = memory.picked(mapped, rows)
    assert picked[:, 0].astype(int).tolist() == rows.tolist()
    assert picked.shape == (4000, 128) and not picked[:, 1:].any()
    assert of_files() - before < 8 << 20


def test_rows_that_lie_together_are_not_far(mapped):
    rows = np.arange(50_000, 20_000, -1)
    assert not memory.is_far(mapped, rows) and memory.is_far(mapped, rows * 5)
    assert not memory.is_far(np.asarray(mapped), rows * 5)  # no file is known
    assert memory.picked(mapped, rows)[:, 0].tolist() == rows.tolist()
    assert memory.picked(mapped, rows[:0]).shape == (0, 128)


def test_runs_of_an_array(tmp_path):
    np.save(tmp_path / "numbers.npy", np.arange(1000, dtype=np.uint64))
    numbers = np.load(tmp_path / "numbers.npy", mmap_mode="r")
    found, ends = memory.runs(numbers, np.array([900, 3, 500]), np.array([2, 0, 3]))
    assert found.tolist() == [900, 901, 500, 501, 502] and ends.tolist() == [0, 2, 2, 5]
    with pytest.raises(OSError, match="too early"):
        memory.runs(numbers, np.array([999]), np.array([2]))
