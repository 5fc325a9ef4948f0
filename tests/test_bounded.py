"""Texts stay with the workers: neither what they are sent nor what they send back holds any."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from distributed.protocol import pickle

import datamerge as dm
from datamerge.compute import stream

SECRET, ROWS = "zqxjk", 240
# An id, a source, a hash and some numbers: far less than a text of this test has.
BYTES_A_ROW, BYTES_A_TEXT = 250, 2000


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    """Texts of some length, each with a word that is nowhere else; some are copies, or nearly."""
    words = np.array(["the", "a", "of", "in", "river", "stone", "bird", "house", "light", "old"])
    rng = np.random.default_rng(0)
    texts = [f"{SECRET}{n} {' '.join(rng.choice(words, 500))}" for n in range(ROWS)]
    for n in range(0, ROWS, 4):
        texts[n + 1], texts[n + 2] = texts[n].upper(), texts[n].replace("river", "lake", 1)
    for part in range(4):
        lines = [json.dumps({"text": text}) for text in texts[part::4]]
        (tmp_path / f"{part}.jsonl").write_text("\n".join(lines))
    assert min(map(len, texts)) > BYTES_A_TEXT
    return tmp_path


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[bytes]]:
    """What goes to the workers, and what comes back, pickled, stage by stage."""
    found: dict[str, list[bytes]] = {}
    results = stream.results

    def spied(tasks: dict[Any, Any], keys: Any, *rest: Any) -> Iterator[Any]:
        seen = found.setdefault(str(keys[0][0]).partition("-")[0] if len(keys) else "", [])
        seen.append(pickle.dumps(tasks))
        for key, result in results(tasks, keys, *rest):
            seen.append(pickle.dumps(result))
            yield key, result

    monkeypatch.setattr(stream, "results", spied)
    return found


def test_no_text_passes_by_the_client(chats, passed, tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        df = dm.read(chats / "*.jsonl", blocksize=100_000)
        assert df.npartitions > 4
        assert SECRET.encode() in pickle.dumps(df.partitions[0].compute())  # it would be seen
        df = df.pipe(dm.filters.language, keep=["en"]).pipe(dm.filters.phrases, ["no such phrase"])
        for find in (dm.dedup.exact, dm.dedup.minhash, dm.dedup.jaccard, dm.dedup.semantic):
            df = find(df).mark()
        tally = dm.write(df, tmp_path / "out")
    assert tally.total["removed"]["exact_duplicate"] == ROWS / 4
    assert tally.total["removed"]["minhash_duplicate"] == ROWS / 4
    assert {"prepare", "exact", "shingle", "lists", "compare", "embed", "write"} <= set(passed)
    for stage, blobs in passed.items():
        assert not any(SECRET.encode() in blob.lower() for blob in blobs), stage
        assert sum(map(len, blobs[1:])) < ROWS * BYTES_A_ROW + 1000 * len(blobs), stage
