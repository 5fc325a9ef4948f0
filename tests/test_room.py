"""Blocks and tiles as large as there is room for, and the same pairs whatever the room."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
from distributed import Client
from frames import make_frame

import datamerge as dm
from datamerge.compute import memory
from datamerge.compute.room import SHARE, room
from datamerge.dedup.cosine import compare, kinds, products, vectors


@pytest.fixture(autouse=True)
def _workdir(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def test_room_is_what_the_smallest_worker_has():
    with Client(
        n_workers=1, threads_per_worker=2, processes=False, memory_limit="800MB",
        dashboard_address=None,
    ):  # fmt: skip
        assert room() == int(400_000_000 * SHARE)
        with dask.config.set({"datamerge.room": "1MiB"}):
            assert room() == 1 << 20
    assert room() > 0  # of this machine


def test_blocks_and_tiles_shrink_with_the_room():
    sizes = [vectors.block_rows(10**7, 384, mib << 20) for mib in (1, 8, 32, 128, 1024)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[1] < sizes[-1] == vectors.BLOCK
    assert all(size % vectors.UNIT == 0 and size for size in sizes)
    assert vectors.block_rows(100, 384, 128 << 20) == vectors.UNIT  # there are no more rows
    tiles = [products.tile_rows(mib << 20, kinds.Float32()) for mib in (0, 1, 16, 128, 1024)]
    assert tiles == sorted(tiles) and tiles[0] == 1 and tiles[-1] == kinds.TILE


@pytest.mark.parametrize("arithmetic", ["int8", "bfloat16", "float32"])
def test_the_same_pairs_in_any_room(arithmetic):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(900, 48)).astype(np.float32)
    rows[300:600] = rows[:300] + 0.1 * rng.normal(size=(300, 48))
    found = {}
    for size in ("100 kB", "1MiB", "64MiB"):
        with dask.config.set({"datamerge.room": size, "datamerge.dedup.arithmetic": arithmetic}):
            found[size] = np.sort(compare.all_pairs(rows, 0.7))
    assert len(found["64MiB"]) >= 300
    for pairs in found.values():
        np.testing.assert_array_equal(pairs, found["64MiB"])


class Short(kinds.Float32):
    """A product that has memory for small tiles alone."""

    most = 40

    def at_least(self, left, right, bound, row, column):
        if len(left) > self.most:
            raise MemoryError
        yield from super().at_least(left, right, bound, row, column)


def test_a_tile_that_is_too_large_after_all_is_halved(monkeypatch):
    rows = np.random.default_rng(1).normal(size=(500, 20)).astype(np.float32)
    with dask.config.set({"datamerge.dedup.arithmetic": "float32"}):
        expected = np.sort(compare.all_pairs(rows, 0.5))
        monkeypatch.setattr(kinds, "Float32", Short)
        np.testing.assert_array_equal(np.sort(compare.all_pairs(rows, 0.5)), expected)
    assert len(expected) > 100


FINDERS = {
    "jaccard": partial(dm.dedup.jaccard, threshold=0.6, ngram=2),
    "minhash": partial(dm.dedup.minhash, threshold=0.6, ngram=2),
    "semantic": partial(dm.dedup.semantic, threshold=0.9),
    "clustered": partial(dm.dedup.semantic, threshold=0.9, mode="clustered", clusters=5),
}


@pytest.mark.parametrize("finder", FINDERS)
def test_the_same_evidence_in_any_room(finder, tmp_path: Path, monkeypatch):
    texts = [f"the {n % 90} birds fly over {n % 7} seas and {n % 90} hills" for n in range(400)]
    df = make_frame(texts)
    kept: list[dict[str, bytes]] = []
    removed: list[pd.DataFrame] = []
    for size, close in (("50 B", 0), ("64MiB", memory.CLOSE)):
        monkeypatch.setattr(memory, "CLOSE", close)
        work = str(tmp_path / size)
        with dask.config.set({"datamerge.workdir": work, "datamerge.room": size}):
            removed.append(FINDERS[finder](df).decisions())
            paths = sorted((Path(work) / "pairs").rglob("*.npy"))
            kept.append({path.name: path.read_bytes() for path in paths})
    assert len(removed[0]) and kept[0] and kept[0] == kept[1]
    pd.testing.assert_frame_equal(*removed)


def test_a_row_group_too_large_for_the_room_is_read_by_parts(tmp_path: Path):
    texts = [f"line {n} " + "word " * (n % 50) for n in range(20_000)]
    path = tmp_path / "one.parquet"
    pd.DataFrame({"text": texts}).to_parquet(path, row_group_size=len(texts))
    found = {}
    for size in ("1kB", "1GiB"):
        with dask.config.set({"datamerge.room": size}):
            df = dm.read(path, blocksize=20_000)
            assert df.npartitions > 4
            found[size] = df.compute(scheduler="synchronous")
    pd.testing.assert_frame_equal(found["1kB"], found["1GiB"])
    assert found["1kB"]["text"].tolist() == texts
