"""What finders of duplicates keep: vectors, pairs, evidence; used again where it is whole."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import dask
import numpy as np
import pytest

import datamerge as dm
from datamerge import workdir
from datamerge.dedup.cosine import vectors, written
from datamerge.dedup.evidence import kept
from datamerge.workdir import bounds, running


@pytest.fixture(autouse=True)
def work(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield tmp_path / "work"


class Letters:
    """Counts letters, and notes what it is asked to read."""

    dim = 26
    fingerprint = "letters"

    def __init__(self):
        self.read = []

    def encode(self, texts):
        self.read += texts
        counts = np.array([[text.count(chr(97 + n)) for n in range(26)] for text in texts])
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def texts_of(name, count=30):
    return [f"{name} {'abcdefghij'[n % 10] * (n + 1)}" for n in range(count)]


def found(df, encoder, **more):
    dups = dm.dedup.semantic(df, threshold=0.99, encoder=encoder, **more)
    return dups.pairs.sort_values(["id", "other"]).reset_index(drop=True)


def test_only_new_texts_are_embedded(work):
    """One more source, another filter, other partitions: what was read is not read again."""
    encoder = Letters()
    one, two = (dm.read(texts_of(name), name=name) for name in ("one", "two"))
    found(one, encoder)
    assert sorted(encoder.read) == sorted(texts_of("one"))
    encoder.read.clear()
    both = dm.concat([two, one])
    pairs = found(both, encoder)
    assert sorted(encoder.read) == sorted(texts_of("two"))
    encoder.read.clear()
    found(dm.filters.length(both, max=20), encoder)
    found(both.repartition(npartitions=1), encoder)
    assert not encoder.read
    shutil.rmtree(work)
    assert found(both, Letters()).equals(pairs)


def damaged(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut":
        del content[-5:]
    else:
        content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_damaged_vectors_are_made_again(work, how):
    encoder = Letters()
    df = dm.read(texts_of("one"), name="one")
    pairs = found(df, encoder)
    (path,) = (work / "embeddings").iterdir()
    whole = path.read_bytes()
    damaged(path, how)
    shutil.rmtree(work / "pairs")
    encoder.read.clear()
    assert found(df, encoder).equals(pairs)
    assert len(encoder.read) == 30 and path.read_bytes() == whole


@pytest.mark.parametrize("how", ["cut", "flipped"])
@pytest.mark.parametrize("finder", ["semantic", "jaccard"])
def test_damaged_evidence_is_made_again(work, how, finder, capsys):
    df = dm.read(texts_of("one"), name="one")
    first = getattr(dm.dedup, finder)(df, threshold=0.9).pairs
    (folder,) = (work / "pairs").iterdir()
    for path in sorted(folder.iterdir()):
        damaged(path, how)
        if path.name == "about.json" and how == "flipped":
            continue  # a figure in it may be another one now
        kept._is_whole.cache_clear()  # what another process does not know
        assert getattr(dm.dedup, finder)(df, threshold=0.9).pairs.equals(first)
        assert "damaged evidence" in capsys.readouterr().err


def test_a_comparison_that_was_cut_short_goes_on(work, monkeypatch):
    monkeypatch.setattr("datamerge.dedup.cosine.vectors.BLOCK", vectors.UNIT)
    monkeypatch.setattr("datamerge.dedup.cosine.compare._FEWEST", 1)
    df = dm.read(texts_of("one", 4 * vectors.UNIT), name="one")
    asked = []
    original = written.write_pairs

    def counting(work, some):
        if not written.part(work.vectors, some).exists():
            asked.append(some)
            if len(asked) == 5:
                raise OSError("the power is gone")
        return original(work, some)

    monkeypatch.setattr("datamerge.dedup.cosine.compare.write_pairs", counting)
    with pytest.raises(OSError, match="the power"):
        found(df, Letters())
    assert len(list((work / "pairs").glob(".*/*.pairs"))) == 4
    running.end()  # as a new process
    asked.append(None)
    pairs = found(df, Letters())
    assert not set(asked[:4]) & set(asked[6:]) and asked[4] in asked[6:]
    assert not list((work / "pairs").glob(".*"))
    shutil.rmtree(work)
    monkeypatch.undo()
    with dask.config.set({"datamerge.workdir": str(work)}):
        assert found(df, Letters()).equals(pairs)


def test_evidence_that_is_used_again_is_not_removed_as_the_oldest(work):
    df = dm.read(texts_of("one"), name="one")
    for threshold in (0.8, 0.9):
        dm.dedup.jaccard(df, threshold=threshold)._find()
    first, second = (work / "pairs").iterdir()
    for folder in (first, second):
        os.utime(folder, (time.time() - 9999,) * 2)
    for threshold in (0.8, 0.9):
        dups = dm.dedup.jaccard(df, threshold=threshold)
        if dups._layers[0][1].folder == first:
            dups._find()
    running.end()
    workdir.clean(sum(entry.size for entry in bounds.entries(work, workdir.KINDS)) - 1)
    assert first.exists() and not second.exists()


def test_evidence_that_another_run_has_put_there_stays(work):
    folder = workdir.place("pairs", "some")
    df = dm.read(texts_of("one"), name="one")
    dups = dm.dedup.exact(df)
    theirs = dups._layers[0][1]
    theirs.find()
    with kept.making(folder) as ours:
        shutil.copytree(theirs.folder, folder)  # meanwhile
        shutil.copytree(theirs.folder, ours, dirs_exist_ok=True)
        (ours / "mine").touch()
    assert kept.exists(folder) and not (folder / "mine").exists()
    (folder / "rows.arrow").unlink()
    kept._is_whole.cache_clear()
    with kept.making(folder) as ours:
        shutil.copytree(theirs.folder, ours, dirs_exist_ok=True)
    assert kept.exists(folder) and not list(folder.parent.glob(".*"))
