"""Rows selected, as a trait: told by their ids, in whatever form one has them in hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import traitlets


class Selection(traitlets.Tuple):
    """A tuple of ids. An id, a list, an array, a Series, an Index or a frame may be assigned."""

    def validate(self, obj: Any, value: Any) -> Any:
        return super().validate(obj, tuple(listed(value)))


def listed(given: Any) -> list[Any]:
    """The ids in what is given; missing ones are left out.

    >>> import pandas as pd
    >>> listed(pd.DataFrame({"id": ["a#1", None], "text": "x"}))
    ['a#1']
    """
    if hasattr(given, "dask"):
        raise traitlets.TraitError("ids are selected once they are known: .compute() the frame")
    if isinstance(given, pd.DataFrame):
        if "id" not in given.columns:
            raise traitlets.TraitError(f"a frame without a column id: {list(given.columns)[:20]}")
        given = given["id"]
    if isinstance(given, str | int):
        return [given]
    if isinstance(given, pd.Series | pd.Index | np.ndarray):
        return list(pd.Series(given).dropna().tolist())
    if isinstance(given, pa.Array | pa.ChunkedArray):
        return list(given.drop_null().to_pylist())
    if isinstance(given, Iterable) and not isinstance(given, bytes | dict):
        return [one.item() if isinstance(one, np.generic) else one for one in given]
    raise traitlets.TraitError(f"ids are selected, not a {type(given).__name__}")
