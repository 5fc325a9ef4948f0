"""Which rows are looked at: drawn by a hash of their ids, so the same ones however they lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..._arrays import strings
from ..._choices import nearest
from ...mix import draws
from .said import chats, readable, texts

Where = str | Callable[[pd.DataFrame], Any]

# mix.weights draws with the ids too: with its seed and no salt, a preview of what it left alive
# would show the rows with the lowest draws, which are not just any.
SALT = 0x6C6F6F6B
_KEY = "__drawn"


@dataclass(frozen=True)
class Draw:
    """The ``n`` rows of a partition that are drawn first, of those that are asked for."""

    n: int
    seed: int
    where: Where | None = field(default=None, repr=False)
    search: str | None = None
    sources: tuple[str, ...] | None = None
    reasons: tuple[str, ...] | None = None

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        part = chats(readable(part))
        part = part[self.asked_for(part)]
        drawn = keys(part, self.seed)
        first = np.argsort(drawn, kind="stable")[: self.n]
        return part.iloc[first].assign(**{_KEY: drawn[first]})

    def merge(self, drawn: list[pd.DataFrame]) -> pd.DataFrame:
        """The first ``n`` of what several partitions drew."""
        filled = [part for part in drawn if len(part)] or drawn[:1]
        together = pd.concat(filled)
        return together.sort_values(_KEY, kind="stable").iloc[: self.n]

    def asked_for(self, part: pd.DataFrame) -> np.ndarray:
        """Boolean per row."""
        wanted = np.ones(len(part), bool)
        for column, names in (("source", self.sources), ("drop_reason", self.reasons)):
            if names is not None:
                among = pa.array(names, pa.large_string())
                wanted &= _booleans(pc.is_in(strings(part[column]), value_set=among))
        if self.where is not None:
            wanted &= mask(part, self.where)
        if self.search:
            found = pc.match_substring(texts(part), self.search, ignore_case=True)
            if "drop_detail" in part:
                detail = strings(part["drop_detail"])
                also = pc.match_substring(detail, self.search, ignore_case=True)
                found = pc.or_(pc.fill_null(found, False), pc.fill_null(also, False))
            wanted &= _booleans(found)
        return wanted


def without_key(drawn: pd.DataFrame) -> pd.DataFrame:
    """The rows drawn, in the order they were drawn, with the columns they had."""
    return drawn.drop(columns=_KEY).reset_index(drop=True)


def keys(part: pd.DataFrame, seed: int) -> np.ndarray:
    """A number in [0, 1) for each row, from its id; from what it says where there are no ids."""
    named = strings(part["id"]) if "id" in part else texts(part)
    return draws(pc.fill_null(named, ""), seed ^ SALT)


def mask(part: pd.DataFrame, where: Where) -> np.ndarray:
    """What ``where`` says of each row of a partition; missing values are no."""
    answer = where(part) if callable(where) else _evaluated(part, where)
    if np.ndim(answer) != 1 or len(answer) != len(part):
        raise ValueError(
            f"where={where!r} must give one True or False for each row of the partition "
            f"({len(part)}); it gave {_described(answer)}"
        )
    try:
        answers: Any = pd.array(answer, dtype="boolean")
    except (TypeError, ValueError):
        raise ValueError(
            f"where={where!r} must give True or False; it gave {_described(answer)}"
        ) from None
    return answers.fillna(False).to_numpy(dtype=bool)


def _evaluated(part: pd.DataFrame, query: str) -> Any:
    try:
        return part.eval(query, engine="python")
    except pd.errors.UndefinedVariableError as error:
        name = str(error).partition("'")[2].rpartition("'")[0]
        known = [str(column) for column in part.columns]
        if f"@{name}" in query:
            raise ValueError(
                f"where={query!r}: a partition knows no variable {name!r}; give a function"
            ) from None
        raise ValueError(
            f"where={query!r}: there is no column {name!r}{nearest(name, known)}; "
            f"there are {', '.join(known)}"
        ) from None
    except SyntaxError as error:
        raise ValueError(f"where={query!r} is not a query pandas can read: {error}") from None


def _described(answer: Any) -> str:
    kind = type(answer).__name__
    if np.ndim(answer) == 0:
        return f"{kind} {answer!r}"
    return f"{kind} of {len(answer)} x {getattr(answer, 'dtype', 'objects')}"


def _booleans(values: pa.Array) -> np.ndarray:
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False)
