"""Frames for tests: made from a few lines, on pandas and on Dask."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa

from datamerge._arrays import MESSAGES, STRING

Row = str | Sequence[Any] | None


def make_frame(
    rows: Sequence[Row],
    *,
    dead: Mapping[int, str] | None = None,
    source: str | Sequence[str] = "s",
    **columns: Sequence[Any],
) -> pd.DataFrame:
    """A partition: a string is a document, a list of turns a chat, None a row with neither.

    A turn is ``(role, content)`` or ``(role, content, extra)`` with ``extra`` a dict. ``dead``
    gives rows a reason to go. The columns ``messages`` and ``text`` are there when any row needs
    them.
    """
    chats = [
        None if row is None or isinstance(row, str) else [_turn(t) for t in row] for row in rows
    ]
    texts = [row if isinstance(row, str) else None for row in rows]
    marks = [(dead or {}).get(i) for i in range(len(rows))]
    sources = [source] * len(rows) if isinstance(source, str) else list(source)
    data: dict[str, Any] = {
        "id": pd.array([f"{name}#{i}" for i, name in enumerate(sources)], STRING),
        "source": pd.array(sources, STRING),
    }
    if any(chat is not None for chat in chats):
        data["messages"] = pd.array(pa.array(chats, MESSAGES.pyarrow_dtype), MESSAGES)
    if any(text is not None for text in texts) or "messages" not in data:
        data["text"] = pd.array(texts, STRING)
    data["meta"] = pd.array(["{}"] * len(rows), STRING)
    data["drop_reason"] = pd.array(marks, STRING)
    data["drop_detail"] = pd.array([mark and "marked before" for mark in marks], STRING)
    data.update(columns)
    return pd.DataFrame(data)


def _turn(turn: Sequence[Any]) -> dict[str, Any]:
    role, content, *extra = turn
    return {
        "role": role,
        "content": content,
        "extra": json.dumps(extra[0]) if extra and extra[0] is not None else None,
    }


def contents(df: pd.DataFrame) -> list[Any]:
    """What :func:`make_frame` was given: chats as lists of tuples, documents as strings."""
    rows: list[Any] = [None] * len(df)
    for column in ("text", "messages"):
        if column in df:
            for i, value in enumerate(pa.array(df[column], from_pandas=True).to_pylist()):
                if value is not None:
                    rows[i] = value if column == "text" else [_tuple(turn) for turn in value]
    return rows


def _tuple(turn: Mapping[str, Any]) -> tuple[Any, ...]:
    extra = () if turn["extra"] is None else (json.loads(turn["extra"]),)
    return (turn["role"], turn["content"], *extra)


def marks(df: Any) -> list[tuple[str, str] | None]:
    """Reason and detail of each row, None where it lives."""
    df = df.compute() if hasattr(df, "compute") else df
    return [
        None if pd.isna(reason) else (reason, detail)
        for reason, detail in zip(df["drop_reason"], df["drop_detail"], strict=True)
    ]


def on_dask(df: pd.DataFrame, npartitions: int, *, empty: bool = False) -> dd.DataFrame:
    """The frame on Dask; ``empty`` puts a partition without rows before and behind."""
    lazy = dd.from_pandas(df, npartitions=npartitions, sort=False)
    if not empty:
        return lazy
    nothing = dd.from_pandas(df.iloc[:0], npartitions=1)
    return dd.concat([nothing, lazy, nothing])


BACKENDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda df: df,
    "dask-1": lambda df: on_dask(df, 1),
    "dask-3": lambda df: on_dask(df, 3),
    "dask-7": lambda df: on_dask(df, 7),
    "dask-empty": lambda df: on_dask(df, 2, empty=True),
}


def computed(df: Any) -> pd.DataFrame:
    """The frame in memory; on Dask its columns and dtypes must be the promised ones."""
    if isinstance(df, pd.DataFrame):
        return df
    result = df.compute()
    assert list(result.columns) == list(df._meta.columns)
    assert result.dtypes.to_dict() == df._meta.dtypes.to_dict()
    return result
