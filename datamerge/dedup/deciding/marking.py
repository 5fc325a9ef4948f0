"""The step that marks duplicates, as ledger and recipe are to tell of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from ... import audit
from ..._backend import as_pandas
from ...workdir import checkpoint
from ..compared.adapt import adapted
from ..evidence.search import Layer
from . import told
from .by_hand import Fates
from .decision import Decision
from .keep import Keep, is_column
from .layers import Layers
from .lookup import Marker, Says

MUCH = 1 / 3
_DEFAULTS = {"keep": "first", "rule": "witness", "decisions": None}


class DuplicatesWarning(UserWarning):
    """A step would remove so much of a source that its threshold may be wrong."""


def target(layers: Sequence[Layer], df: Any, keep: Keep) -> Any:
    """The frame to mark; a frame that has been written down is read from there."""
    search = next((s for _, s, _ in layers if s.kept is not None), layers[0][1])
    if search.df is None:
        if df is None:
            what = "keep=" + repr(keep) if is_column(keep) else "marking"
            raise ValueError(f"saved duplicates have no frame; {what} needs one: mark(df, …)")
        return adapted(df)
    df = None if df is None else as_pandas(df)
    if df is not None and getattr(df, "_name", None) != search.frame:
        return adapted(df)
    if isinstance(search.df, pd.DataFrame):
        return adapted(search.df if df is None else df)
    if search.kept is None:
        search.kept = checkpoint.keep(search.df)
    return search.kept


def step(
    layers: Sequence[Layer], path: Path, chosen: Mapping[str, Any], reason: str | None, df: Any
) -> audit.Step:
    """The step that looks decisions up in a file.

    Every finder has a reason of its own, unless the user gave one for all; the first finder that
    has a witness for a row gives the row its reason.
    """
    says: list[Says] = []
    behind: dict[str, tuple[str, ...]] = {}
    for _, search, _ in layers:
        about = search.about
        also = () if reason else behind
        why = audit.unused(reason or f"{about['how']}_duplicate", df, also)
        says.append(Says(why, about["word"], search.place))
        behind[why] = (*behind.get(why, ()), str(search.folder))
    name, arguments = _called(layers)
    return audit.Step(
        f"dedup.{name}",
        Marker(str(path), tuple(says)),
        arguments | {key: value for key, value in chosen.items() if value != _DEFAULTS[key]},
        says[0].reason,
        is_lookup=True,
        evidence=behind,
    )


def _called(layers: Sequence[Layer]) -> tuple[str, dict[str, Any]]:
    """The step's name and arguments in a recipe."""
    given = [(s.about["how"], s.arguments(threshold)) for _, s, threshold in layers]
    if len(given) == 1:
        return given[0]
    return "any_of", {"finders": [{name: arguments} for name, arguments in given]}


def warn(layers: Sequence[Layer], stack: Layers, decision: Decision) -> None:
    """Warn of every source that would lose much, with the most doubtful pairs."""
    gone = told.by_source(stack, decision)
    for source, rows in stack.alive.items():
        count = gone[source]
        if count > MUCH * rows and count > 10:
            warnings.warn(
                f"dedup.{'|'.join(name for name, _, _ in layers)} would remove {count:,} of "
                f"{rows:,} live rows of source {source!r}. Look before you cut; doubtful pairs: "
                + _doubtful(stack, decision, source),
                DuplicatesWarning,
                stacklevel=4,
            )


def warn_of_decisions(layers: Layers, decision: Decision, fates: Fates, made: int) -> None:
    """Warn of decisions that do nothing, and of those that leave duplicates side by side."""
    if fates.unknown and len(layers):
        names = ", ".join(repr(one.id) for one in fates.unknown[:3])
        warnings.warn(
            f"{len(fates.unknown):,} of {made:,} decisions by hand do nothing: they are about rows "
            f"of which no duplicate was found, such as {names}",
            DuplicatesWarning,
            stacklevel=4,
        )
    if decision.clashes:
        pairs = [f"{layers.id[a].as_py()} ~ {layers.id[b].as_py()}" for a, b in decision.clashes]
        warnings.warn(
            f"{len(pairs):,} pairs of duplicates stay, since both rows are kept by hand: "
            + ", ".join(pairs[:3]),
            DuplicatesWarning,
            stacklevel=4,
        )


def _doubtful(stack: Layers, decision: Decision, source: str) -> str:
    """The removed rows of a source with the least similar witnesses."""
    worst = None
    for table in told.in_blocks(stack, decision):
        some = table.filter(pc.equal(table["source"], source)).to_pandas()
        worst = _worst(some if worst is None else pd.concat([worst, some]))
    assert worst is not None
    return ", ".join(f"{r.id} ~ {r.witness} ({r.score:.3f})" for r in worst.itertuples())


def _worst(table: pd.DataFrame, most: int = 3) -> pd.DataFrame:
    return table.dropna(subset="witness").sort_values(["score", "id"], kind="stable").head(most)
