"""Vectors on disk by what was embedded: a text that an encoder has read once is not read again.

A file holds the vectors of texts that no file before had, behind the hashes of the texts, and
never changes. So another source, another filter or other partitions cost the texts that are new,
and two runs at once can do no harm to each other.
"""

from __future__ import annotations

import uuid
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

LAYOUT = 3
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
        path = folder / f"{uuid.uuid4().hex}.texts.npy"
        np.save(path, _index(self._files())[0])
        return str(path)

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
        self, texts: np.ndarray, held: np.ndarray, made: Sequence[str], origins: np.ndarray
    ) -> list[str] | None:
        """Put the vectors of texts into an array; None where some are not there (any more).

        ``made`` are the files that were made just now; all others are looked through first.
        ``origins``, int32 ``[n, 2]``, are filled in, too: of each vector the number of its file,
        among those whose names are returned, and its row there.
        """
        for name in made:
            intact.made(Path(self.folder) / name)
        files = self._files()
        known, file, row = _index(files)
        at = _where(known, texts)
        if not len(texts) or (at < 0).any():
            return None if len(texts) else []
        numbers, which = np.unique(file[at], return_inverse=True)
        used = [files[number] for number in numbers.tolist()]
        if len(intact.whole_of(used)) < len(used):
            return None
        origins[:, 0], origins[:, 1] = which, row[at]
        order = np.argsort(which, kind="stable")
        for path, here in zip(
            used, np.split(order, np.flatnonzero(np.diff(which[order])) + 1), strict=True
        ):
            held[here] = _vectors(path, self.dim)[row[at[here]]]
            let_go(held)
        return [path.name for path in used]

    def _files(self) -> list[Path]:
        return sorted(Path(self.folder).glob(f"{self.key}-*.vectors"))


def lacking(texts: np.ndarray, listed: str) -> np.ndarray:
    """Which of these texts have no vector, by what :meth:`Store.listed` has kept."""
    return _where(_listed(listed), texts) < 0


@lru_cache(maxsize=2)
def _listed(path: str) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _index(files: Sequence[Path]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All texts in order as bytes of 16, and the file and row where each is."""
    parts = [_bytes(_texts(path)) for path in files]
    texts = np.concatenate([np.zeros(0, "S16"), *parts])
    order = np.argsort(texts, kind="stable")
    file = np.repeat(np.arange(len(parts)), [len(part) for part in parts]).astype(np.int32)
    row = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(part)) for part in parts)])
    return texts[order], file[order], row[order]


def _where(known: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Where each text stands among the known ones; -1 where it does not."""
    if not len(known):
        return np.full(len(texts), -1)
    wanted = _bytes(texts)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, at, -1)


def _bytes(texts: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(texts, "<u8").view("S16").reshape(-1)


def _texts(path: Path) -> np.ndarray:
    """The texts of a file; none of one that is cut short, which will be made again."""
    if not sealed.is_complete(path):
        return np.zeros((0, 2), np.uint64)
    rows = sealed.note(path)["texts"]
    return np.fromfile(path, "<u8", 2 * rows).reshape(rows, 2)


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
