"""Pairs by cosine against brute force in float64, whatever the arithmetic."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster
from hypothesis import given, settings
from hypothesis import strategies as st

import datamerge as dm
from datamerge.compute import shortage
from datamerge.dedup.cosine import (
    clustered,
    compare,
    dense,
    int8,
    kinds,
    ondevice,
    resident,
    screen,
    vectors,
)
from datamerge.dedup.evidence.pairs import PAIR

ARITHMETICS = ["float32"]
if screen.has_vnni():
    ARITHMETICS.append("int8")
if importlib.util.find_spec("torch"):
    # The second is what a GPU does, on torch's device that is everywhere.
    ARITHMETICS += ["bfloat16", "device"]


def arithmetic_of(name: str) -> dask.config.set:
    """Settings under which vectors are compared so."""
    device = {"datamerge.dedup.device": "cpu"} if name == "device" else {}
    arithmetic = "bfloat16" if name == "device" else name
    return dask.config.set({"datamerge.dedup.arithmetic": arithmetic, **device})


@pytest.fixture(autouse=True)
def _workdir(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 192 rows: some hundred rows make several."""
    monkeypatch.setattr(vectors, "BLOCK", 192)
    monkeypatch.setattr(ondevice.OnDevice, "largest", 192)
    monkeypatch.setattr(compare, "_FEWEST", 2)
    monkeypatch.setattr(compare, "_PRODUCTS", 0)


def brute(vectors: np.ndarray, floor: float) -> dict[tuple[int, int], float]:
    exact = vectors.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1)
    with np.errstate(invalid="ignore"):
        scores = np.minimum(exact @ exact.T / np.outer(norms, norms), 1.0)
    left, right = np.nonzero(np.triu(scores >= floor, 1))
    return {(i, j): scores[i, j] for i, j in zip(left.tolist(), right.tolist(), strict=True)}


def as_dict(pairs: np.ndarray) -> dict[tuple[int, int], float]:
    assert pairs.dtype == PAIR
    found = {(i, j): score for i, j, score in pairs.tolist()}
    assert len(found) == len(pairs)
    assert all(i < j for i, j in found)
    return found


def assert_same(found: dict, vectors: np.ndarray, floor: float) -> None:
    expected, every = brute(vectors, floor), brute(vectors, -2)
    sure = {pair for pair, score in expected.items() if score > floor + 1e-12}
    assert sure <= set(found)
    for pair, score in found.items():
        assert score == pytest.approx(every[pair], abs=1e-12)
        assert every[pair] >= floor - 1e-12


def near_copies(rng, count: int, dim: int, spread: float = 0.2) -> np.ndarray:
    base = rng.normal(size=(max(count // 3, 1), dim))
    some = base[rng.integers(0, len(base), count)] + rng.normal(size=(count, dim)) * spread
    return some.astype(np.float32)


def all_pairs(vectors: np.ndarray, floor: float, arithmetic: str, **options) -> np.ndarray:
    with arithmetic_of(arithmetic):
        return compare.all_pairs(vectors, floor, **options)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 90),
    dim=st.integers(1, 400),
    floor=st.floats(-1, 1),
    spread=st.sampled_from([0.0, 1e-4, 0.05, 0.3]),
    size=st.sampled_from([1e-30, 1.0, 1e15]),
    zeros=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_all_pairs_equal_brute_force(seed, count, dim, floor, spread, size, zeros, arithmetic):
    rng = np.random.default_rng(seed)
    vectors = (near_copies(rng, count, dim, spread) * size).astype(np.float32)
    if zeros and count:
        vectors[rng.integers(0, count, 3)] = 0
    assert_same(as_dict(all_pairs(vectors, floor, arithmetic)), vectors, floor)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize(("dim", "floor"), [(3, 0.99), (40, 0.9), (64, 0.5), (384, 0.95), (200, 0)])
@pytest.mark.parametrize("falling", [False, True])
def test_several_blocks(arithmetic, dim, floor, falling, small_blocks):
    vectors = near_copies(np.random.default_rng(dim), 700, dim)
    if falling:  # a few components hold most, as in vectors of texts
        vectors *= 0.97 ** np.arange(dim, dtype=np.float32)
    found = as_dict(all_pairs(vectors, floor, arithmetic))
    assert found
    assert_same(found, vectors, floor)


@pytest.mark.skipif("int8" not in ARITHMETICS, reason="the processor has no AVX-512 VNNI")
def test_real_blocks_and_a_full_buffer(monkeypatch):
    """More candidates than a buffer holds, in blocks of the real size."""
    vectors = near_copies(np.random.default_rng(0), 13_000, 24, spread=0.5)
    monkeypatch.setattr(screen, "BUFFER", 1 << 16)
    found = all_pairs(vectors, 0.6, "int8")
    assert len(found) > 1 << 16
    np.testing.assert_array_equal(sorted_(found), sorted_(all_pairs(vectors, 0.6, "float32")))


def sorted_(pairs: np.ndarray) -> np.ndarray:
    return np.sort(pairs, order=["left", "right"])


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_ties_at_the_floor_stay(arithmetic):
    vectors = np.array([[3, 4], [4, 3], [-3, -4], [30, 40], [0, 0]], np.float32)
    found = as_dict(all_pairs(vectors, 0.96, arithmetic))
    assert found == {(0, 1): 0.96, (0, 3): 1.0, (1, 3): 0.96}


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_old_rows_and_groups_are_left_out(arithmetic, small_blocks):
    rng = np.random.default_rng(3)
    vectors = near_copies(rng, 600, 20)
    old = rng.random(600) < 0.6
    group = rng.integers(-1, 3, 600).astype(np.int32)
    found = as_dict(all_pairs(vectors, 0.5, arithmetic, old=old, group=group))
    expected = {
        (i, j)
        for i, j in brute(vectors, 0.5)
        if not (old[i] and old[j]) and (group[i] != group[j] or group[i] < 0)
    }
    assert set(found) == expected


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_scores_are_the_same_bits_on_all_schedulers(arithmetic, small_blocks):
    vectors = near_copies(np.random.default_rng(5), 500, 100)
    expected = sorted_(all_pairs(vectors, 0.8, "float32"))
    order = np.random.default_rng(6).permutation(500)
    for scheduler in ("threads", "synchronous"):
        with dask.config.set(scheduler=scheduler):
            np.testing.assert_array_equal(sorted_(all_pairs(vectors, 0.8, arithmetic)), expected)
            shuffled = all_pairs(vectors[order], 0.8, arithmetic)
    ends = np.sort(np.stack([order[shuffled["left"]], order[shuffled["right"]]]), axis=0)
    shuffled["left"], shuffled["right"] = ends
    np.testing.assert_array_equal(sorted_(shuffled), expected)


def test_in_other_processes(tmp_path, small_blocks):
    vectors = near_copies(np.random.default_rng(7), 400, 50)
    expected = sorted_(all_pairs(vectors, 0.8, "float32"))
    with dask.config.set(scheduler="processes", num_workers=2):
        np.testing.assert_array_equal(sorted_(compare.all_pairs(vectors, 0.8)), expected)


def test_a_processor_without_the_instruction(monkeypatch):
    """Workers that cannot do what was chosen do it otherwise."""
    vectors = near_copies(np.random.default_rng(7), 100, 50)
    expected = sorted_(compare.all_pairs(vectors, 0.8))
    monkeypatch.setattr(screen, "has_vnni", lambda: False)
    np.testing.assert_array_equal(sorted_(all_pairs(vectors, 0.8, "int8")), expected)
    assert screen.choose() == "float32"


def test_not_finite_and_wrong_shapes_are_errors():
    vectors = np.ones((5, 3), np.float32)
    vectors[2, 1] = np.nan
    with pytest.raises(ValueError, match="row 2 .*NaN"):
        compare.all_pairs(vectors, 0.5)
    with pytest.raises(ValueError, match="expected"):
        compare.all_pairs(np.ones(4, np.float32), 0.5)


def test_too_many_pairs_are_an_error():
    vectors = np.ones((300, 3), np.float32)
    with pytest.raises(ValueError, match="too many to keep; raise floor="):
        compare.all_pairs(vectors, 0.5, most=1000)


def test_arithmetic_that_is_not_known():
    with pytest.raises(ValueError, match="one of int8, bfloat16, float32"):
        all_pairs(np.ones((3, 3), np.float32), 0.5, "int4")


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "device"])
def test_out_of_memory_halves_the_tile(kind, monkeypatch):
    if kind not in ARITHMETICS:
        pytest.skip("torch is not installed")
    of = {"float32": kinds.Float32, "bfloat16": kinds.Bfloat16, "device": ondevice.OnDevice}[kind]
    sizes = []
    original = of.at_least

    def short_of_memory(self, left, right, *rest):
        sizes.append(rows(left) * rows(right))
        if sizes[-1] > 10_000:
            if kind == "float32":
                raise MemoryError
            import torch

            torch.empty(1 << 50)  # its own error
        return original(self, left, right, *rest)

    def rows(units):
        return len(units.values if kind == "device" else units)

    monkeypatch.setattr(of, "at_least", short_of_memory)
    vectors = near_copies(np.random.default_rng(1), 200, 30)
    assert_same(as_dict(all_pairs(vectors, 0.8, kind)), vectors, 0.8)
    assert max(sizes) > 10_000 > min(sizes)


@pytest.mark.skipif("int8" not in ARITHMETICS, reason="the processor has no AVX-512 VNNI")
@given(seed=st.integers(0, 2**32 - 1), dim=st.integers(1, 200), floor=st.floats(-0.9, 0.99))
@settings(max_examples=25, deadline=None)
def test_bounds_hold_at_every_stage(seed, dim, floor):
    """No pair is given up that reaches the floor, even where nothing but the bound decides."""
    rng = np.random.default_rng(seed)
    vectors = near_copies(rng, 64, dim, spread=0.3)
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    turn = int8.Turn.of(vectors, norms, floor)
    block = int8.prepared(turn, vectors, norms, np.arange(64), floor, 192)[0]
    q = block["y"][:, 0].transpose(2, 0, 1).copy().view(np.uint8).reshape(64, -1).astype(int) - 128
    sums = np.zeros((64, 64), int)
    reach = np.array([sorted(pair) for pair in brute(vectors, floor)], int).reshape(-1, 2)
    a = block["a"][:, :, :6].transpose(0, 2, 1).reshape(-1, len(turn.stages))[:64]
    b = block["b"][0].T
    start = 0
    for stage, end in enumerate(turn.stages):
        part = q[:, start:end]
        sums += part @ (part + 128).T + a[:, stage][:, None] + b[:, stage][None]
        assert (sums[reach[:, 0], reach[:, 1]] >= 0).all()
        start = end


def test_dense_groups_and_listed_pairs_are_all_pairs(tmp_path, monkeypatch):
    rng = np.random.default_rng(8)
    monkeypatch.setattr(dense, "FEWEST_PAIRS", 4000)
    monkeypatch.setattr(dense, "PAIRS_PER_ROW", 2)
    centres = rng.normal(size=(3, 32))
    copies = [
        c + rng.normal(size=(n, 32)) * 0.05 for c, n in zip(centres, (300, 200, 80), strict=True)
    ]
    vectors = np.concatenate([*copies, near_copies(rng, 220, 32)]).astype(np.float32)
    vectors = vectors[rng.permutation(len(vectors))]
    np.save(tmp_path / "vectors.npy", vectors)
    folder = tmp_path / "scratch"
    folder.mkdir()
    found, groups, _ = dense.search(tmp_path / "vectors.npy", 0.9, folder)
    assert groups is not None and len(np.unique(groups.group)) >= 2
    np.testing.assert_array_equal(groups.arrays["vectors"], vectors[groups.item])
    listed, inside = as_dict(found), {}
    for one in np.unique(groups.group):
        items = np.sort(groups.item[groups.group == one])
        inside |= {
            (i, j): 1.0 for n, i in enumerate(items.tolist()) for j in items[n + 1 :].tolist()
        }
    expected = brute(vectors, 0.9)
    assert not set(listed) & set(inside)
    assert set(listed) | set(inside) == set(expected)
    assert len(listed) < len(expected) / 3


def test_loose_crowds_are_an_error(tmp_path, monkeypatch):
    """All close to one direction, but not close enough to it for a group."""
    monkeypatch.setattr(dense, "FEWEST_PAIRS", 1000)
    monkeypatch.setattr(dense, "PAIRS_PER_ROW", 1)
    rng = np.random.default_rng(9)
    rest = rng.normal(size=(3000, 200)) / np.sqrt(200)
    vectors = np.column_stack([np.full(3000, np.sqrt(0.91)), rest * np.sqrt(0.09)])
    np.save(tmp_path / "vectors.npy", vectors.astype(np.float32))
    (tmp_path / "scratch").mkdir()
    with pytest.raises(ValueError, match="too many to keep"):
        dense.search(tmp_path / "vectors.npy", 0.9, tmp_path / "scratch")


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_clusters_find_the_pairs_that_share_one(arithmetic, tmp_path, small_blocks, capsys):
    rng = np.random.default_rng(11)
    vectors = near_copies(rng, 900, 30, spread=0.35)
    old = rng.random(900) < 0.2
    np.save(tmp_path / "vectors.npy", vectors)
    (tmp_path / "scratch").mkdir()
    with arithmetic_of(arithmetic):
        found, _, about = dense.search(
            tmp_path / "vectors.npy", 0.8, tmp_path / "scratch", old, clustered.Nearest(20, 2)
        )
    nearest = np.load(tmp_path / "scratch" / "nearest.npy")
    assert nearest.shape == (900, 2)
    every = {(i, j) for i, j in brute(vectors, 0.8) if not (old[i] and old[j])}
    shared = {(i, j) for i, j in every if set(nearest[i]) & set(nearest[j])}
    assert set(as_dict(found)) == shared
    assert 0.5 < len(shared) / len(every) < 1
    # Fewer rows than are measured: the recall is that of all pairs.
    assert about["recall_pairs"] == len(every)
    assert about["recall"] == pytest.approx(len(shared) / len(every))
    assert re.search(r"20 clusters, 2 probes: recall 0\.\d+ of the", capsys.readouterr().out)


def test_clusters_recall_is_of_the_sampled_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(clustered, "MEASURED", 150)
    vectors = near_copies(np.random.default_rng(12), 1200, 30, spread=0.35)
    np.save(tmp_path / "vectors.npy", vectors)
    (tmp_path / "scratch").mkdir()
    path = tmp_path / "vectors.npy"
    found = dense.search(path, 0.8, tmp_path / "scratch", None, clustered.Nearest(30, 1))
    rows = set(np.random.default_rng(0).permutation(1200)[:150].tolist())
    every = {(i, j) for i, j in brute(vectors, 0.8) if i in rows or j in rows}
    assert found.about["recall_pairs"] == len(every)
    assert found.about["recall"] == len(set(as_dict(found.pairs)) & every) / len(every)


@dataclass(frozen=True)
class Table:
    """An encoder that looks vectors up: a text is its comma-separated numbers."""

    dim: int
    fingerprint: str = "table"
    seen: list[str] = field(default_factory=list, compare=False)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.seen.extend(texts)
        vectors = [[float(x) for x in text.split(",")] for text in texts]
        return np.array(vectors).astype(np.float16 if self.fingerprint == "half" else np.float32)


def texts_of(vectors: np.ndarray) -> list[dict[str, str]]:
    return [{"text": ",".join(f"{x:.7g}" for x in row)} for row in vectors.tolist()]


@pytest.mark.parametrize("mode", ["exact", "clustered"])
@pytest.mark.parametrize("fingerprint", ["single", "half"])
def test_pairs_do_not_depend_on_partitions(mode, fingerprint):
    import dask.dataframe as dd

    vectors = near_copies(np.random.default_rng(13), 300, 8).round(3)
    pdf = dm.read(texts_of(vectors), name="v").compute()
    results = []
    for frame in (pdf, dd.from_pandas(pdf.sample(frac=1, random_state=0), npartitions=5)):
        encoder = Table(8, fingerprint)
        options = {} if mode == "exact" else {"mode": mode, "clusters": 9, "probes": 2}
        found = dm.dedup.semantic(
            frame, threshold=0.95, floor=0.8, text="text", encoder=encoder, **options
        )
        table = found.pairs
        ends = np.sort(table[["id", "other"]].to_numpy(), axis=1)
        results.append(sorted(zip(*ends.T.tolist(), table["score"].tolist(), strict=True)))
        assert len(encoder.seen) == len(set(encoder.seen))
        assert found._evidence.about.get("probes") == (2 if mode == "clustered" else None)
    assert results[0] == results[1]
    if mode == "exact":
        kind = np.float16 if fingerprint == "half" else np.float32
        assert len(results[0]) == len(brute(vectors.astype(kind), 0.8))


def test_bad_vectors_name_the_row():
    df = dm.read([{"text": "1,0"}, {"text": "nan,1"}], name="v")
    with pytest.raises(ValueError, match=r"NaN or infinity for the text of 'v#1'"):
        dm.dedup.semantic(df, threshold=0.5, text="text", encoder=Table(2)).mark()
    df = dm.read([{"text": "1,0"}, {"text": "1,2,3"}], name="v")
    with pytest.raises(ValueError, match="inhomogeneous|differ in length"):
        dm.dedup.semantic(df, threshold=0.5, text="text", encoder=Table(2)).mark()
    df = dm.read([{"text": "1,0,0"}], name="v")
    with pytest.raises(ValueError, match=r"shape \(1, 3\), expected \(1, 2\)"):
        dm.dedup.semantic(df, threshold=0.5, text="text", encoder=Table(2)).mark()


def test_bad_modes():
    df = dm.read([{"text": "a"}], name="v")
    with pytest.raises(ValueError, match="one of exact, clustered"):
        dm.dedup.semantic(df, mode="fast")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one cluster"):
        dm.dedup.semantic(df, mode="clustered", probes=0)


# On a device


needs_torch = pytest.mark.skipif("device" not in ARITHMETICS, reason="torch is not installed")


@needs_torch
@pytest.mark.parametrize("fits", [100, 4])
def test_blocks_are_sent_once_while_they_fit(fits, small_blocks, monkeypatch):
    """Squares beside each other share blocks: where four fit, few are sent again."""
    vectors = near_copies(np.random.default_rng(2), 192 * 8, 40)
    sent, most, original = [], [], ondevice.OnDevice.units

    def units(self, vectors, rows, basis):
        sent.append(int(rows[0]))
        return original(self, vectors, rows, basis)

    def keep(self, here, kept):
        most.append(kept)
        return fits * 192 * 40 * 2

    monkeypatch.setattr(ondevice.OnDevice, "units", units)
    monkeypatch.setattr(ondevice.OnDevice, "keep", keep)
    with dask.config.set(scheduler="synchronous"):
        found = all_pairs(vectors, 0.8, "device")
    assert_same(as_dict(found), vectors, 0.8)
    assert len(set(sent)) == 8 and max(most) <= fits * 192 * 40 * 2
    # 36 squares of two blocks each
    assert len(sent) == 8 if fits == 100 else 8 < len(sent) <= 24
    assert max(most) > 0 and resident.BLOCKS.nbytes == 0  # nothing stays when the search ends


@needs_torch
def test_blocks_of_another_matrix_are_not_taken_for_these(tmp_path, small_blocks):
    """Two searches in one folder, one after another; the first was killed before its end."""
    one, other = (near_copies(np.random.default_rng(n), 400, 30) for n in (1, 2))
    folder = tmp_path / "scratch"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resident, "end_of", lambda folder: None)
        all_pairs(one, 0.8, "device", folder=folder)
        assert resident.BLOCKS.nbytes > 0
    for path in folder.glob("*"):
        path.unlink()
    found = all_pairs(other, 0.8, "device", folder=folder)
    assert_same(as_dict(found), other, 0.8)


@needs_torch
def test_workers_hold_no_blocks_when_the_search_ends(tmp_path):
    device = {"datamerge.dedup.device": "cpu", "datamerge.dedup.arithmetic": "bfloat16"}

    def held() -> tuple[int, int]:
        from datamerge.dedup.cosine.resident import BLOCKS

        return BLOCKS.nbytes, BLOCKS.made

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
        dask.config.set(device),
    ):
        client.run(dask.config.set, device)
        rows = near_copies(np.random.default_rng(6), 700, 30)
        assert len(compare.all_pairs(rows, 0.7, folder=tmp_path))
        for _ in range(300):  # nobody waits for the worker to forget them
            ((nbytes, made),) = client.run(held).values()
            if not nbytes:
                break
            time.sleep(0.1)
    assert made > 0 and nbytes == 0


@needs_torch
@pytest.mark.parametrize("fails", ["at_least", "units"])
@pytest.mark.parametrize("after", [0, 3])
def test_a_device_without_memory_leaves_it_to_the_processor(fails, after, tmp_path, monkeypatch):
    import torch

    original, calls = getattr(ondevice.OnDevice, fails), []

    def full(self, *arguments):
        calls.append(fails)
        if len(calls) > after:
            torch.empty(1 << 50)
        return original(self, *arguments)

    monkeypatch.setattr(vectors, "BLOCK", 192)
    monkeypatch.setattr(ondevice.OnDevice, "largest", 192)
    monkeypatch.setattr(ondevice.OnDevice, fails, full)
    rows = near_copies(np.random.default_rng(4), 700, 30)
    group = np.random.default_rng(5).integers(-1, 2, 700).astype(np.int32)
    old = np.arange(700) < 250
    with dask.config.set(scheduler="synchronous"):
        found = all_pairs(rows, 0.7, "device", folder=tmp_path, old=old, group=group)
    expected = all_pairs(rows, 0.7, "float32", old=old, group=group)
    np.testing.assert_array_equal(sorted_(found), sorted_(expected))
    told = shortage.noted(tmp_path)["compare"]
    assert told["devices"] == ["cpu"] and told["often"] >= 1 and told["rows_on_cpu"] > 0
    assert resident.BLOCKS.nbytes == 0 and len(calls) > after


@needs_torch
def test_real_lack_of_memory_ends_in_the_same_pairs(tmp_path):
    """A process that may not have more memory than it has, but for a little."""
    vectors = near_copies(np.random.default_rng(6), 10_000, 32)
    np.save(tmp_path / "rows.npy", vectors)
    code = f"""
import resource, dask, numpy as np, torch
from datamerge.dedup.cosine import compare
from datamerge.compute import shortage
from pathlib import Path
rows, folder = np.load({str(tmp_path / "rows.npy")!r}), Path({str(tmp_path / "scratch")!r})
torch.set_num_threads(1)
settings = {{"datamerge.dedup.arithmetic": "bfloat16", "datamerge.dedup.device": "cpu",
            "datamerge.room": "8GiB", "scheduler": "synchronous"}}
with dask.config.set(settings):
    compare.all_pairs(rows[:300], 0.7)  # what is compiled and started takes memory, too
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (150 << 20), -1))
    folder.mkdir()
    found = compare.all_pairs(rows, 0.7, folder=folder)
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
np.save(folder / "sorted.npy", np.sort(found, order=["left", "right"]))
print(shortage.noted(folder))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = ast.literal_eval(done.stdout)["compare"]
    assert told["often"] >= 1 and told["fewest_rows"] < 10_000
    expected = sorted_(all_pairs(vectors, 0.7, "float32"))
    np.testing.assert_array_equal(np.load(tmp_path / "scratch" / "sorted.npy"), expected)


@needs_torch
def test_a_crowded_tile_is_looked_through_by_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(ondevice, "_MOST_STRIPS", 10)
    monkeypatch.setattr(ondevice, "_STRIPS", 3)
    vectors = near_copies(np.random.default_rng(3), 300, 20, spread=0.02)
    found = all_pairs(vectors, -0.5, "device", folder=tmp_path)
    assert len(found) > 20_000 and not shortage.noted(tmp_path)
    assert_same(as_dict(found), vectors, -0.5)


@given(st.floats(-1, 1))
def test_a_bound_in_bfloat16_is_the_next_below(bound):
    least = kinds.below(bound)
    step = 2.0**-7 * max(abs(bound), 2.0**-126)
    assert bound - step <= least <= bound
    assert np.float32(least).view(np.uint32) & 0xFFFF == 0


@needs_torch
def test_cublas_is_told_to_add_in_float32_and_the_setting_is_put_back():
    import torch

    matmul = torch.backends.cuda.matmul
    kind = ondevice.OnDevice("cpu")
    kind.device = torch.device("cuda")
    for before in (True, False):
        matmul.allow_bf16_reduced_precision_reduction = before
        with kind._sums_of_float32():
            assert matmul.allow_bf16_reduced_precision_reduction is False
        assert matmul.allow_bf16_reduced_precision_reduction is before
    matmul.allow_bf16_reduced_precision_reduction = True


@dataclass(frozen=True)
class Telling(Table):
    """One that halves its batches, or says so."""

    short: bool = False

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if self.short:
            shortage.note("halved", "an encoder's", 5)
        return super().encode(texts)


@needs_torch
@pytest.mark.parametrize("mode", ["exact", "clustered"])
def test_lack_of_memory_is_told_in_the_ledger_and_changes_nothing_else(mode, tmp_path, monkeypatch):
    """On the way to vectors, too: what encoders note is kept with what the comparison notes."""
    rng = np.random.default_rng(7)
    records = texts_of(near_copies(rng, 300, 24))
    original, written = ondevice.OnDevice.at_least, {}

    def full(self, left, right, *rest):
        if len(left.values) > 64:
            raise MemoryError
        return original(self, left, right, *rest)

    for name in ("plenty", "little"):
        table = Telling(24, short=name == "little")
        with monkeypatch.context() as patch, arithmetic_of("device"):
            if table.short:
                patch.setattr(ondevice.OnDevice, "at_least", full)
            with dask.config.set({"datamerge.workdir": str(tmp_path / name)}):
                df = dm.read(records, name="rows")
                dups = dm.dedup.semantic(df, threshold=0.9, encoder=table, mode=mode)
                written[name] = dm.write(dups.mark(), tmp_path / f"{name}-out")
    told = written["little"].steps[0].pop("short_of_memory")["semantic_duplicate"]
    assert told["compare"]["fewest_rows"] == 64 and told["compare"]["devices"] == ["cpu"]
    assert told["embed"] == {"devices": ["an encoder's"], "often": 1, "fewest_rows": 5}
    assert written["little"].steps == written["plenty"].steps
    for path in (tmp_path / "plenty-out").rglob("*.parquet"):
        other = tmp_path / "little-out" / path.relative_to(tmp_path / "plenty-out")
        assert path.read_bytes() == other.read_bytes()
    assert sum(written["plenty"].total["removed"].values()) > 50
