"""A row as the small dict that is shown of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from ..frames.said import as_json, indented, known
from ..html.escape import short
from .matched import Match, match_of
from .pieces import Piece, pieces

MARKS = ("id", "source", "messages", "text", "meta", "drop_reason", "drop_detail", "tokens")
ID, NAME, DETAIL = 160, 80, 400  # characters shown of an id, a name, a detail


def entry(row: Mapping[str, Any], most: int) -> dict[str, Any]:
    """What is shown of a row in about ``most`` characters of text.

    Returns
    -------
    dict
        ``id``, ``source``, ``tokens``, ``reason``, ``detail`` (None where the row has none),
        ``turns`` (each with ``role``, ``pieces``, ``calls``, ``more``), ``skipped`` turns,
        ``document`` (pieces) and ``fields`` (name and pieces of everything else).
    """
    detail = known(row, "drop_detail")
    match = match_of(detail)
    document = known(row, "text")
    turns, skipped = _turns(row.get("messages"), most, match)
    return {
        "id": _short(known(row, "id"), ID),
        "source": _short(known(row, "source"), NAME),
        "tokens": known(row, "tokens"),
        "reason": _short(known(row, "drop_reason"), NAME),
        "detail": _short(detail, DETAIL),
        "turns": turns,
        "skipped": skipped,
        "document": None if document is None else _found(str(document), most, match, None),
        "fields": _fields(row, most // 4),
    }


def _short(value: Any, most: int) -> str | None:
    return None if value is None else short(str(value), most)


def _found(text: str, most: int, match: Match | None, turn: int | None) -> list[Piece]:
    span = match.span(text) if match is not None and match.turn == turn else None
    return pieces(text, most, span)


def _turns(chat: Any, most: int, match: Match | None) -> tuple[list[dict[str, Any]], int]:
    """The first turns, and the one with the match; and how many are left out."""
    if not isinstance(chat, list | tuple | np.ndarray):
        return [], 0
    allowed = max(4, most // 150)
    chosen = list(range(min(len(chat), allowed)))
    if match is not None and match.turn is not None and allowed <= match.turn < len(chat):
        chosen = [*chosen[:-1], match.turn]
    left, shown = most, []
    for at in chosen:
        share = max(min(left, most // 2 if len(chosen) > 1 else most), most // (2 * len(chosen)))
        left = max(left - len(chat[at].get("content") or ""), 0)
        shown.append(_turn(chat[at], at, share, match))
    return shown, len(chat) - len(chosen)


def _turn(turn: Mapping[str, Any], at: int, most: int, match: Match | None) -> dict[str, Any]:
    calls, more = _extra(turn.get("extra"), most)
    return {
        "at": at,
        "role": short(str(turn.get("role") or ""), NAME),
        "pieces": _found(str(turn.get("content") or ""), most, match, at),
        "calls": calls,
        "more": more,
    }


def _extra(extra: Any, most: int) -> tuple[list[dict[str, Any]], list[Piece] | None]:
    """Tool calls by name and arguments, and whatever else a message had."""
    if not extra:
        return [], None
    try:
        found = orjson.loads(extra)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        return [], pieces(str(extra), most)
    calls = found.get("tool_calls")
    told = [_call(call, most // 4) for call in calls[:8]] if isinstance(calls, list) else []
    told = told if all(told) else []
    rest = {k: v for k, v in found.items() if k != "tool_calls"} if told else found
    if told and isinstance(calls, list) and len(calls) > len(told):
        rest["tool_calls"] = calls[len(told) :]
    return told, _code(as_json(rest), most // 4) if rest else None


def _call(call: Any, most: int) -> dict[str, Any]:
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or "name" not in function:
        return {}
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments)
        except orjson.JSONDecodeError:
            return {"name": short(str(function["name"]), NAME), "pieces": _code(arguments, most)}
    return {"name": short(str(function["name"]), NAME), "pieces": _code(as_json(arguments), most)}


def _code(text: str, most: int) -> list[Piece]:
    """A text as code, whatever stands in it."""
    if len(text) <= most:
        return [Piece("code", text)]
    return [Piece("code", text[:most]), Piece("hidden", hidden=len(text) - most)]


def _fields(row: Mapping[str, Any], most: int) -> list[tuple[str, list[Piece]]]:
    """The record's other fields, and the columns that steps have added."""
    told = []
    for name in row:
        value = known(row, name)
        if value is None or name in MARKS:
            continue
        written = f"{value:.4g}" if isinstance(value, float) else str(value)
        told.append((short(str(name), NAME), _code(written, most)))
    meta = known(row, "meta")
    if meta is not None and meta != "{}":
        told.append(("meta", _code(indented(str(meta)), most)))
    return told[:40]
