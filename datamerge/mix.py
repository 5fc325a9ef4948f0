"""How much of each source, and in what order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import xxhash

from . import audit
from ._arrays import MESSAGES, messages_column, string_column, strings
from ._backend import as_pandas, like
from .compute import client

_KEY = "__order"


def weights(
    df: audit.Frame, weights: Mapping[str, float | str], *, seed: int = 0, reason: str = "weights"
) -> audit.Frame:
    """Keep a share of each source's live rows; the rest is marked.

    Whether a row stays depends on its id and the seed alone, so the same rows stay whatever
    the partitioning, and raising a weight only adds rows. The share is that of the weight on
    average (a draw per row), not to the row.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Rows as :func:`datamerge.read` gives them.
    weights : mapping of source to share
        A fraction from 0 to 1, or a percentage as a string (``"30%"``). Sources that are not
        named keep all their rows.
    seed : int
        Another seed draws other rows.
    reason : str
        The ``drop_reason``.

    Raises
    ------
    ValueError
        A weight outside 0 to 1, or a source the frame does not read.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read([{"text": str(n)} for n in range(1000)], name="web")
    >>> kept = dm.audit.live(dm.mix.weights(df, {"web": "30%"}, seed=1))
    >>> len(kept)
    310
    """
    shares = {str(source): fraction(value) for source, value in weights.items()}
    known = audit.sources(df)
    if known and (unknown := sorted(set(shares) - set(known))):
        raise ValueError(f"weights: no source {unknown[0]!r}; there are {', '.join(known)}")
    judge = _Weights(tuple(sorted(shares.items())), int(seed))
    arguments = {"weights": shares, "seed": seed}
    return audit.mark(df, judge, step="mix.weights", reason=reason, arguments=arguments)


def fraction(value: float | str) -> float:
    """A weight as a fraction.

    >>> fraction("30%"), fraction(0.5)
    (0.3, 0.5)
    """
    try:
        text = str(value).strip()
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = np.nan
    if isinstance(value, bool) or not 0 <= share <= 1:
        raise ValueError(f"weight {value!r}: a fraction from 0 to 1, or a percentage like '30%'")
    return share


@dataclass(frozen=True)
class _Weights:
    shares: tuple[tuple[str, float], ...]
    seed: int

    def __call__(self, part: pd.DataFrame) -> pa.Array:
        shares = dict(self.shares)
        wanted = np.array([shares.get(s, 1.0) for s in strings(part["source"]).to_pylist()])
        drawn = draws(strings(part["id"]), self.seed)
        details: list[str | None] = [None] * len(part)
        for row in np.flatnonzero(drawn >= wanted).tolist():
            details[row] = f"drew {drawn[row]:.6f}, weight {wanted[row]:g}"
        return pa.array(details, pa.large_string())


def draws(ids: pa.LargeStringArray, seed: int) -> np.ndarray:
    """For each id a number in [0, 1) that depends on the id and the seed alone."""
    return _hashed(ids, seed).astype(np.float64) / 2.0**64 * (1 - 2.0**-53)


def _hashed(ids: pa.LargeStringArray, seed: int) -> np.ndarray:
    values = ids.cast(pa.large_binary()).to_pylist()
    seed = seed & (2**64 - 1)
    hashed = (xxhash.xxh3_64_intdigest(value, seed) for value in values)
    return np.fromiter(hashed, np.uint64, len(values))


def shuffle(df: Any, *, seed: int = 0) -> Any:
    """Put all rows, of all sources and partitions, in one random order.

    The order depends on ids and seed alone: partition after partition it is the same however
    the frame was partitioned before.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Rows as :func:`datamerge.read` gives them; chats, documents, marked rows and all.
    seed : int
        Another seed gives another order.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read([{"text": str(n)} for n in range(5)], name="web")
    >>> dm.mix.shuffle(df, seed=1).compute()["text"].tolist()
    ['0', '3', '4', '2', '1']
    """
    order = _Order(seed)
    step = audit.Step("mix.shuffle", _Sorted(), {"seed": seed})
    frame = as_pandas(df)
    if isinstance(frame, pd.DataFrame):
        return like(step(order(frame)), df)
    count = frame.npartitions
    keyed = frame.map_partitions(order, meta=order(frame._meta))
    bounds = [n * (_TOP // count) for n in range(count)] + [_TOP]
    # Chats travel as JSON: nested Arrow columns don't survive every kind of shuffle.
    moved = keyed.set_index(_KEY, divisions=bounds, **_method())
    return like(moved.map_partitions(step, meta=frame._meta).clear_divisions(), df)


_TOP = 2**63


def _method() -> dict[str, Any]:
    return {} if client() is not None else {"shuffle_method": "tasks"}


@dataclass(frozen=True)
class _Order:
    """Partition function: a column to sort by, and chats as JSON, ready to be moved."""

    seed: int

    __name__ = "order"

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        key = (_hashed(strings(part["id"]), self.seed) >> np.uint64(1)).astype(np.int64)
        part = part.assign(**{_KEY: key})
        if "messages" in part.columns:
            chats = pa.array(part["messages"], from_pandas=True).to_pylist()
            texts = [None if chat is None else orjson.dumps(chat).decode() for chat in chats]
            part["messages"] = string_column(texts, part.index)
        return part


class _Sorted:
    """Partition function: the rows in order, and chats as they were."""

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        part = part.reset_index() if part.index.name == _KEY else part
        part = part.sort_values([_KEY, "id"], ignore_index=True).drop(columns=_KEY)
        if "messages" in part.columns:
            texts = strings(part["messages"]).to_pylist()
            chats = [None if text is None else orjson.loads(text) for text in texts]
            array = pa.array(chats, MESSAGES.pyarrow_dtype)
            part["messages"] = messages_column(array, part.index)
        return part

    def __dask_tokenize__(self) -> str:
        return "datamerge.mix.sorted"
