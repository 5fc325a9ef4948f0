"""What a finder compares: for every live row with a text, its id, source, length and text hash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from . import kept
from .column import Column


@dataclass(frozen=True)
class Compared:
    """Rows to compare, sorted by where they stand in their source; on disk but for a few numbers.

    ``digest`` is ``[n, 2]`` uint64, mapped: the 128-bit hash of what was compared. ``alive``
    counts the live rows of each source, with a text or without. The first ``olds`` rows come from
    what the frame is compared against, and are never removed. ``starts`` tells where the rows of
    each of the ``parts`` begin, one behind another; ``order`` which of those each row is, where it
    is not their own.
    """

    digest: np.ndarray
    olds: int
    alive: dict[str, int]
    parts: tuple[Path, ...]
    starts: np.ndarray
    scratch: Path
    order: np.ndarray | None = None
    notes: tuple[Any, ...] = ()  # what the work had to tell of each partition of the frame

    def __len__(self) -> int:
        return len(self.digest)

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Where rows stand in the partitions, one behind another."""
        return rows if self.order is None else np.asarray(self.order[rows])

    def told(self, rows: np.ndarray) -> pa.Table:
        """``id``, ``source`` and ``chars`` of some rows: read part by part, mapped from disk."""
        places = self.places(rows)
        turn = None if self.order is None else np.argsort(places)
        columns: dict[str, Column] = {}
        for path, within in self._by_part(places if turn is None else places[turn]):
            for name, values in kept.rows(path).items():
                if name not in columns:
                    columns[name] = Column(self.scratch / f"{name}.told", values.type)
                columns[name].add(values.take(pa.array(within)))
        if turn is None:
            return pa.table({name: column.mapped() for name, column in columns.items()})
        back = np.empty_like(turn)
        back[turn] = np.arange(len(turn))
        return pa.table(
            {name: one.taken(back, self.scratch / f"{name}.taken") for name, one in columns.items()}
        )

    def _by_part(self, places: np.ndarray) -> Iterator[tuple[Path, np.ndarray]]:
        """The parts that places, which rise, are in, and where there; at least one part."""
        cuts = np.searchsorted(places, self.starts)
        for number, path in enumerate(self.parts):
            some = places[cuts[number] : cuts[number + 1]]
            if len(some) or number == 0:
                yield path, some - self.starts[number]
