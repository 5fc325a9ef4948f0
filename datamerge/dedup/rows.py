"""What a finder compares: for every live row with a text, its id, source, length and text hash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from .. import audit, checkpoint
from .._arrays import strings, turns
from ..compute import each_partition
from ..text import TextView, view
from .adapt import Ids, adapted, id_array, readable_part
from .ids import natural_order, unique

Normal = Literal["loose", "none"]
What = Literal["loose", "none", "view"]  # "view": the text alone, whoever says what


@dataclass(frozen=True)
class Compared:
    """Rows to compare, sorted by where they stand in their source.

    ``digest`` is ``[n, 2]`` uint64: the 128-bit hash of what was compared. ``alive`` counts the
    live rows of each source, with a text or without. ``old`` rows come from what the frame is
    compared against: they stand first, and are never removed.
    """

    id: Ids
    source: pa.LargeStringArray
    chars: np.ndarray
    digest: np.ndarray
    place: np.ndarray
    old: np.ndarray
    alive: dict[str, int]

    def __len__(self) -> int:
        return len(self.id)

    def first_of_same(self) -> np.ndarray:
        """For each row the first row with the same digest; itself where there is none before."""
        high, low = self.digest[:, 0], self.digest[:, 1]
        order = np.argsort(high)
        tied = high[order[1:]] == high[order[:-1]]
        if (tied & (low[order[1:]] != low[order[:-1]])).any():
            order = np.lexsort((low, high))
            tied = (self.digest[order[1:]] == self.digest[order[:-1]]).all(axis=1)
        new = np.concatenate([np.ones(min(len(self), 1), bool), ~tied])
        first = np.empty(len(self), np.int64)
        if len(self):
            least = np.minimum.reduceat(order, np.flatnonzero(new))
            first[order] = least[np.cumsum(new) - 1]
        return first


@dataclass(frozen=True)
class Extract:
    """Partition function: the live rows that have something to compare, and their digests."""

    text: TextView
    normal: What

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        alive = part[part[audit.REASON].isna()]
        plain = view(alive, self.text)
        present = has_text(plain)
        rows = alive[present]
        return {
            "id": id_array(rows["id"]),
            "source": strings(rows["source"]),
            "chars": pc.utf8_length(plain.filter(pa.array(present))).to_numpy(),
            "digest": digests(compared_text(rows, self.text, self.normal)),
            "place": np.column_stack([np.full(len(rows), number), np.arange(len(rows))]),
            "alive": {str(k): int(n) for k, n in alive["source"].value_counts().items()},
        }


def has_text(texts: pa.LargeStringArray) -> np.ndarray:
    """Boolean per text: is there anything in it but white space?"""
    filled = pc.not_equal(pc.utf8_trim_whitespace(texts), "")
    return pc.fill_null(filled, False).to_numpy(zero_copy_only=False)


def compared_text(part: pd.DataFrame, text: TextView, normal: What) -> pa.LargeStringArray:
    """What makes two rows the same: for a chat, its roles and tool calls too."""
    if text == "chat" and normal != "view" and "messages" in part.columns:
        chats = turns(part["messages"])
        said = pc.binary_join_element_wise(
            chats.role, chats.content, pc.fill_null(chats.extra, ""), pa.scalar("\x1f", _LARGE)
        )
        whole = _Said(chats.offsets, said).joined()
        plain = view(part, "chat")
        texts = pc.if_else(pa.array(np.diff(chats.offsets) > 0), whole, plain)
    else:
        texts = view(part, text)
    return normalised(texts) if normal == "loose" else texts


_LARGE = pa.large_string()


@dataclass(frozen=True)
class _Said:
    offsets: np.ndarray
    turns: pa.LargeStringArray

    def joined(self) -> pa.LargeStringArray:
        lists = pa.LargeListArray.from_arrays(pa.array(self.offsets, pa.int64()), self.turns)
        return pc.binary_join(lists, pa.scalar("\x1e", _LARGE))


def normalised(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Unicode NFC, lower case, every run of white space one blank, none at the ends."""
    lowered = pc.utf8_lower(pc.utf8_normalize(texts, form="NFC"))
    spaced = pc.replace_substring_regex(lowered, r"[\s\p{Z}\x{85}\x0b]+", " ")
    return pc.utf8_trim_whitespace(spaced)


def digests(texts: pa.LargeStringArray) -> np.ndarray:
    """128-bit xxh3 of each text's UTF-8, as uint64 ``[n, 2]``."""
    hashed = b"".join(map(xxhash.xxh3_128_digest, texts.cast(pa.large_binary()).to_pylist()))
    return np.frombuffer(hashed, np.dtype(">u8")).astype(np.uint64).reshape(-1, 2)


Work = Callable[[pd.DataFrame, int], dict[str, Any]]


def extract(df: Any, work: Work, *, stage: str, against: Any = None) -> tuple[Any, Compared]:
    """Do the work on every partition; returns the frame it was done on, and the rows in order.

    A Dask frame is written down first (see :mod:`datamerge.checkpoint`), since what follows
    would compute it again. Partitions of ``against`` are numbered after those of the frame.
    """
    kept, new = _worked(df, work, stage, 0)
    old = [] if against is None else _worked(against, work, stage, len(new))[1]
    return kept, _joined(new, old)


def _worked(df: Any, work: Work, stage: str, first: int) -> tuple[Any, list[dict[str, Any]]]:
    df = adapted(df)
    if isinstance(df, pd.DataFrame):
        return df, [_Numbered(work, first, "")(df, 0)]
    kept = checkpoint.keep(df)
    found = {
        number: result
        for _, number, result in each_partition(
            kept, _Numbered(work, first), stage=stage, rows=lambda result: len(result["id"])
        )
    }
    return kept, [found[number] for number in sorted(found)]


@dataclass(frozen=True)
class _Numbered:
    work: Work
    first: int
    where: str = " of partition {number}"

    def __call__(self, part: pd.DataFrame, number: int) -> dict[str, Any]:
        kind = id_array(part["id"], self.where.format(number=number)).type
        result = self.work(readable_part(part), self.first + number)
        return {**result, "id": result["id"].cast(kind)}


def _joined(new: list[dict[str, Any]], before: list[dict[str, Any]]) -> Compared:
    results = before + new
    ids = pa.concat_arrays([result["id"] for result in results])
    old = np.arange(len(ids)) < sum(len(result["id"]) for result in before)
    order = natural_order(ids)
    order = order[np.argsort(~old[order], kind="stable")]
    alive: dict[str, int] = {}
    for result in new:
        for source, rows in result["alive"].items():
            alive[source] = alive.get(source, 0) + rows

    def column(name: str) -> np.ndarray:
        return np.concatenate([result[name] for result in results])[order]

    taken = ids.take(pa.array(order))
    unique(taken.slice(int(old.sum())))
    sources = pa.concat_arrays([result["source"] for result in results]).take(pa.array(order))
    return Compared(
        taken,
        sources,
        column("chars"),
        column("digest"),
        column("place"),
        old[order],
        dict(sorted(alive.items())),
    )
