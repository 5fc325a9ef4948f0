"""Which texts have vectors, in order, and where: on disk, since they may be very many."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..compute.memory import let_go
from ..workdir import sealed

# Texts that are sorted at a time, or more, so that there are so many shares at most; and texts
# that are looked up at a time.
AT_ONCE, MOST_SHARES = 1 << 18, 128


@dataclass(frozen=True)
class Index:
    """The texts of some files in order, as bytes of 16 in ``path``; ``place`` is where each is.

    Places are counted from file to file; those of a file begin at ``starts``.
    """

    files: Sequence[Path]
    starts: np.ndarray
    path: Path
    place: np.ndarray

    @classmethod
    def of(cls, files: Sequence[Path], folder: Path) -> Index:
        """Sort the texts of these files, and keep them in the folder under a new name."""
        starts = np.cumsum([0, *(len(texts_of(path)) for path in files)])
        name, total = uuid.uuid4().hex, int(starts[-1])
        path, kind = folder / f"{name}.texts.npy", np.int32 if total < 1 << 31 else np.int64
        texts = sealed.mapped(path, "S16", (total,))
        place = sealed.mapped(folder / f"{name}.places.npy", kind, (total,))
        filled = 0
        for some, known in _shares(files, starts, folder / f"{name}.known.npy"):
            order = np.argsort(known, kind="stable")
            filled += len(order)
            texts[filled - len(order) : filled] = known[order]
            place[filled - len(order) : filled] = some[order]
        if total:
            texts.flush()  # workers read it, maybe elsewhere
        return cls(files, starts, path, place)

    def places(
        self, digest: np.ndarray, rows: np.ndarray, folder: Path
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Where the texts of these rows are, mapped, and which files that takes; None: not all."""
        known = np.load(self.path, mmap_mode="r", allow_pickle=False)
        found = sealed.mapped(folder / f"{uuid.uuid4().hex}.npy", self.place.dtype, (len(rows),))
        used = np.zeros(len(self.files), bool)
        for first in range(0, len(rows), AT_ONCE):
            at = where(known, digest[rows[first : first + AT_ONCE]])
            if (at < 0).any():
                return None
            some = self.place[at]
            found[first : first + AT_ONCE] = some
            used[self._file(some)] = True
        let_go(digest)
        return found, used

    def by_file(self, places: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """The files that places are in: which of the places, and the rows there."""
        file = self._file(places)
        order = np.argsort(file, kind="stable")
        for here in np.split(order, np.flatnonzero(np.diff(file[order])) + 1):
            if len(here):
                one = int(file[here[0]])
                yield one, here, places[here] - self.starts[one]

    def _file(self, places: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.starts, places, side="right") - 1


def _shares(
    files: Sequence[Path], starts: np.ndarray, path: Path
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The places of texts and the texts, in shares that are in order: by their first bytes."""
    total = int(starts[-1])
    known, share = sealed.mapped(path, "S16", (total,)), np.empty(total, np.uint8)
    count = max(min(-(-total // AT_ONCE), MOST_SHARES), 1)
    for file, first, last in zip(files, starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        texts = texts_of(file)
        known[first:last] = as_bytes(texts)
        share[first:last] = texts.view(np.uint8).reshape(-1, 16)[:, 0] * np.uint16(count) >> 8
    for one in range(count):
        some = np.flatnonzero(share == one)
        yield some, known[some]
    path.unlink()


def where(known: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Where each text stands among the known ones; -1 where it does not."""
    if not len(known):
        return np.full(len(texts), -1)
    wanted = as_bytes(texts)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, at, -1)


def as_bytes(texts: np.ndarray) -> np.ndarray:
    """The hashes of texts as bytes of 16, by which they are sorted."""
    return np.ascontiguousarray(texts, "<u8").view("S16").reshape(-1)


def texts_of(path: Path) -> np.ndarray:
    """The texts of a file; none of one that is cut short, which will be made again."""
    if not sealed.is_complete(path):
        return np.zeros((0, 2), "<u8")
    rows = sealed.note(path)["texts"]
    return np.fromfile(path, "<u8", 2 * rows).reshape(rows, 2)
