"""Repair the order of turns: system first, then user and assistant by turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .. import audit
from .._arrays import Turns, messages_array, messages_column
from .._arrays import turns as read_turns
from .._choices import one_of
from ..audit import Frame

SEPARATOR = "\n\n"
OPENERS = ("system", "developer")

Turn = tuple[str, str, str | None]  # role, content, extra


def turns(
    df: Frame,
    *,
    start: Literal["user", "any"] = "user",
    require_response: bool = False,
    reason: str = "turns",
) -> Frame:
    r"""Repair chats whose roles do not alternate, and mark those beyond repair.

    Turns with nothing in them are dropped, system turns move to the front, neighbours of one role
    become one turn (their contents joined by an empty line). No word is lost, and nothing else
    changes its order. A turn with fields of its own (tool calls, a name) is never dropped or
    merged, as its fields speak of that turn alone; nor are turns of the role ``tool`` merged, as
    each answers a call of its own.

    Parameters
    ----------
    df : pandas or Dask DataFrame
        Rows as ``dm.read`` gives them.
    start : {"user", "any"}, default "user"
        Whether a chat must begin, after the system turn, with the user.
    require_response : bool, default False
        Mark chats without an assistant turn as well. Data sets of prompts alone have none.
    reason : str, default "turns"
        What ``drop_reason`` says of chats that cannot be repaired.

    Returns
    -------
    DataFrame
        The same rows. ``drop_detail`` is one of ``no turns``, ``no user turn``,
        ``starts with ROLE`` and ``no assistant turn``. Plain documents stay as they are, and so
        do rows that are already marked.

    Examples
    --------
    >>> import pandas as pd
    >>> from datamerge._arrays import MESSAGES
    >>> chat = [{"role": "user", "content": "Hi."}, {"role": "user", "content": "Anyone there?"}]
    >>> df = pd.DataFrame({"messages": pd.Series([chat], dtype=MESSAGES)})
    >>> df = turns(df.assign(drop_reason=None, drop_detail=None))
    >>> [turn["content"] for turn in df["messages"].item()]
    ['Hi.\n\nAnyone there?']
    """
    one_of("start", start, ("user", "any"))
    reason = audit.unused(reason, df)
    run = _Turns(start, bool(require_response), reason)
    arguments = {"start": start, "require_response": run.require_response}
    return audit.apply(df, audit.Step("clean.turns", run, arguments, reason))


@dataclass(frozen=True)
class _Turns:
    start: Literal["user", "any"]
    require_response: bool
    reason: str

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        if "messages" not in part.columns:
            return part
        alive = part[audit.REASON].isna().to_numpy(dtype=bool)
        chats = _repaired(read_turns(part["messages"]), alive)
        array = messages_array(chats.offsets, chats.role, chats.content, chats.extra, chats.missing)
        part = part.assign(messages=messages_column(array, part.index))
        return audit.marked(part, self.judge, self.reason)

    def judge(self, part: pd.DataFrame) -> pa.Array:
        return self._faults(read_turns(part["messages"]))

    def _faults(self, chats: Turns) -> pa.Array:
        """Per row what is wrong with it and cannot be repaired, the first that applies."""
        details = np.full(len(chats), None, object)
        if self.require_response:
            details[~_any(chats, chats.role_is("assistant"))] = "no assistant turn"
        if self.start == "user":
            for row, role in _openings(chats):
                details[row] = f"starts with {role}"
        details[~_any(chats, chats.role_is("user"))] = "no user turn"
        details[np.diff(chats.offsets) == 0] = "no turns"
        details[chats.missing] = None
        return pa.array(details, pa.large_string())


def _openings(chats: Turns) -> Iterator[tuple[int, str]]:
    """Rows whose first turn after the system's is not the user's, with its role."""
    spoken = np.flatnonzero(~chats.role_is(*OPENERS))
    rows, first = np.unique(chats.row[spoken], return_index=True)
    at = spoken[first]
    wrong = ~chats.role_is("user")[at]
    for row, turn in zip(rows[wrong], at[wrong], strict=True):
        yield int(row), chats.role[int(turn)].as_py()


def _any(chats: Turns, flags: np.ndarray) -> np.ndarray:
    """Per row: is the flag true for any of its turns?"""
    return np.diff(np.concatenate([[0], np.cumsum(flags)])[chats.offsets]) > 0


def _repaired(chats: Turns, alive: np.ndarray) -> Turns:
    """The chats with each live row that needs it put in order."""
    rows = np.flatnonzero(_needs_repair(chats) & alive)
    if not len(rows):
        return chats
    fixed = {int(row): repair(_of_row(chats, int(row))) for row in rows}
    added = [turn for repaired in fixed.values() for turn in repaired]
    ends = np.cumsum([len(repaired) for repaired in fixed.values()]) + len(chats.role)
    starts, stops = chats.offsets[:-1].copy(), chats.offsets[1:].copy()
    stops[rows] = ends
    starts[rows] = np.concatenate([[len(chats.role)], ends[:-1]])
    order = pa.array(_ranges(starts, stops))
    role, content, extra = (
        pa.concat_arrays([old, pa.array(values, pa.large_string())]).take(order)
        for old, values in zip(
            (chats.role, chats.content, chats.extra),
            zip(*added, strict=True) if added else ([], [], []),
            strict=True,
        )
    )
    offsets = np.concatenate([[0], np.cumsum(stops - starts)])
    return Turns(offsets, role, content, extra, chats.missing)


def repair(chat: list[Turn]) -> list[Turn]:
    r"""One chat in order: empty turns dropped, system turns in front, neighbours merged.

    >>> repair([("user", "Hi.", None), ("system", "Be kind.", None), ("user", "You there?", None)])
    [('system', 'Be kind.', None), ('user', 'Hi.\n\nYou there?', None)]
    """
    kept = [turn for turn in chat if turn[2] is not None or turn[1].strip()]
    kept.sort(key=lambda turn: turn[0] not in OPENERS)  # stable: only system turns move
    merged: list[Turn] = []
    for role, content, extra in kept:
        last = merged[-1] if merged else None
        if last and last[0] == role != "tool" and last[2] is None and extra is None:
            merged[-1] = (role, last[1] + SEPARATOR + content, None)
        else:
            merged.append((role, content, extra))
    return merged


def _of_row(chats: Turns, row: int) -> list[Turn]:
    start, stop = chats.offsets[row], chats.offsets[row + 1]
    columns = (chats.role, chats.content, chats.extra)
    return list(
        zip(*(column.slice(start, stop - start).to_pylist() for column in columns), strict=True)
    )


def _ranges(starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """``range(start, stop)`` of every pair, end to end."""
    lengths = stops - starts
    shift = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
    return shift + np.arange(lengths.sum())


def _needs_repair(chats: Turns) -> np.ndarray:
    """Per row: has it empty turns, a system turn behind others, or neighbours of one role?"""
    if not len(chats.role):
        return np.zeros(len(chats), bool)
    plain = _booleans(pc.is_null(chats.extra))
    empty = plain & _booleans(pc.equal(pc.utf8_trim_whitespace(chats.content), ""))
    opener = chats.role_is(*OPENERS)
    same = _booleans(pc.equal(chats.role.slice(1), chats.role.slice(0, len(chats.role) - 1)))
    together = chats.row[1:] == chats.row[:-1]
    mergeable = together & same & plain[1:] & plain[:-1] & ~chats.role_is("tool")[1:]
    late = together & opener[1:] & ~opener[:-1]
    # An empty turn may stand between two that merge: any of the three sends the row to repair.
    return _any(chats, empty | np.concatenate([[False], mergeable | late]))


def _booleans(values: pa.BooleanArray) -> np.ndarray:
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False)
