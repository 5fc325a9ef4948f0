"""The natural order of the rows of many partitions, of whose ids few are in memory at a time.

Ids of files that were read stand in their order already, partition behind partition. Others are
shared out by where they come: what lies between two of some ids that are looked at first is put
together, and sorted for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from . import kept
from .adapt import Ids
from .column import Column
from .ids import Key, buckets, is_rising, key_of, natural_order

# Ids that are sorted at a time, or more, so that they are shared out among so many at most; and
# ids that are looked at before, for each of those.
AT_ONCE, MOST_SHARES, LOOKED_AT = 1 << 18, 256, 32


@dataclass(frozen=True)
class Part:
    """What is known of a partition's ids: how many, of which kind, and from where to where.

    ``ends`` are what the first and the last are sorted by, where each comes before the next.
    """

    path: Path
    rows: int
    kind: pa.DataType
    ends: tuple[Key, Key] | None

    @classmethod
    def of(cls, path: Path, rows: int, many: int) -> Part:
        """Look through the ids of a partition; ``many`` there are in all."""
        ids = kept.ids(path)
        rising = rows > 0 and is_rising(ids, many)
        ends = (key_of(ids[0].as_py()), key_of(ids[-1].as_py())) if rising else None
        return cls(path, rows, ids.type, ends)


def in_turn(parts: Sequence[Part]) -> list[int] | None:
    """The partitions, each of whose ids come before all of the next; None where that is not so."""
    filled = [(part.ends, number) for number, part in enumerate(parts) if part.rows]
    known = sorted((ends, number) for ends, number in filled if ends is not None)
    if len(known) < len(filled):
        return None
    if any(one[1] >= other[0] for (one, _), (other, _) in pairwise(known)):
        return None
    return [*(number for _, number in known), *(n for n, p in enumerate(parts) if not p.rows)]


def ordered(parts: Sequence[Part], scratch: Path, *, unique: bool) -> Iterator[np.ndarray]:
    """The places of the rows, in the natural order of their ids, some at a time.

    Places are counted from partition to partition. For ``unique`` see
    :func:`datamerge.dedup.compared.ids.natural_order`.
    """
    starts = np.cumsum([0, *(part.rows for part in parts)])
    shares = int(min(-(-starts[-1] // AT_ONCE), MOST_SHARES))
    if shares < 2:
        every = [kept.ids(part.path) for part in parts]
        yield natural_order(pa.concat_arrays(every), unique=unique)
        return
    cuts = _cuts(parts, shares)
    column, places, sizes = _shared(parts, cuts, scratch)
    begins = starts[:-1, None] + np.cumsum(sizes, axis=1) - sizes
    for share in range(sizes.shape[1]):
        some = list(zip(begins[:, share].tolist(), sizes[:, share].tolist(), strict=True))
        ids = pa.concat_arrays([column.slice(begin, size) for begin, size in some])
        where = np.concatenate([places[begin : begin + size] for begin, size in some])
        yield where[natural_order(ids, unique=unique)]


def _cuts(parts: Sequence[Part], shares: int) -> list[Key]:
    """What ids are shared out by: some ids of all partitions, about equally far apart."""
    random, total = np.random.default_rng(0), sum(part.rows for part in parts)
    keys: list[Key] = []
    for part in parts:
        count = min(-(-part.rows * shares * LOOKED_AT // total), part.rows)
        some = random.integers(0, part.rows, count) if count else np.zeros(0, np.int64)
        keys += map(key_of, kept.ids(part.path).take(pa.array(some)).to_pylist())
    keys.sort()
    return sorted({keys[len(keys) * n // shares] for n in range(1, shares)})


def _shared(
    parts: Sequence[Part], cuts: list[Key], scratch: Path
) -> tuple[Ids, np.ndarray, np.ndarray]:
    """The ids of each partition share by share, their places, and how many are in each share."""
    total = sum(part.rows for part in parts)
    ids, places = (Column(scratch / name, kind) for name, kind in _columns(parts))
    sizes, before = np.zeros((len(parts), len(cuts) + 1), np.int64), 0
    for number, part in enumerate(parts):
        held = kept.ids(part.path)
        share = buckets(held, cuts, total).astype(np.uint8)
        order = np.argsort(share, kind="stable")
        ids.add(held.take(pa.array(order)))
        places.add(pa.array(order + before))
        sizes[number] = np.bincount(share, minlength=len(cuts) + 1)
        before += part.rows
    return ids.mapped(), places.mapped().to_numpy(), sizes


def _columns(parts: Sequence[Part]) -> list[tuple[str, Any]]:
    return [("ids", parts[0].kind), ("places", pa.int64())]
