"""The evidence of several finders, one upon another: which rows they tell of, and as what.

Each finder compares other texts, so each knows other rows and other classes. A row is told by
its id, and by whether it is one of those compared against.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..compared.adapt import Ids
from ..compared.ids import natural_order
from ..evidence import Evidence


@dataclass(frozen=True)
class Layers:
    """Rows of all layers: the ``olds`` ones compared against first, then in natural order.

    ``nodes`` int32 [layers, n] is the row's class in each layer, -1 where it has none; the
    classes of a layer are numbered from its ``offsets`` on.
    """

    found: tuple[Evidence, ...]
    id: Ids
    source: pa.LargeStringArray
    chars: np.ndarray
    olds: int
    nodes: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.id)

    @property
    def alive(self) -> dict[str, int]:
        """The live rows of each source."""
        counts: dict[str, int] = self.found[0].about["alive"]
        return counts

    def let_go(self) -> None:
        """Give back the memory of the pairs that were read; they are read again when needed."""
        for one in self.found:
            one.graph.let_go()


def stacked(found: Sequence[Evidence], against: Sequence[str | None]) -> Layers:
    """The layers of this evidence; ``against`` tells what each was compared against."""
    sizes = [len(one) for one in found]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    if len(found) == 1:
        (one,) = found
        return Layers((one,), one.id, one.source, one.chars, one.olds, one.same[None, :], offsets)
    numbers, first, olds = _numbered(found, against)
    nodes = np.full((len(found), len(first)), -1, np.int32)
    for layer, (one, number) in enumerate(zip(found, numbers, strict=True)):
        nodes[layer, number] = one.same + offsets[layer]
    take = pa.array(first)
    return Layers(
        tuple(found),
        _joined(one.id for one in found).take(take),
        _joined(one.source for one in found).take(take),
        np.concatenate([one.chars for one in found])[first],
        olds,
        nodes,
        offsets,
    )


def _numbered(
    found: Sequence[Evidence], against: Sequence[str | None]
) -> tuple[list[np.ndarray], np.ndarray, int]:
    """For each layer the number of each of its rows; where each row stands first; the olds.

    Where a row stands is told by its place in all layers' rows one behind another.
    """
    sizes = [len(one) for one in found]
    places = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    ids = _joined(one.id for one in found)
    number = np.empty(sum(sizes), np.int64)
    firsts: list[np.ndarray] = []
    count = olds = 0
    for known in [*dict.fromkeys(key for key in against if key is not None), None]:
        pairs = list(zip(found, places, against, strict=True))
        if known is None:
            some = np.concatenate([at[one.olds :] for one, at, _ in pairs])
        else:
            some = np.concatenate([at[: one.olds] for one, at, key in pairs if key == known])
        first, of_some = _distinct(ids.take(pa.array(some)))
        number[some] = of_some + count
        firsts.append(some[first])
        count += len(first)
        olds = count if known is not None else olds
    return [number[at] for at in places], np.concatenate(firsts), olds


def _distinct(ids: Ids) -> tuple[np.ndarray, np.ndarray]:
    """Where each distinct id stands first, in natural order, and the number of each id."""
    coded = ids.dictionary_encode()
    codes = coded.indices.to_numpy()
    first = np.full(len(coded.dictionary), len(codes), np.int64)
    np.minimum.at(first, codes, np.arange(len(codes)))
    order = natural_order(coded.dictionary)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first[order], rank[codes]


def _joined(arrays: Iterable[pa.Array]) -> pa.Array:
    """The arrays one behind another; those without rows have any type."""
    held = list(arrays)
    filled = [array for array in held if len(array)]
    return pa.concat_arrays(filled) if filled else held[0]
