"""Which rows are the same: those with one hash."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...compute.memory import let_go

# Rows whose hashes are sorted at a time, or more, so that there are so many shares at most.
AT_ONCE, MOST_SHARES = 1 << 18, 64
_BLOCK = 1 << 20


def first_of_same(digest: np.ndarray) -> np.ndarray:
    """For each row the first row with the same hash; itself where there is none before.

    ``digest`` is uint64 ``[n, 2]``, maybe mapped. Rows are shared out by the beginning of their
    hashes, and a share is sorted at a time.
    """
    first = np.empty(len(digest), np.int32 if len(digest) < 1 << 31 else np.int64)
    for rows in _shares(digest):
        first[rows] = rows[_first(digest[rows])]
    let_go(digest)
    return first


def firsts(same: np.ndarray) -> np.ndarray:
    """The rows that are the first of their class, one of each."""
    found = [np.zeros(0, same.dtype)]
    for start in range(0, len(same), _BLOCK):
        some = np.arange(start, min(start + _BLOCK, len(same)), dtype=same.dtype)
        found.append(some[same[start : start + _BLOCK] == some])
    return np.concatenate(found)


def _shares(digest: np.ndarray) -> Iterator[np.ndarray]:
    """The rows in shares: equal ones are in one share, and rise."""
    count = min(-(-len(digest) // AT_ONCE), MOST_SHARES)
    if count < 2:
        yield np.arange(len(digest))
        return
    share = np.empty(len(digest), np.uint8)
    for start in range(0, len(digest), _BLOCK):
        high = digest[start : start + _BLOCK, 0] >> np.uint64(32)
        share[start : start + _BLOCK] = high * np.uint64(count) >> np.uint64(32)
    for one in range(count):
        yield np.flatnonzero(share == one)


def _first(digest: np.ndarray) -> np.ndarray:
    high, low = digest[:, 0], digest[:, 1]
    order = np.argsort(high)
    tied = high[order[1:]] == high[order[:-1]]
    if (tied & (low[order[1:]] != low[order[:-1]])).any():
        order = np.lexsort((low, high))
        tied = (digest[order[1:]] == digest[order[:-1]]).all(axis=1)
    new = np.concatenate([np.ones(min(len(digest), 1), bool), ~tied])
    first = np.empty(len(digest), np.int64)
    if len(digest):
        least = np.minimum.reduceat(order, np.flatnonzero(new))
        first[order] = least[np.cumsum(new) - 1]
    return first
