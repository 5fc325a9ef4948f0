"""Texts as sets of shingles: runs of n words or characters of the normalised text, hashed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .. import audit, workdir
from .._arrays import strings
from ..text import TextView, view
from .rows import has_text, normalised

Unit = Literal["word", "character"]

# Characters beyond ASCII that normalising leaves alone, whatever stands beside them: texts
# that have no others need no normalising before their shingles are taken.
PLAIN = [
    (0x00A1, 0x00BF), (0x00D7, 0x00D7), (0x00DF, 0x00FF), (0x0250, 0x02AF), (0x03B1, 0x03C9),
    (0x0430, 0x044F), (0x0621, 0x063A), (0x0641, 0x064A), (0x200C, 0x200D), (0x2010, 0x2027),
    (0x2030, 0x205E), (0x20A0, 0x20C0), (0x2122, 0x2122), (0x2190, 0x22FF), (0x2500, 0x27BF),
    (0x3001, 0x3029), (0x3041, 0x3096), (0x30A1, 0x30FC), (0x4E00, 0x9FFC), (0xAC00, 0xD7A3),
    (0xFE0F, 0xFE0F), (0xFF01, 0xFF20), (0x1F300, 0x1FAFF),
]  # fmt: skip


@dataclass(frozen=True)
class Sets:
    """Shingle sets: set ``i`` is ``hashes[starts[i] : starts[i + 1]]``, sorted, none twice.

    ``digest`` is uint64 ``[n, 2]``, the same for equal sets.
    """

    hashes: np.ndarray
    starts: np.ndarray
    digest: np.ndarray


@dataclass(frozen=True)
class Shingling:
    """What a shingle is: ``ngram`` consecutive words or characters.

    Examples
    --------
    >>> import pyarrow as pa
    >>> sets = Shingling(2, "word").sets(pa.array(["a b  c", "A B c", "a"], pa.large_string()))
    >>> sets.starts.tolist(), bool((sets.digest[0] == sets.digest[1]).all())
    ([0, 2, 4, 5], True)
    """

    ngram: int
    unit: Unit

    def sets(self, texts: pa.LargeStringArray) -> Sets:
        """The shingle set of each text; a text of fewer units than n is one shingle."""
        run = _kernels()
        data, offsets = _buffers(texts)
        plain = run.is_plain(data, offsets, _plain_table())
        if not plain.all():
            odd = pa.array(~plain)
            texts = pc.replace_with_mask(texts, odd, normalised(texts.filter(odd)))
            data, offsets = _buffers(texts)
        lengths = np.diff(offsets)
        by_words = self.unit == "word"
        most = ((lengths + 1) // 2 if by_words else lengths).sum()
        hashes = np.empty(int(most) + 1, np.uint64)  # what is not written takes no memory
        starts = np.zeros(len(texts) + 1, np.int64)
        digest = np.empty((len(texts), 2), np.uint64)
        longest = int(lengths.max(initial=0))
        filled = run.shingle_sets(
            data, offsets, self.ngram, by_words, longest, hashes, starts, digest
        )
        return Sets(hashes[:filled], starts, digest)


@cache
def _kernels() -> Any:
    from . import _shingle_kernels as compiled

    return compiled


@cache
def _plain_table() -> np.ndarray:
    table = np.zeros(1 << 21, bool)
    for first, last in PLAIN:
        table[first : last + 1] = True
    return table


def _buffers(texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """The UTF-8 bytes and the offsets of each text in them, without a copy."""
    _, offsets, data = texts.buffers()
    if data is None:
        return np.zeros(0, np.uint8), np.zeros(len(texts) + 1, np.int64)
    where = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data, np.uint8), where


@dataclass(frozen=True)
class Permutations:
    """MinHash: the least hash of a set under each of many random functions of its hashes.

    ``found`` are uint32 signatures ``[n, num_perm]``; the share of places in which two of them
    agree estimates the Jaccard similarity of the sets.
    """

    num_perm: int
    seed: int

    def found(self, sets: Sets) -> np.ndarray:
        """The signature of each set."""
        factor, add = self.functions()
        signatures = np.empty((len(sets.starts) - 1, self.num_perm), np.uint32)
        _kernels().signatures(sets.hashes, sets.starts, factor, add, signatures)
        return signatures

    def functions(self) -> tuple[np.ndarray, np.ndarray]:
        """Odd factors and what is added, as uint32 ``[num_perm]`` each."""
        random = np.random.Generator(np.random.PCG64(self.seed))
        drawn = random.integers(0, 1 << 32, (2, self.num_perm), dtype=np.uint32)
        return drawn[0] | np.uint32(1), drawn[1]


@dataclass(frozen=True)
class Sketch:
    """What is kept of each set for MinHash: a hash of each band, and the signature if wanted."""

    permutations: Permutations
    bands: int
    rows: int
    keep_signatures: bool

    def save(self, sets: Sets, folder: str, number: int) -> None:
        """Keep the sketches of a partition's sets."""
        signatures = self.permutations.found(sets)
        hashes = np.empty((len(signatures), self.bands), np.uint64)
        _kernels().band_hashes(signatures, self.bands, self.rows, hashes)
        store(folder, number, bands=hashes)
        if self.keep_signatures:
            store(folder, number, signatures=signatures)


@dataclass(frozen=True)
class Shingle:
    """Partition function: keeps the shingle sets of the live rows, and tells about the rows."""

    text: TextView
    shingling: Shingling
    folder: str
    sketch: Sketch | None = None

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        alive = part[part[audit.REASON].isna()]
        texts = view(alive, self.text)
        present = has_text(texts)
        if not present.all():
            texts = texts.filter(pa.array(present))
        rows = alive[present]
        sets = self.shingling.sets(texts)
        store(self.folder, number, hashes=sets.hashes, starts=sets.starts)
        if self.sketch is not None:
            self.sketch.save(sets, self.folder, number)
        return {
            "id": strings(rows["id"]),
            "source": strings(rows["source"]),
            "chars": pc.utf8_length(texts).to_numpy(),
            "digest": sets.digest,
            "place": np.column_stack([np.full(len(rows), number), np.arange(len(rows))]),
            "alive": {str(k): int(n) for k, n in alive["source"].value_counts().items()},
        }


def store(folder: str, number: int, **arrays: np.ndarray) -> None:
    """Keep arrays of a partition under their names."""
    for name, array in arrays.items():
        path = Path(folder) / f"{number:05d}.{name}.npy"
        with workdir.replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)


def stored(folder: Path, number: int, name: str) -> np.ndarray:
    """An array of a partition, mapped from disk."""
    return np.load(folder / f"{number:05d}.{name}.npy", mmap_mode="r")


def joined(folder: Path, numbers: Sequence[int], name: str) -> np.ndarray:
    """The arrays of these partitions, one after another, in one file mapped from disk."""
    path = folder / f"all.{name}.npy"
    if len(numbers) == 1:
        (folder / f"{numbers[0]:05d}.{name}.npy").rename(path)
        return np.load(path, mmap_mode="r")
    parts = [stored(folder, number, name) for number in numbers]
    shape = (sum(len(part) for part in parts), *parts[0].shape[1:])
    about = {"descr": parts[0].dtype.str, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, about)
        for part in parts:
            part.tofile(file)
    return np.load(path, mmap_mode="r")
