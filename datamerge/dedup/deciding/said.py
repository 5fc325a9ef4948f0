"""Duplicates in one line: how they were sought, and what was found."""

from __future__ import annotations

from collections.abc import Sequence

from ..evidence.search import Layer, Saved, Search
from ..wording.bands import Bands
from .decision import Decision
from .layers import Layers


def waiting(layers: Sequence[Layer]) -> str:
    """Of a search that is still to be done."""
    return f"<Duplicates: {_sought(layers)}; not computed yet>"


def found(layers: Sequence[Layer], stack: Layers, decision: Decision) -> str:
    """Of one that is done, with what would go."""
    compared = max(one.about["compared"] for one in stack.found)
    pairs = sum(one.graph.pairs + len(one.copies) for one in stack.found)
    groups = sum(len(one.groups) for one in stack.found if one.groups is not None)
    counts = [f"{compared:,} rows compared"]
    if old := max(one.about["old"] for one in stack.found):
        counts[0] += f" with each other and with {old:,} more"
    counts.append(f"{pairs:,} pairs found")
    counts += [f"{groups:,} dense groups"] if groups else []
    counts.append(f"{len(decision.removed):,} rows would go")
    return f"<Duplicates: {_sought(layers)}; {', '.join(counts)}>"


def _sought(layers: Sequence[Layer]) -> str:
    names = " | ".join(name for name, _, _ in layers)
    return f"{names}; {'; '.join(_how(search, threshold) for _, search, threshold in layers)}"


def _how(search: Search | Saved, threshold: float) -> str:
    about = search.about
    place = f", against {search.place}" if search.place else ""
    text = f"text={about['text']!r}, " if about["text"] else ""
    given, missed = search.arguments(threshold), ""
    if "bands" in given:
        missed = f", {Bands(given['bands'], given['rows']).told(threshold)}"
    return f"{text}{threshold=:g}, floor={about['floor']:g}{missed}{place}"
