"""Steps that wait to be let through, so that a run is interrupted where a test wants it to be."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import datamerge as dm
from datamerge import audit

PARTS, FIRST = 8, 3  # partitions, and how many of them are done before the gate is shut
GATES = {"prepare": "work/frames/*.arrow", "embed": "work/embeddings/*.vectors",
         "write": "out/data/*.parquet"}  # fmt: skip
WAIT = 300  # seconds; machines that run tests may be busy


@dataclass(frozen=True)
class Gate:
    """Lets all through that come before three files are there, and then none until it is open."""

    folder: str
    name: str

    def __call__(self, part: pd.DataFrame) -> list[None]:
        if len(part):
            self.passes()
        return [None] * len(part)

    def passes(self) -> None:
        folder = Path(self.folder)
        with (folder / f"{self.name}.begun").open("a") as file:
            file.write("x")
        done = len(list(folder.glob(GATES[self.name])))
        if done >= FIRST and not (folder / f"{self.name}.open").exists():
            self._waits(folder)

    def _waits(self, folder: Path) -> None:
        with (folder / f"{self.name}.waiting").open("a") as file:
            file.write("x")
        end = time.monotonic() + WAIT
        while not (folder / f"{self.name}.open").exists() and time.monotonic() < end:
            time.sleep(0.02)
        with (folder / f"{self.name}.passed").open("a") as file:
            file.write("x")

    def __dask_tokenize__(self) -> tuple[str, str]:
        return "Gate", self.name


class Encoder:
    """Counts letters, behind a gate."""

    dim = 26
    fingerprint = "letters"

    def __init__(self, gate: Gate):
        self.gate = gate

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.gate.passes()
        counts = np.array([[text.count(chr(97 + n)) for n in range(26)] for text in texts])
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def run(folder: str) -> Any:
    """Reads, embeds, compares and writes; behind three gates."""
    files = sorted(Path(folder).glob("*.jsonl"))
    df = dm.read(*files).pipe(
        audit.mark, Gate(folder, "prepare"), step="s", reason="r", arguments={}
    )
    dups = dm.dedup.semantic(df, threshold=0.95, encoder=Encoder(Gate(folder, "embed")))
    df = dups.mark(df)
    df = audit.mark(df, Gate(folder, "write"), step="t", reason="r", arguments={})
    return dm.write(df, f"{folder}/out")
