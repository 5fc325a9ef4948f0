"""Mark chats in which given roles speak."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from .. import audit
from .._arrays import turns
from .._choices import names
from ..audit import Frame


def roles(df: Frame, drop: str | Iterable[str], *, reason: str = "roles") -> Frame:
    """Mark chats that hold a turn of any of the given roles.

    Parameters
    ----------
    df : pandas or Dask DataFrame
        Rows as ``dm.read`` gives them.
    drop : str or list of str
        Roles as they stand in ``messages`` (``system``, ``user``, ``assistant``, ``tool``, or
        any other name a source uses), compared exactly.
    reason : str, default "roles"
        What ``drop_reason`` says.

    Returns
    -------
    DataFrame
        The same rows. ``drop_detail`` names the first such turn, counted from 0: ``tool turn 2``.
        Plain documents stay.

    Examples
    --------
    >>> import pandas as pd
    >>> from datamerge._arrays import MESSAGES
    >>> chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    >>> df = pd.DataFrame({"messages": pd.Series([chat], dtype=MESSAGES)})
    >>> df = roles(df.assign(drop_reason=None, drop_detail=None), "system")
    >>> df["drop_detail"].item()
    'system turn 0'
    """
    unwanted = names("drop", drop)
    return audit.mark(
        df,
        _Roles(unwanted),
        step="filters.roles",
        reason=reason,
        arguments={"drop": list(unwanted)},
    )


@dataclass(frozen=True)
class _Roles:
    drop: tuple[str, ...]

    def __call__(self, part: pd.DataFrame) -> pa.Array:
        details: list[str | None] = [None] * len(part)
        if "messages" in part.columns:
            chats = turns(part["messages"])
            where = np.flatnonzero(chats.role_is(*self.drop))
            for row, turn in zip(*np.unique(chats.row[where], return_index=True), strict=True):
                at = int(where[turn])
                details[row] = f"{chats.role[at].as_py()} turn {at - chats.offsets[row]}"
        return pa.array(details, pa.large_string())
