"""Semantic duplicates: rows whose embeddings are close, all with all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from dask.tokenize import tokenize

from .. import audit, workdir
from .._version import __version__
from ..compute import each
from ..embed import Encoder
from ..text import TextView, view
from . import evidence
from .cosine import Stripe
from .pairs import PAIR, Pairs
from .rows import Compared, Extract, extract, has_text

STRIPE, TILE = 2048, 4096


@dataclass(frozen=True)
class Semantic:
    """Rows whose embeddings have a cosine at or above the floor."""

    text: TextView
    encoder: Encoder
    floor: float

    how = "semantic"
    word = "cosine"

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return ("Semantic", self.text, self.encoder.fingerprint, self.floor)

    def find(self, df: Any, folder: Path, against: Any = None) -> Any:
        """Embed every distinct text once, compare all with all, and keep the pairs."""
        name = df._name if hasattr(df, "_name") else tokenize(df)
        embeddings = workdir.place("embeddings", name, self.text, self.encoder.fingerprint)
        embeddings.mkdir(exist_ok=True)
        work = Embed(self.text, self.encoder, str(embeddings))
        kept, rows = extract(df, work, stage="embed", against=against)
        same = rows.first_of_same()
        distinct = np.flatnonzero(same == np.arange(len(rows)))
        matrix, number = _matrix(embeddings, rows, distinct, self.encoder.dim)
        found = Pairs(number, _compare(matrix, self.floor, folder))
        evidence.save(folder, rows, same, found, self._about())
        matrix.unlink()
        return kept

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the step was called with."""
        encoder = getattr(self.encoder, "name", None) or self.encoder.fingerprint
        return {"threshold": threshold, "text": self.text, "encoder": encoder}

    def _about(self) -> dict[str, Any]:
        return {
            "how": self.how,
            "text": self.text,
            "encoder": self.encoder.fingerprint,
            "floor": self.floor,
            "datamerge": __version__,
        }


@dataclass(frozen=True)
class Embed:
    """Partition function: embeds the distinct texts and keeps the vectors on disk."""

    text: TextView
    encoder: Encoder
    folder: str

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        found = Extract(self.text, "view")(part, number)
        path = Path(self.folder) / f"{number:05d}.npy"
        texts = view(part[part[audit.REASON].isna()], self.text)
        texts = texts.filter(texts.is_valid()) if texts.null_count else texts
        present = has_text(texts)
        _, first, where = np.unique(found["digest"], axis=0, return_index=True, return_inverse=True)
        if not path.exists():
            wanted = np.flatnonzero(present)[first]
            vectors = self.encoder.encode(texts.take(wanted).to_pylist())
            _keep(path, _checked(vectors, len(first), self.encoder.dim))
        # Where a row's vector stands: the partition, and the row in its file.
        found["place"] = np.column_stack([np.full(len(where), number), where.ravel()])
        return found


def _checked(vectors: Any, rows: int, dim: int) -> np.ndarray:
    """What an encoder gave, if it is what an encoder must give."""
    vectors = np.asarray(vectors)
    if vectors.shape != (rows, dim):
        raise ValueError(f"the encoder gave shape {vectors.shape}, expected {(rows, dim)}")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise ValueError(f"the encoder gave NaN or infinity for text {row} of {rows}")
    return vectors.astype(np.float32, copy=False)


def _keep(path: Path, vectors: np.ndarray) -> None:
    with workdir.replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, vectors, allow_pickle=False)


def _matrix(
    folder: Path, rows: Compared, distinct: np.ndarray, dim: int
) -> tuple[Path, np.ndarray]:
    """The vectors of the distinct rows as one file on disk, of unit length, zero rows left out.

    Returns the file and, for each of its rows, the number of the row it stands for.
    """
    place = rows.place[distinct]
    path = folder / f"matrix-{tokenize(distinct, place)}.npy"
    order = np.lexsort((place[:, 1], place[:, 0]))  # one partition's vectors after another
    number = distinct[order]
    shape = (len(number), dim)
    if not len(number):
        _keep(path, np.zeros(shape, np.float32))
        return path, number
    matrix = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    filled = 0
    keep: list[np.ndarray] = []
    ordered = place[order]
    for part in np.unique(ordered[:, 0]).tolist():
        wanted = ordered[ordered[:, 0] == part, 1]
        vectors = np.load(folder / f"{part:05d}.npy", mmap_mode="r")[wanted]
        norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
        good = norms > 0
        rest = vectors[good] / norms[good, None]
        matrix[filled : filled + len(rest)] = rest
        filled += len(rest)
        keep.append(good)
    matrix.flush()
    del matrix
    return _shortened(path, filled, shape), number[np.concatenate(keep)]


def _shortened(path: Path, rows: int, shape: tuple[int, int]) -> Path:
    if rows < shape[0]:
        _keep(path, np.array(np.load(path, mmap_mode="r")[:rows]))
    return path


def _compare(matrix: Path, floor: float, folder: Path) -> np.ndarray:
    """All pairs at or above the floor, stripe by stripe; each stripe's pairs wait on disk."""
    rows = np.load(matrix, mmap_mode="r").shape[0]
    parts = folder.with_name(f"{folder.name}.stripes")
    parts.mkdir(exist_ok=True)
    starts = range(0, rows, STRIPE)
    stripes = [Stripe(str(matrix), a, min(a + STRIPE, rows), floor, TILE) for a in starts]
    targets = [parts / f"{stripe.start:010d}.npy" for stripe in stripes]
    each(_write_stripe, list(zip(stripes, map(str, targets), strict=True)), stage="compare")
    found = [np.load(target) for target in targets]
    for target in targets:
        target.unlink()
    parts.rmdir()
    return np.concatenate(found) if found else np.zeros(0, PAIR)


def _write_stripe(pair: tuple[Stripe, str]) -> int:
    stripe, target = pair
    return stripe(target)
