"""Frames of several sources as one, with their columns brought into line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa

from ._arrays import MESSAGES
from ._backend import as_pandas, like
from .read.records import COLUMNS


def concat(frames: Sequence[Any]) -> Any:
    """Put frames one after another; a column that one of them lacks is missing in its rows.

    Parameters
    ----------
    frames : sequence of Dask or of pandas DataFrames
        For example one a source, each with steps of its own.

    Examples
    --------
    >>> import datamerge as dm
    >>> chats = dm.read([{"prompt": "Hi", "completion": "Hello."}], name="chats")
    >>> texts = dm.read([{"text": "Once."}], name="texts")
    >>> both = dm.concat([chats, dm.tokens.count(texts)]).compute()
    >>> both[["id", "text", "tokens"]].values.tolist()
    [['chats#0', <NA>, <NA>], ['texts#0', 'Once.', 2]]
    """
    if not frames:
        raise ValueError("nothing to put together: give at least one frame")
    first, frames = frames[0], [as_pandas(frame) for frame in frames]
    dtypes: dict[str, Any] = {}
    for frame in frames:
        for name, dtype in frame.dtypes.items():
            dtypes.setdefault(str(name), _nullable(dtype))
    order = sorted(dtypes, key=_place)
    align = _Align(tuple((name, dtypes[name]) for name in order))
    if all(isinstance(frame, pd.DataFrame) for frame in frames):
        return like(pd.concat([align(frame) for frame in frames], ignore_index=True), first)
    aligned = [frame.map_partitions(align, meta=align(frame._meta)) for frame in frames]
    return like(dd.concat(aligned) if len(aligned) > 1 else aligned[0], first)


def _place(name: str) -> int:
    """The usual columns in their usual order, added ones behind them."""
    return COLUMNS.index(name) if name in COLUMNS else len(COLUMNS)


def _nullable(dtype: Any) -> Any:
    """A dtype that can say that a value is missing."""
    plain: Mapping[str, str] = {"i": "Int", "u": "UInt", "f": "Float", "b": "boolean"}
    kind = getattr(dtype, "kind", "O")
    if isinstance(dtype, pd.api.extensions.ExtensionDtype) or kind not in plain:
        return dtype
    return plain[kind] if kind == "b" else f"{plain[kind]}{dtype.itemsize * 8}"


@dataclass(frozen=True)
class _Align:
    columns: tuple[tuple[str, Any], ...]

    __name__ = "align"
    is_lookup = True  # cheap enough to be done again rather than kept on disk

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {
                name: part[name].astype(dtype) if name in part else _missing(dtype, part.index)
                for name, dtype in self.columns
            },
            index=part.index,
        )


def _missing(dtype: Any, index: pd.Index) -> pd.Series:
    if dtype == MESSAGES:
        nulls = pd.arrays.ArrowExtensionArray(pa.nulls(len(index), MESSAGES.pyarrow_dtype))
        return pd.Series(nulls, index=index)
    return pd.Series(pd.NA, index=index, dtype=dtype)
