"""Graphs stay small: what ten million rows would take is planned here, and not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from distributed.protocol import pickle

import datamerge as dm
from datamerge.compute import graph_of, tasks_of_each, tasks_of_partitions
from datamerge.dedup.cosine import clustered, compare, vectors
from datamerge.dedup.cosine.vectors import Vectors
from datamerge.dedup.wording import bandlists, postings, prefixes, probe
from datamerge.write.parts import WritePart
from datamerge.write.target import Target

ROWS, DIM = 10_000_000, 384
MOST_TASKS, MOST_BYTES = 5000, 3_000_000


def assert_small(tasks: dict[Any, Any], most: int = MOST_TASKS) -> None:
    """Few tasks, and not many bytes for the scheduler."""
    assert 1 < len(tasks) < most
    assert len(pickle.dumps(tasks)) < MOST_BYTES


def compared(rows: int, size: int | None = None, old: int = 0) -> compare.Compare:
    """The comparison of so many rows, of which there is none."""
    size = size or vectors.block_rows(rows, DIM, 128 << 20)
    return compare.Compare(Vectors("", "", rows, 0.93, old, False, size), "int8", None)


def test_all_pairs_of_ten_million_vectors():
    work = compared(ROWS)
    assert_small(tasks_of_each(work, work.shares(), "compare"))
    assert_small(
        tasks_of_each(compare.Prepare(work.vectors, "int8"), range(work.vectors.blocks), "b")
    )


@pytest.mark.parametrize(
    ("rows", "old"), [(1, 0), (191, 0), (192 * 50, 0), (192 * 50, 192 * 20 + 7)]
)
def test_every_square_is_in_one_share(rows, old):
    work = compared(rows, 192, old)
    squares, blocks = work.squares(), -(-rows // 192)
    seen = [tuple(one) for first, last in work.shares() for one in squares[first:last].tolist()]
    expected = [(a, b) for a in range(blocks) for b in range(a, blocks) if (b + 1) * 192 > old]
    assert sorted(seen) == (expected if rows > 1 else []) and len(seen) == len(set(seen))


def test_squares_beside_each_other_share_blocks():
    """Whatever number of blocks a worker holds, it gets few of them again."""
    squares = compared(192 * 60, 192).squares()
    for held in (8, 16, 32):
        kept, got = dict[int, None](), 0
        for block in squares.ravel().tolist():
            got += block not in kept
            kept.pop(block, None)
            kept[block] = None
            if len(kept) > held:
                del kept[next(iter(kept))]
        assert got < 3 * len(squares) / held


def test_clusters_of_ten_million_vectors():
    clusters = clustered.count_for(ROWS)
    joined = np.random.default_rng(0).gamma(2, size=clusters)
    shares = clustered.shares(np.round(8 * ROWS * joined / joined.sum()))
    assert [one for share in shares for one in range(*share)] == list(range(clusters))
    work = clustered.CompareClusters(compared(ROWS).vectors, "int8", None)
    assert_small(tasks_of_each(work, shares, "compare"))


def test_joins_by_wording_of_ten_million_texts():
    looks = np.arange(ROWS + 1) * 40  # each looks up forty of its shingles, or bands
    stripes = list(postings.stripes(looks, postings.LOOKUPS_A_STRIPE))
    assert stripes[0][0] == 0 and stripes[-1][1] == ROWS
    assert_small(tasks_of_each(probe.Probe("folder", 0.8, True, 1), stripes, "compare"))
    cuts = list(postings.stripes(np.arange(ROWS + 1) * 200, prefixes.SHINGLES_A_STRIPE))
    assert_small(tasks_of_each(prefixes.Prefixes("folder"), cuts, "prefix"))
    lists = bandlists.shares(ROWS, 42)
    assert [band for share in lists for band in range(*share)] == list(range(42))
    assert_small(tasks_of_each(bandlists.BandLists("folder"), lists, "lists"))


@pytest.fixture
def ten_gigabytes(tmp_path: Path) -> Path:
    """A file of that size, of which next to nothing is there."""
    path = tmp_path / "large.jsonl"
    chat = {"messages": [{"role": "user", "content": "Hi " * 200}]}
    path.write_text(f"{json.dumps(chat)}\n" * 3000)
    with path.open("r+b") as file:
        file.truncate(10 * 10**9)
    return path


def test_ten_gigabytes_from_reading_to_writing(ten_gigabytes, tmp_path):
    df = dm.read(ten_gigabytes).pipe(dm.filters.language, keep=["en"])
    df = df.pipe(dm.clean.unicode).pipe(dm.filters.phrases, "refusals").pipe(dm.tokens.count)
    leaves = range(len(graph_of(df).leaves))
    tasks, wanted = tasks_of_partitions(df, WritePart(Target(str(tmp_path))), "w", None, leaves)
    assert 500 < df.npartitions < 1000 and len(wanted) == 2 * df.npartitions
    assert_small(tasks, most=9 * df.npartitions)


def test_thousands_of_tiny_files_share_partitions(tmp_path):
    for number in range(2000):
        (tmp_path / f"{number:04d}.jsonl").write_text(f'{{"text": "line {number}"}}\n')
    with dask.config.set(scheduler="synchronous"):
        df = dm.read(tmp_path)
        assert df.npartitions < 10
        assert df.compute()["text"].tolist() == [f"line {number}" for number in range(2000)]
