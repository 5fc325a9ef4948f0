"""Mark rows that are too short or too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .. import audit
from .._arrays import turns
from .._choices import one_of
from ..audit import Frame
from ..text import TextView, view
from ..tokens import count_texts

Unit = Literal["characters", "words", "tokens", "turns"]


def length(
    df: Frame,
    *,
    min: int | None = None,
    max: int | None = None,
    unit: Unit = "characters",
    text: TextView = "chat",
    reason: str = "length",
) -> Frame:
    """Mark rows shorter than ``min`` or longer than ``max``.

    Parameters
    ----------
    df : pandas or Dask DataFrame
        Rows as ``dm.read`` gives them.
    min, max : int, optional
        The least and the greatest length that stays, both included. At least one is needed.
    unit : {"characters", "words", "tokens", "turns"}, default "characters"
        Characters are Unicode code points. Words are what white space separates, so a Chinese
        or Japanese text is a handful of very long words: measure those in characters. Tokens
        are read from the ``tokens`` column where ``tokens.count`` has filled it and the whole
        chat is meant, and else counted with the default tokenizer. Turns are messages of any
        role.
    text : {"chat", "prompt", "response"} or column name, default "chat"
        What is measured; no matter for turns. A chat without such turns has length 0.
    reason : str, default "length"
        What ``drop_reason`` says.

    Returns
    -------
    DataFrame
        The same rows. ``drop_detail`` holds the length and the bound: ``12 words < 50``. Plain
        documents have no turns, prompt or response, and are not judged by those.

    Raises
    ------
    ValueError
        Without bounds, with negative or crossed ones, or for an unknown unit.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"text": ["far too short", "this one is just about long enough"]})
    >>> df = length(df.assign(drop_reason=None, drop_detail=None), min=5, unit="words")
    >>> df["drop_detail"].tolist()
    ['3 words < 5', <NA>]
    """
    one_of("unit", unit, get_args(Unit))
    _check_bounds(min, max)
    judge = _Length(min, max, unit, text)
    arguments = {"min": min, "max": max, "unit": unit, "text": text}
    return audit.mark(df, judge, step="filters.length", reason=reason, arguments=arguments)


def _check_bounds(least: int | None, most: int | None) -> None:
    if least is None and most is None:
        raise ValueError("length needs min, max or both")
    for name, bound in (("min", least), ("max", most)):
        if bound is not None and (type(bound) is not int or bound < 0):
            raise ValueError(f"{name}={bound!r} must be a whole number, 0 or more")
    if least is not None and most is not None and least > most:
        raise ValueError(f"min={least} is greater than max={most}: nothing could stay")


@dataclass(frozen=True)
class _Length:
    min: int | None
    max: int | None
    unit: Unit
    text: str

    def __call__(self, part: pd.DataFrame) -> pa.Array:
        measured = _measure(part, self.unit, self.text)
        judged = _is_judged(part, self.unit, self.text)
        details: list[str | None] = [None] * len(part)
        if self.min is not None:
            for row in np.flatnonzero(judged & (measured < self.min)):
                details[row] = f"{measured[row]} {self.unit} < {self.min}"
        if self.max is not None:
            for row in np.flatnonzero(judged & (measured > self.max)):
                details[row] = f"{measured[row]} {self.unit} > {self.max}"
        return pa.array(details, pa.large_string())


def _is_judged(part: pd.DataFrame, unit: Unit, text: str) -> np.ndarray:
    """A plain document has no turns, and no prompt or response, that could be too short."""
    if unit != "turns" and text not in ("prompt", "response"):
        return np.ones(len(part), bool)
    if "messages" not in part.columns:
        return np.zeros(len(part), bool)
    return ~turns(part["messages"]).missing


def _measure(part: pd.DataFrame, unit: Unit, text: str) -> np.ndarray:
    """The length of every row, [n]."""
    if unit == "turns":
        if "messages" not in part.columns:
            return np.zeros(len(part), np.int64)
        return np.diff(turns(part["messages"]).offsets)
    if unit == "tokens" and text == "chat" and "tokens" in part.columns:
        counted = pa.array(part["tokens"], pa.int64(), from_pandas=True)
        return _numbers(counted)
    texts = view(part, text)
    if unit == "characters":
        return _numbers(pc.utf8_length(texts))
    if unit == "tokens":
        return count_texts(texts)
    return np.array([len((words or "").split()) for words in texts.to_pylist()], np.int64)


def _numbers(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(values, 0).to_numpy(zero_copy_only=False)
