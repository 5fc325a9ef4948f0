"""A frame summed up in one pass: counts that add, lengths in bins, a few texts of each source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..._arrays import Turns, strings, turns
from ...text import view
from ..frames.said import chats, readable
from .sketch import Lengths
from .texts import Drawn, draw, first

LONG_NAME = 200  # letters of a role's or a language's name

READ = ("id", "source", "messages", "text", "tokens", "language", "drop_reason")


@dataclass
class Source:
    """What is known of a source's rows; the reason of a live one is ''."""

    reasons: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    lengths: dict[tuple[str, bool], Lengths] = field(default_factory=dict)  # measure, live

    @classmethod
    def merged(cls, several: Iterable[Source]) -> Source:
        """What is known of all of them."""
        made = cls()
        lengths: dict[tuple[str, bool], list[Lengths]] = {}
        for each in several:
            made.reasons.update(each.reasons)
            made.languages.update(each.languages)
            for group, found in each.lengths.items():
                lengths.setdefault(group, []).append(found)
        made.lengths = {group: Lengths.merged(found) for group, found in lengths.items()}
        return made


@dataclass
class Summary:
    """What is known of some rows. Adding summaries up is exact, in whatever order."""

    sources: dict[str, Source] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    roles: Counter[str] = field(default_factory=Counter)
    texts: dict[str, Drawn] = field(default_factory=dict)


def summarise(part: pd.DataFrame) -> Summary:
    """A partition summed up."""
    part = chats(readable(part[[name for name in READ if name in part.columns]]))
    spoken = turns(part["messages"]) if "messages" in part.columns else None
    made = Summary(kinds=_kinds(part, spoken))
    if spoken is not None:
        made.roles = Counter(_cut(spoken.role.to_pylist()))
    source, reason = np.array(_names(part, "source"), object), _names(part, "drop_reason")
    alive = np.array([not name for name in reason], bool)
    languages = None
    if "language" in part.columns:
        languages = _cut(_names(part, "language", "unknown"))
    measures = _measures(part, spoken)
    for name, at in _groups(source):
        made.sources[name] = Source(
            Counter(reason[i] for i in at),
            Counter(languages[i] for i in at) if languages else Counter(),
            dict(_lengths(measures, at, alive[at])),
        )
    made.texts = draw(part, source, alive)
    return made


def merge(several: list[Summary]) -> Summary:
    """One summary of all."""
    made = Summary()
    sources: dict[str, list[Source]] = {}
    texts: dict[str, Drawn] = {}
    for each in several:
        made.kinds.update(each.kinds)
        made.roles.update(each.roles)
        for name, source in each.sources.items():
            sources.setdefault(name, []).append(source)
        for name, drawn in each.texts.items():
            texts.setdefault(name, []).extend(drawn)
    made.sources = {name: Source.merged(sources[name]) for name in sorted(sources)}
    made.texts = first(texts)
    return made


def _names(part: pd.DataFrame, column: str, missing: str = "") -> list[str]:
    if column not in part.columns:
        return [missing] * len(part)
    return pc.fill_null(strings(part[column]), missing).to_pylist()


def _cut(names: Iterable[str | None]) -> list[str]:
    return [(name or "")[:LONG_NAME] for name in names]


def _groups(names: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Each name with the rows that have it."""
    codes, found = pd.factorize(names)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(found)))
    yield from zip(found.tolist(), np.split(order, ends[:-1]), strict=False)


def _kinds(part: pd.DataFrame, spoken: Turns | None) -> Counter[str]:
    """How many rows are chats, documents, neither."""
    chat = ~spoken.missing if spoken is not None else np.zeros(len(part), bool)
    text = np.zeros(len(part), bool)
    if "text" in part.columns:
        text = strings(part["text"]).is_valid().to_numpy(zero_copy_only=False) & ~chat
    found = {"chats": int(chat.sum()), "documents": int(text.sum())}
    found["neither"] = len(part) - sum(found.values())
    return Counter({kind: rows for kind, rows in found.items() if rows})


def _measures(part: pd.DataFrame, spoken: Turns | None) -> dict[str, np.ndarray]:
    """Lengths of each row; -1 where it has none of the kind."""
    texts = view(part, "chat")
    found = {}
    if "tokens" in part.columns:
        tokens = pd.to_numeric(part["tokens"], errors="coerce").fillna(-1)
        found["tokens"] = np.maximum(tokens.to_numpy(np.int64), -1)
    else:
        found["words"] = _whole(pc.count_substring_regex(texts, r"\S+"))
    found["characters"] = _whole(pc.utf8_length(texts))
    if spoken is not None:
        found["turns"] = np.where(spoken.missing, -1, np.diff(spoken.offsets))
    return found


def _whole(values: pa.Array) -> np.ndarray:
    return pc.fill_null(values, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def _lengths(
    measures: dict[str, np.ndarray], at: np.ndarray, alive: np.ndarray
) -> Iterator[tuple[tuple[str, bool], Lengths]]:
    for measure, values in measures.items():
        for lives in (True, False):
            chosen = values[at[alive == lives]]
            if (chosen >= 0).any():
                yield (measure, lives), Lengths.of(chosen[chosen >= 0])
