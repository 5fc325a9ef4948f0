"""The vectors of the distinct texts of a frame: embedded once, and kept on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ... import audit
from ..._arrays import strings
from ...compute.shortage import noting
from ...embed import Encoder
from ...embed.arrays import on_host
from ...embed.store import Store, lacking
from ...text import TextView, view
from ...workdir import sealed
from ..compared.adapt import Ids, id_array
from ..compared.digest import digests
from ..compared.rows import Compared
from ..compared.texts import chosen, has_text
from . import fresh


@dataclass(frozen=True)
class Embed:
    """Partition function: embeds the texts that have no vector yet, and keeps it on disk."""

    text: TextView
    encoder: Encoder
    store: Store
    listed: str  # which texts have one

    keeps = False  # what is kept are vectors

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        alive = chosen(part, part[audit.REASON].isna().to_numpy(dtype=bool))
        texts = view(alive, self.text)
        present = has_text(texts)
        rows, texts = chosen(alive, present), texts.filter(pa.array(present))
        digest, ids = digests(texts, "none"), id_array(rows["id"])
        return {
            "id": ids,
            "source": strings(rows["source"]),
            "chars": pc.utf8_length(texts).to_numpy(),
            "digest": digest,
            "alive": {str(k): int(n) for k, n in alive["source"].value_counts().items()},
            "note": self._embed(texts, ids, digest),
        }

    def _embed(self, texts: pa.LargeStringArray, ids: Ids, digest: np.ndarray) -> str | None:
        """Keep the vectors of new texts; the name of their file, if there are any."""
        new = np.sort(np.unique(digest, axis=0, return_index=True)[1])
        new = new[lacking(digest[new], self.listed)]
        if not len(new):
            return None
        wanted, folder = pa.array(new), Path(self.listed).parent
        staying = fresh.staying(folder, self.store.name(digest[new]))
        batches = self._batches(texts.take(wanted), ids.take(wanted), staying)
        with noting(folder, "embed"):
            return self.store.add(digest[new], batches)

    def _batches(
        self, texts: pa.LargeStringArray, ids: Ids, staying: fresh.Staying | None
    ) -> Iterator[np.ndarray]:
        """The vectors of the texts, of which only a batch is in memory at a time."""
        encode = self.encoder.encode
        if staying is not None:
            encode = getattr(self.encoder, "encode_on_device", encode)
        for start in range(0, len(texts), fresh.BATCH):
            vectors = encode(texts.slice(start, fresh.BATCH).to_pylist())
            yield _checked(vectors, ids.slice(start, fresh.BATCH), self.encoder.dim)
            if staying is not None:
                staying.add(vectors)


def _checked(vectors: Any, ids: Ids, dim: int) -> np.ndarray:
    """What an encoder gave, if it is what an encoder must give."""
    vectors = on_host(vectors)
    expected = (len(ids), dim)
    if vectors.shape != expected and not (len(ids) == 0 and vectors.size == 0):
        raise ValueError(f"the encoder gave shape {vectors.shape}, expected {expected}")
    vectors = vectors.astype(np.float32, copy=False).reshape(expected)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise ValueError(f"the encoder gave NaN or infinity for the text of {ids[row].as_py()!r}")
    return vectors


def matrix(store: Store, rows: Compared, distinct: np.ndarray, folder: Path) -> Path | None:
    """The vectors of the distinct rows as one file, in the order of the rows.

    None where vectors that were kept are found to be damaged: they are to be made again.
    """
    path = folder / "matrix.npy"
    held = sealed.mapped(path, np.float32, (len(distinct), store.dim))
    origins = sealed.mapped(folder / fresh.ORIGINS, np.int32, (len(distinct), 2))
    made = [name for name in rows.notes if name is not None]
    files = store.fill(rows.digest, distinct, held, made, origins, folder)
    if files is None:
        return None
    (folder / fresh.FILES).write_bytes(orjson.dumps(files))
    if len(held):
        held.flush()
        origins.flush()
    return path
