"""One pass over a frame: each partition summed up where it lies, the sums merged in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pandas as pd

from ...compute import summed

T = TypeVar("T")


def gather(df: Any, summarise: Callable[[pd.DataFrame], T], merge: Callable[[list[T]], T]) -> T:
    """Summarise every partition of a frame and merge what comes out, as a tree.

    ``merge`` is given neighbours in the order of the partitions, so a summary may depend on the
    order of rows and still not on where the cuts between partitions are.
    """
    if isinstance(df, pd.DataFrame):
        return merge([summarise(df)])
    return summed(df, summarise, merge, stage="look")


def empty(df: Any) -> pd.DataFrame:
    """A partition without rows, to try things on before any work."""
    return df.iloc[:0] if isinstance(df, pd.DataFrame) else df._meta


def columns(df: Any) -> list[str]:
    """The names of a frame's columns; raises where there is nothing in them to read."""
    if not hasattr(df, "columns"):
        raise TypeError(f"a pandas or Dask DataFrame is needed, not {type(df).__name__}")
    names = [str(name) for name in df.columns]
    if not {"messages", "text"} & set(names):
        raise ValueError(
            f"the frame has neither a column 'messages' nor 'text'; it has {', '.join(names)}"
        )
    return names
