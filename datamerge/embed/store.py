"""Vectors on disk by what was embedded: a text that an encoder has read once is not read again.

A file holds the vectors of texts that no file before had, behind the hashes of the texts, and
never changes. So another source, another filter or other partitions cost the texts that are new,
and two runs at once can do no harm to each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from dask.tokenize import tokenize

from .. import workdir
from ..compute.memory import let_go
from ..workdir import intact, sealed
from .index import Index, where

LAYOUT = 3
# Bytes of vectors that are copied at a time.
_FILLED = 32 << 20
# Another version of these may give other last bits.
_RUNTIMES = ("tokenizers", "torch", "transformers")


@dataclass(frozen=True)
class Store:
    """The vectors of one encoder. ``texts`` are uint64 ``[n, 2]``, the hashes of texts."""

    folder: str
    key: str
    dim: int

    @classmethod
    def of(cls, encoder: Any) -> Store:
        """Where the vectors of this encoder are."""
        made_by = workdir.code_of(Path(__file__).parent), _runtimes()
        key = tokenize(LAYOUT, encoder.fingerprint, encoder.dim, *made_by)
        return cls(str(workdir.folder("embeddings")), key, encoder.dim)

    def listed(self, folder: Path) -> str:
        """Keep which texts have vectors, for tasks; returns the path, each time another."""
        return str(Index.of(self._files(), folder).path)

    def name(self, texts: np.ndarray) -> str:
        """What the file of these texts is called."""
        digest = xxhash.xxh3_64_hexdigest(np.ascontiguousarray(texts, "<u8").data)
        return f"{self.key}-{digest}.vectors"

    def add(self, texts: np.ndarray, batches: Iterable[np.ndarray]) -> str:
        """Keep the vectors of texts, which come in batches; returns the file's name."""
        texts = np.ascontiguousarray(texts, "<u8")
        name = self.name(texts)
        path = Path(self.folder) / name
        with sealed.sealing(path, {"texts": len(texts)}) as temporary, temporary.open("wb") as file:
            texts.tofile(file)
            for vectors in batches:
                np.ascontiguousarray(vectors, "<f4").tofile(file)
        return name

    def fill(
        self,
        digest: np.ndarray,
        rows: np.ndarray,
        held: np.ndarray,
        made: Sequence[str],
        origins: np.ndarray,
        folder: Path,
    ) -> list[str] | None:
        """Put the vectors of these rows' texts into an array; None where some are not there.

        ``made`` are the files that were made just now; all others are looked through first. What
        is where is noted in the folder. ``origins``, int32 ``[n, 2]``, are filled in, too: of each
        vector the number of its file, among those whose names are returned, and its row there.
        """
        for name in made:
            intact.made(Path(self.folder) / name)
        index = Index.of(self._files(), folder)
        found = index.places(digest, rows, folder)
        if found is None:
            return None
        places, is_used = found
        used = [file for file, wanted in zip(index.files, is_used, strict=True) if wanted]
        if len(intact.whole_of(used)) < len(used):
            return None
        needed = np.flatnonzero(is_used).tolist()
        vectors = {number: _vectors(index.files[number], self.dim) for number in needed}
        size = max(_FILLED // (4 * max(self.dim, 1)), 1)
        for first in range(0, len(rows), size):
            some = held[first : first + size]
            for file, here, row in index.by_file(places[first : first + size]):
                some[here] = vectors[file][row]
                origins[first + here] = np.column_stack([np.full(len(row), file), row])
                let_go(vectors[file])
            let_go(held)
            let_go(origins)
        return [path.name for path in index.files]

    def _files(self) -> list[Path]:
        return sorted(Path(self.folder).glob(f"{self.key}-*.vectors"))


def lacking(texts: np.ndarray, listed: str) -> np.ndarray:
    """Which of these texts have no vector, by what :meth:`Store.listed` has kept."""
    return where(_listed(listed), texts) < 0


@lru_cache(maxsize=2)
def _listed(path: str) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _vectors(path: Path, dim: int) -> np.ndarray:
    rows = sealed.note(path)["texts"]
    return np.memmap(path, "<f4", "r", offset=16 * rows, shape=(rows, dim))


def _runtimes() -> list[str]:
    found = []
    for name in _RUNTIMES:
        try:
            found.append(version_of(name))
        except PackageNotFoundError:
            found.append("")
    return found
