"""Rows of many partitions put in order, by a client that holds few of their ids at a time."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_dedup_rows import keys, plain_key

import datamerge as dm
from datamerge.dedup import evidence
from datamerge.dedup.compared import column as compared_column
from datamerge.dedup.compared import ids, kept, order, same
from datamerge.dedup.compared.column import Column
from datamerge.dedup.compared.extract import joined
from datamerge.dedup.cosine import clustered, dense
from datamerge.dedup.cosine.vectors import measured, ordered
from datamerge.dedup.deciding import told as deciding_told
from datamerge.dedup.deciding.marking import DuplicatesWarning
from datamerge.dedup.evidence.pairs import Pairs
from datamerge.embed import index, store


@pytest.fixture(autouse=True)
def _workdir(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "workdir")}):
        yield


def saved(folder: Path, parts: list[list[str]], name: str = "new") -> list[Path]:
    """Partitions of rows with these ids; the hash of a row tells its place among all of them."""
    paths, before = [], 0
    for number, some in enumerate(parts):
        paths.append(folder / f"{name}-{number:05d}.part")
        place = np.arange(before, before + len(some), dtype=np.uint64)
        before += len(some)
        result = {
            "id": pa.array(some, pa.int64() if some and isinstance(some[0], int) else TEXT),
            "source": pa.array([f"s{number % 3}"] * len(some), TEXT),
            "chars": np.arange(len(some)),
            "digest": np.column_stack([place * np.uint64(0x9E3779B97F4A7C15), place]),
            "alive": {f"s{number % 3}": len(some)},
        }
        kept.save(paths[-1], result)
    return paths


TEXT = pa.large_string()
partitions = st.lists(st.lists(keys, max_size=12), max_size=6, min_size=1)


@given(partitions, st.booleans(), st.sampled_from([2, 10**6]))
@settings(max_examples=150, deadline=None)
def test_the_order_of_partitions_is_that_of_all_their_ids(tmp_path_factory, parts, plain, size):
    folder = tmp_path_factory.mktemp("parts")
    known: set[str] = set()
    parts = [[one for one in some if not (one in known or known.add(one))] for some in parts]
    before = order.AT_ONCE, ids.FEW
    order.AT_ONCE, ids.FEW = size, ids.FEW if plain else 0
    try:
        found = joined(saved(folder, parts), [], folder)
    finally:
        order.AT_ONCE, ids.FEW = before
    every = sorted((one for some in parts for one in some), key=plain_key)
    told = found.told(np.arange(len(found)))
    assert told["id"].to_pylist() == every
    place = {one: n for n, one in enumerate(one for some in parts for one in some)}
    assert found.digest[:, 1].tolist() == [place[one] for one in every]
    source = {one: f"s{n % 3}" for n, some in enumerate(parts) for one in some}
    assert told["source"].to_pylist() == [source[one] for one in every]
    some = np.arange(len(found))[::2]
    assert found.told(some)["id"].to_pylist() == every[::2]


@given(st.lists(st.lists(st.integers(-9, 9), max_size=5), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_old_ids_may_stand_there_twice(tmp_path_factory, parts):
    folder = tmp_path_factory.mktemp("parts")
    before, order.AT_ONCE = order.AT_ONCE, 3
    parts = [some for some in parts if some] or [[1]]
    try:
        found = joined(saved(folder, [[7, 5]]), saved(folder, parts, "old"), folder)
    finally:
        order.AT_ONCE = before
    olds = sorted((one, n) for n, one in enumerate(one for some in parts for one in some))
    assert found.olds == len(olds)
    assert found.told(np.arange(len(found)))["id"].to_pylist() == [one for one, _ in olds] + [5, 7]
    assert found.digest[: len(olds), 1].tolist() == [place for _, place in olds]


@pytest.mark.parametrize("size", [3, 10**6])
def test_ids_of_several_partitions_that_are_the_same_are_named(tmp_path, monkeypatch, size):
    monkeypatch.setattr(order, "AT_ONCE", size)
    parts = [["a#1", "a#3", "a#5"], ["a#2", "a#3"], ["b"]]
    with pytest.raises(ValueError, match="id 'a#3' stands in the frame more than once"):
        joined(saved(tmp_path, parts), [], tmp_path)
    joined(saved(tmp_path, [["a#1", "a#03"], ["a#2", "a#3"]]), [], tmp_path)


def test_partitions_that_follow_each_other_need_no_order(tmp_path):
    parts = [["b#9", "b#10"], [], ["a/x#7", "a/x#8.1", "a/x#8.2"], ["b#2"]]
    found = joined(saved(tmp_path, parts), [], tmp_path)
    assert found.order is None
    expected = ["a/x#7", "a/x#8.1", "a/x#8.2", "b#2", "b#9", "b#10"]
    assert found.told(np.arange(6))["id"].to_pylist() == expected


@pytest.mark.parametrize("waiting", [0, 8, 1 << 20])
def test_a_column_on_disk(tmp_path, monkeypatch, waiting):
    monkeypatch.setattr(compared_column, "WAITING", waiting)
    column = Column(tmp_path / "text", TEXT)
    assert column.mapped().to_pylist() == []
    some = pa.array(["", "a", None, "bc"], TEXT)
    for values in (some, some.slice(1, 3), some.slice(3, 0), pa.array([None], TEXT)):
        column.add(values)
    every = ["", "a", None, "bc", "a", None, "bc", None]
    found = column.mapped()
    found.validate(full=True)
    assert found.to_pylist() == every
    taken = column.taken(np.array([6, 0, 7]), tmp_path / "taken")
    assert taken.to_pylist() == ["bc", "", None]
    numbers = Column(tmp_path / "numbers", pa.int64())
    for _ in range(2):
        numbers.add(pa.array([3, None, 4], pa.int64()))
    assert numbers.mapped().to_pylist() == [3, None, 4] * 2
    assert len(list(tmp_path.iterdir())) == (0 if waiting > 8 else 6)


def test_equal_hashes_are_found_share_by_share(monkeypatch):
    random = np.random.default_rng(0)
    digest = random.integers(0, 1 << 64, (300, 2), dtype=np.uint64)[random.integers(0, 300, 1000)]
    whole = same.first_of_same(digest)
    monkeypatch.setattr(same, "AT_ONCE", 20)
    monkeypatch.setattr(same, "_BLOCK", 77)
    found = same.first_of_same(digest)
    plain: dict[bytes, int] = {}
    expected = [plain.setdefault(one.tobytes(), n) for n, one in enumerate(digest)]
    assert found.tolist() == whole.tolist() == expected
    assert same.firsts(found).tolist() == sorted(set(expected))


def test_vectors_are_looked_up_and_copied_share_by_share(tmp_path, monkeypatch):
    for module, name, size in ((index, "AT_ONCE", 7), (store, "_FILLED", 100)):
        monkeypatch.setattr(module, name, size)
    random = np.random.default_rng(0)
    texts = random.integers(0, 1 << 64, (200, 2), dtype=np.uint64)
    texts[:9, 0] <<= np.uint64(56)  # bytes of zeros at either end
    texts[9:18, 1] >>= np.uint64(56)
    vectors = random.normal(size=(200, 3)).astype(np.float32)
    (folder := tmp_path / "work").mkdir()
    one = store.Store(str(tmp_path), "key", 3)
    made = [one.add(texts[a:b], [vectors[a:b]]) for a, b in ((0, 70), (60, 65), (70, 180))]
    rows = random.permutation(180).astype(np.int32)
    held = np.zeros((180, 3), np.float32)
    origins = np.zeros((180, 2), np.int32)
    files = one.fill(texts, rows, held, made, origins, folder)
    assert (held == vectors[rows]).all()
    kept = [index.texts_of(tmp_path / name) for name in files]
    told = [kept[file][row].tolist() for file, row in origins.tolist()]
    assert told == texts[rows].tolist()
    listed = one.listed(folder)
    assert np.load(listed).tolist() == sorted(index.as_bytes(np.r_[texts[:180], texts[60:65]]))
    assert store.lacking(texts, listed).tolist() == [n >= 180 for n in range(200)]
    all_rows, more = np.arange(200), np.zeros((200, 2), np.int32)
    assert one.fill(texts, all_rows, np.zeros((200, 3)), made, more, folder) is None
    assert one.fill(texts, rows[:0], held[:0], made, origins[:0], folder) == files
    other = store.Store(str(tmp_path), "other", 3)
    assert other.fill(texts, rows, held, [], origins, folder) is None
    assert other.fill(texts, rows[:0], held[:0], [], origins[:0], folder) == []


def test_rows_join_clusters_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr(clustered, "_ROWS", 16)
    nearest = np.random.default_rng(0).integers(0, 9, (100, 3)).astype(np.int32)
    nearest[nearest == 4] = 5  # a cluster of none
    clustered._join(tmp_path, nearest, 9)
    order = np.argsort(nearest.ravel(), kind="stable")
    assert np.load(tmp_path / "joined.npy").tolist() == (order // 3).tolist()
    counts = np.bincount(nearest.ravel(), minlength=9)
    assert np.load(tmp_path / "starts.npy").tolist() == [0, *np.cumsum(counts).tolist()]


def test_decisions_come_in_blocks(tmp_path, monkeypatch):
    words = [f"word {n % 40}" for n in range(100)]
    found = dm.dedup.exact(dm.read(words, name="a"))
    whole = found.decisions()
    with pytest.warns(DuplicatesWarning) as told:
        marked = found.mark().compute()["drop_detail"].tolist()
    monkeypatch.setattr(deciding_told, "BLOCK", 7)
    again = dm.dedup.exact(dm.read(words, name="a"))
    with pytest.warns(DuplicatesWarning) as told_again:
        assert again.mark().compute()["drop_detail"].tolist() == marked
    pd.testing.assert_frame_equal(again.decisions(), whole)
    assert str(told_again[0].message) == str(told[0].message)
    assert again.summary()["removed"].tolist() == [60]


class Memory:
    """The most memory that NumPy and Arrow hold in a block, in bytes, beside mapped files."""

    def __enter__(self) -> Memory:
        self.pool, self.arrow = (
            pa.default_memory_pool(),
            pa.proxy_memory_pool(pa.system_memory_pool()),
        )
        pa.set_memory_pool(self.arrow)
        tracemalloc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.most = tracemalloc.get_traced_memory()[1] + self.arrow.max_memory()
        tracemalloc.stop()
        pa.set_memory_pool(self.pool)


@pytest.mark.parametrize("mixed", [False, True])
def test_a_row_takes_few_bytes_of_the_client(tmp_path, monkeypatch, mixed):
    """A row with an id of 40 letters, among 400,000 of 40 partitions, in their order or in none."""
    for module in (same, order):
        monkeypatch.setattr(module, "AT_ONCE", 1 << 13)
    monkeypatch.setattr(compared_column, "WAITING", 1 << 14)
    rows = 400_000
    names = [f"a-source-of-some-name/and-a-file#{n:07d}" for n in range(rows)]
    if mixed:
        names = [names[n] for n in np.random.default_rng(0).permutation(rows).tolist()]
    paths = saved(tmp_path, [names[n : n + 10_000] for n in range(0, rows, 10_000)])
    joined(paths[:3], [], tmp_path)  # what is loaded once is not what rows take
    with Memory() as memory:
        found = joined(paths, [], tmp_path)
        first = same.first_of_same(found.digest)
        first[: rows // 4] = 0
        pairs = Pairs(same.firsts(first), Pairs.none().found)
        about = {"how": "exact", "floor": 1.0}
        evidence.save(tmp_path / "evidence", found, first, pairs, about)
    assert len(evidence.load(tmp_path / "evidence")) == rows // 4
    assert memory.most / rows < 40, memory.most / rows


def test_a_vector_takes_few_bytes_of_the_client(tmp_path, monkeypatch):
    """The text of a vector among 400,000 of 40 files, which are copied, and put in order."""
    monkeypatch.setattr(index, "AT_ONCE", 1 << 13)
    monkeypatch.setattr(store, "_FILLED", 1 << 18)
    rows, random = 400_000, np.random.default_rng(0)
    texts = random.integers(0, 1 << 64, (rows, 2), dtype=np.uint64)
    one = store.Store(str(tmp_path), "key", 8)
    vectors = random.normal(size=(rows, 8)).astype(np.float32)
    cuts = range(0, rows, 10_000)
    made = [one.add(texts[n : n + 10_000], [vectors[n : n + 10_000]]) for n in cuts]
    held = np.lib.format.open_memmap(tmp_path / "matrix.npy", "w+", np.float32, (rows, 8))
    origins = np.lib.format.open_memmap(tmp_path / "origins.npy", "w+", np.int32, (rows, 2))
    every = random.permutation(rows).astype(np.int32)
    measured(vectors[:9])  # what is loaded once is not what rows take
    with Memory() as memory:
        one.listed(tmp_path)
        assert one.fill(texts, every, held, made, origins, tmp_path)
        norms = measured(held)
        dense.Sample.of(held[:, :1], norms, 2.0, 8)
        ordered(str(tmp_path / "matrix.npy"), 0.9, norms, tmp_path, old=every < 0)
    assert (held == vectors[every]).all()
    assert memory.most / rows < 40, memory.most / rows
