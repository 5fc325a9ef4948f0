"""Texts as sets of shingles: runs of n words or characters of the normalised text, hashed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ... import audit
from ..._arrays import strings
from ...compute.shortage import listening
from ...text import TextView, view
from ..compared.digest import buffers, normalised
from ..compared.texts import has_text

if TYPE_CHECKING:
    from .signatures import Sketch

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
        data, offsets = buffers(texts)
        plain = run.is_plain(data, offsets, _plain_table())
        if not plain.all():
            odd = pa.array(~plain)
            texts = pc.replace_with_mask(texts, odd, normalised(texts.filter(odd)))
            data, offsets = buffers(texts)
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


@dataclass(frozen=True)
class Shingle:
    """Partition function: the shingle sets of the live rows, and what is told of these."""

    text: TextView
    shingling: Shingling
    sketch: Sketch | None = None

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        alive = part[part[audit.REASON].isna()]
        texts = view(alive, self.text)
        present = has_text(texts)
        if not present.all():
            texts = texts.filter(pa.array(present))
        rows = alive[present]
        sets = self.shingling.sets(texts)
        with listening() as short:
            sketch = {} if self.sketch is None else self.sketch.of(sets)
        return {
            "id": strings(rows["id"]),
            "source": strings(rows["source"]),
            "chars": pc.utf8_length(texts).to_numpy(),
            "digest": sets.digest,
            "alive": {str(k): int(n) for k, n in alive["source"].value_counts().items()},
            "arrays": {"hashes": sets.hashes, "starts": sets.starts, **sketch},
            "note": short or None,
        }


def shingling(ngram: int, unit: Unit) -> Shingling:
    """The shingling that is asked for, if there is one."""
    if unit not in ("word", "character"):
        raise ValueError(f"unit={unit!r}; it is one of word, character")
    if ngram < 1:
        raise ValueError(f"ngram={ngram}; a shingle is at least one {unit}")
    return Shingling(int(ngram), unit)
