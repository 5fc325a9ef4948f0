"""What was measured, as tables in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

Measured = dict[str, Any]


def table(columns: Sequence[str], measured: Mapping[str, Sequence[Measured]]) -> Iterator[str]:
    """A row a tool; ratios are to the first that did not fail."""
    heads = ["rounds", "work s", "ratio", "whole s", "ratio", "CPU s", "MB", *columns]
    yield f"| tool | {' | '.join(heads)} |"
    yield "|---|" + "--:|" * len(heads)
    first = None
    for tool, every in measured.items():
        runs = [run for run in every if "failed" not in run]
        if not runs:
            failed = every[0]["failed"] if every else "not run"
            yield f"| {tool} | {shown('failed: ' + failed)} |" + " |" * (len(heads) - 1)
            continue
        took = medians(runs)
        first = first or took
        cells = [
            str(len(runs)),
            *(f"{took['work']:.2f}", f"{took['work'] / first['work']:.2f}"),
            *(f"{took['whole']:.2f}", f"{took['whole'] / first['whole']:.2f}"),
            *(f"{took['cpu']:.1f}", f"{took['peak']:,.0f}"),
            *(shown(runs[0].get(column)) for column in columns),
        ]
        yield f"| {tool} | {' | '.join(cells)} |"


def growth_table(sizes: Sequence[int], measured: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Seconds by size, and the slope of a straight line through their logarithms."""
    yield f"| tool | {' | '.join(f'{size:,}' for size in sizes)} | exponent | last step |"
    yield "|---|" + "--:|" * (len(sizes) + 2)
    for tool, took in measured.items():
        if not np.isfinite(took).all():
            yield f"| {tool} | failed |" + " |" * (len(sizes) + 1)
            continue
        slope = np.polyfit(np.log(sizes), np.log(took), 1)[0]
        last = np.log(took[-1] / took[-2]) / np.log(sizes[-1] / sizes[-2])
        seconds = " | ".join(f"{one:.2f}" for one in took)
        yield f"| {tool} | {seconds} | {slope:.2f} | {last:.2f} |"


def medians(runs: Sequence[Measured]) -> dict[str, float]:
    """Of the rounds; the work of a tool that did a share of its job is scaled to the whole."""
    found = {
        name: statistics.median(run[name] for run in runs)
        for name in ("work", "whole", "cpu", "peak")
    }
    scale = 1 / runs[0].get("share", 1.0)
    rest = (scale - 1) * found["work"]
    return found | {"work": found["work"] + rest, "whole": found["whole"] + rest}


def shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) >= 1 else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "/")
