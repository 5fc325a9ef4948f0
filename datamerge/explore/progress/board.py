"""What a notebook shows of long work: one display for a cell, kept up to date in its place.

It is plain HTML: that is there in JupyterLab, VS Code, Colab and marimo, and in a saved notebook.
"""

from __future__ import annotations

import time
from functools import lru_cache

from ...compute.progress import STAGES, Progress, dashboard, duration, figures, name, patience
from ...compute.terminal import describe
from ..html.escape import Markup, short
from ..html.markup import joined, static, tag
from .cells import Cell, running_cell

MOST = 12  # stages that have a line of their own
LONGEST = 60  # characters of a stage's name
OFTEN, SELDOM = 0.3, 10.0  # seconds between two states; the longer it takes, the fewer there are


class Board:
    """A reporter that shows the stages of one cell's run."""

    def __init__(self, cell: Cell):
        self._cell = cell
        self._stages: list[Progress] = []
        self._link: str | None = None
        self._shown: float | None = None

    def __call__(self, progress: Progress) -> None:
        if self._stages and _goes_on(self._stages[-1], progress):
            self._stages[-1] = progress
        else:
            self._stages.append(progress)
            self._link = dashboard()
        worked = sum(stage.seconds for stage in self._stages)
        if worked >= patience() and (progress.ended or self._is_due(worked)):
            self._shown = time.monotonic()
            self._cell.show(page(self._stages, self._link), text(self._stages, self._link))

    def _is_due(self, worked: float) -> bool:
        wait = min(max(worked / 50, OFTEN), SELDOM)
        return self._shown is None or time.monotonic() - self._shown >= wait


def _goes_on(before: Progress, now: Progress) -> bool:
    same = before.stage == now.stage and before.total == now.total
    return same and not before.ended and before.done <= now.done


def page(stages: list[Progress], link: str | None) -> Markup:
    """The stages as HTML: a line each, with a bar and the dashboard while it is under way."""
    lines = [tag("li", _earlier(stages))] if len(stages) > MOST else []
    lines += [_line(stage, link) for stage in stages[-MOST:]]
    style = tag("style", static("progress", "progress.css"))
    return tag("div", style, tag("ul", *lines), class_="dm-progress", role="group",
               aria_label="Progress")  # fmt: skip


def text(stages: list[Progress], link: str | None) -> str:
    """The same where there is no HTML."""
    lines = [_earlier(stages)] if len(stages) > MOST else []
    lines += [describe(stage) for stage in stages[-MOST:]]
    if link and not stages[-1].ended:
        lines.append(f"dashboard: {link}")
    return "\n".join(lines)


def _earlier(stages: list[Progress]) -> str:
    others = stages[:-MOST]
    return f"{len(others):,} earlier stages: {duration(sum(stage.seconds for stage in others))}"


def _line(stage: Progress, link: str | None) -> Markup:
    words = short(name(stage.stage), LONGEST)
    parts = [tag("span", words, class_="dm-stage")]
    if not stage.ended:
        share, label = f"{stage.done / stage.total:.0%}", STAGES.get(stage.stage, "progress")
        parts.append(tag("progress", share, max=stage.total, value=stage.done, aria_label=label))
    parts.append(tag("span", figures(stage), class_="dm-figures"))
    if link and not stage.ended:
        parts.append(tag("a", "dashboard", href=link, target="_blank", rel="noopener"))
    spaced = [Markup(f"{part} ") for part in parts]
    return tag("li", joined(spaced), class_="dm-stopped" if stage.stopped else None)


def here() -> Board | None:
    """The board of the cell that runs; None where no notebook does, or between its cells."""
    cell = running_cell()
    return None if cell is None else _board(cell)


@lru_cache(maxsize=1)
def _board(cell: Cell) -> Board:
    return Board(cell)
