"""A search cut into many small shares, and a process that is killed in the middle of one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd

import datamerge as dm
from datamerge.compute.progress import Progress
from datamerge.dedup.cosine import clustered, compare, vectors
from datamerge.dedup.wording import bandlists, groups, postings, prefixes, probe, setjoin

ROWS = 800
SMALL = (
    (postings, "LOOKUPS_A_STRIPE", 500),
    (prefixes, "SHINGLES_A_STRIPE", 1000),
    (prefixes, "SLOTS_A_SHARE", 1000),
    (bandlists, "SIGNATURES_A_SHARE", 2 * ROWS),
    (probe, "PAIRS_A_WRITE", 20),
    (probe, "LOOKUPS_AT_ONCE", 100),
    (vectors, "BLOCK", vectors.UNIT),
    (compare, "_FEWEST", 1),
    (clustered, "_ROWS", 100),
)
GROUPS = (
    (setjoin, "LEAST_BUDGET", 100),
    (setjoin, "PAIRS_A_SET", 0),
    (groups, "LEAST_MEMBERS", 3),
)
CLUSTERS = {"mode": "clustered", "clusters": 20, "probes": 2}
FINDERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "jaccard": (dm.dedup.jaccard, {"threshold": 0.7, "ngram": 2}),
    "grouped": (dm.dedup.jaccard, {"threshold": 0.7, "ngram": 2}),
    "minhash": (dm.dedup.minhash, {"threshold": 0.7, "ngram": 2}),
    "semantic": (dm.dedup.semantic, {"threshold": 0.9}),
    "clustered": (dm.dedup.semantic, {"threshold": 0.9, **CLUSTERS}),
}


def small(finder: str, put: Callable[[Any, str, Any], Any]) -> None:
    """Cut the work into small shares."""
    for module, name, value in (*SMALL, *(GROUPS if finder == "grouped" else ())):
        put(module, name, value)


def write(path: Path) -> None:
    """Families of texts that are nearly alike."""
    rng = np.random.default_rng(0)
    words = np.array([f"{a}{b}" for a in "bdfgklmnpr" for b in ("a", "em", "ist", "of", "un")])
    texts = []
    for _ in range(ROWS // 8):
        first = rng.choice(words, 24)
        for _ in range(8):
            other = first.copy()
            other[rng.integers(0, 24, 2)] = rng.choice(words, 2)
            texts.append(" ".join(other))
    pd.DataFrame({"text": texts}).to_json(path, orient="records", lines=True)


def search(folder: Path, finder: str) -> Any:
    """The pairs of the lines in this folder; the evidence is where that says."""
    find, options = FINDERS[finder]
    dups = find(dm.read(folder / "texts.jsonl", blocksize="10kB"), **options)
    dups._find()
    return dups._layers[0][1].folder


def die(stage: str) -> Callable[[Progress], None]:
    """Tells of nothing, and dies when some of a stage is done."""

    def told(progress: Progress) -> None:
        if progress.stage == stage and progress.done >= min(3, progress.total):
            os.kill(os.getpid(), signal.SIGKILL)

    return told


if __name__ == "__main__":
    folder, finder, stage = sys.argv[1:]
    small(finder, setattr)
    with dask.config.set({"datamerge.reporter": die(stage), "scheduler": "synchronous"}):
        search(Path(folder), finder)
