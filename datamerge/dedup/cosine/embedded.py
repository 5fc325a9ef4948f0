"""The vectors of the distinct texts of a frame: embedded once, and kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ... import audit, workdir
from ..._arrays import strings
from ..._memory import let_go
from ...embed import Encoder
from ...text import TextView, view
from ..compared.adapt import Ids, id_array
from ..compared.digest import digests
from ..compared.rows import Compared, by_part
from ..compared.texts import chosen, has_text

# Part of the key of what is kept: another one when vectors are kept in another order.
LAYOUT = "as texts appear"
BATCH = 8192  # texts that are embedded at once


@dataclass(frozen=True)
class Embed:
    """Partition function: embeds the distinct texts and keeps the vectors on disk."""

    text: TextView
    encoder: Encoder
    folder: str

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        alive = chosen(part, part[audit.REASON].isna().to_numpy(dtype=bool))
        texts = view(alive, self.text)
        present = has_text(texts)
        rows, texts = chosen(alive, present), texts.filter(pa.array(present))
        digest = digests(texts, "none")
        first, where = _distinct(digest)
        path = Path(self.folder) / f"{number:05d}.npy"
        ids = id_array(rows["id"])
        if not path.exists():
            wanted = pa.array(first)
            self._embed(texts.take(wanted), ids.take(wanted), path)
        return {
            "id": ids,
            "source": strings(rows["source"]),
            "chars": pc.utf8_length(texts).to_numpy(),
            "digest": digest,
            # Where a row's vector stands: the partition, and the row in its file.
            "place": np.column_stack([np.full(len(where), number), where]),
            "alive": {str(k): int(n) for k, n in alive["source"].value_counts().items()},
        }

    def _embed(self, texts: pa.LargeStringArray, ids: Ids, path: Path) -> None:
        """Write the vectors of the texts, of which only a batch is in memory at a time."""
        dim = self.encoder.dim
        about = {"descr": "<f4", "fortran_order": False, "shape": (len(texts), dim)}
        with workdir.replacing(path) as temporary, temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, about)
            for start in range(0, len(texts), BATCH):
                vectors = self.encoder.encode(texts.slice(start, BATCH).to_pylist())
                _checked(vectors, ids.slice(start, BATCH), dim).astype("<f4").tofile(file)


def _distinct(digest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each different text first stands, in that order, and which of them each text is."""
    _, first, where = np.unique(digest, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first[order], rank[where.ravel()]


def _checked(vectors: Any, ids: Ids, dim: int) -> np.ndarray:
    """What an encoder gave, if it is what an encoder must give."""
    try:
        vectors = np.asarray(vectors)
    except ValueError as error:
        raise ValueError(f"the encoder gave vectors that differ in length: {error}") from None
    expected = (len(ids), dim)
    if vectors.shape != expected and not (len(ids) == 0 and vectors.size == 0):
        raise ValueError(f"the encoder gave shape {vectors.shape}, expected {expected}")
    vectors = vectors.astype(np.float32, copy=False).reshape(expected)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise ValueError(f"the encoder gave NaN or infinity for the text of {ids[row].as_py()!r}")
    return vectors


def matrix(embeddings: Path, rows: Compared, distinct: np.ndarray, dim: int, folder: Path) -> Path:
    """The vectors of the distinct rows as one file, in the order of the rows."""
    path = folder / "matrix.npy"
    if not len(distinct):
        np.save(path, np.zeros((0, dim), np.float32))
        return path
    part, row = rows.place[distinct].T
    held = np.lib.format.open_memmap(path, "w+", np.float32, (len(distinct), dim))
    for one, here in by_part(part).items():
        vectors = np.load(embeddings / f"{one:05d}.npy", mmap_mode="r")
        if vectors.ndim != 2 or vectors.shape[1] != dim:
            raise ValueError(f"kept vectors of shape {vectors.shape}, expected [rows, {dim}]")
        held[here] = vectors[row[here]]
        let_go(held)
    held.flush()
    return path
