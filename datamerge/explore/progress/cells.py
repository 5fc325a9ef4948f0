"""The cell of a notebook that runs now, and a place in its output that can be written anew.

Whether a notebook runs is seen by what is loaded: nothing is imported to find out.
"""

from __future__ import annotations

import sys
import uuid
from dataclasses import dataclass, field
from typing import Any, Protocol


class Cell(Protocol):
    """A run of a cell; two of them are equal if they are the same run."""

    def show(self, html: str, text: str) -> None:
        """Show this, in the place of what was shown before."""

    def __hash__(self) -> int: ...


def running_cell() -> Cell | None:
    """The run of a cell that this is part of; None outside of notebooks, and between cells."""
    return _jupyter() or _marimo()


@dataclass
class _Shown:
    """What is remembered of a display; no part of what a cell is."""

    name: str = field(default_factory=lambda: f"datamerge-{uuid.uuid4().hex}")
    place: int | None = None


@dataclass(frozen=True)
class Jupyter:
    """A cell of a Jupyter kernel: in JupyterLab, VS Code, Colab and others."""

    request: str | None
    shown: _Shown = field(default_factory=_Shown, compare=False)

    def show(self, html: str, text: str) -> None:
        """Show this, in the place of what was shown before."""
        from IPython.display import publish_display_data

        again, self.shown.place = self.shown.place is not None, 0
        publish_display_data(
            {"text/html": str(html), "text/plain": text},
            transient={"display_id": self.shown.name},
            update=again,
        )


def _jupyter() -> Jupyter | None:
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    if not (hasattr(shell, "kernel") and hasattr(shell, "get_parent")):
        return None  # a terminal's shell
    header = shell.get_parent().get("header", {})
    is_cell = header.get("msg_type", "execute_request") == "execute_request"
    return Jupyter(header.get("msg_id")) if is_cell else None


@dataclass(frozen=True)
class Marimo:
    """A cell of marimo; what it ends with takes the place of all that it has shown."""

    context: Any = field(compare=False)
    run: int
    shown: _Shown = field(default_factory=_Shown, compare=False)

    def show(self, html: str, text: str) -> None:
        """Show this, in the place of what was shown before."""
        import marimo

        if self.shown.place is None:
            self.shown.place = len(self.context.output)
        marimo.output.replace_at_index(marimo.Html(html), self.shown.place)


def _marimo() -> Marimo | None:
    marimo = sys.modules.get("marimo")
    if marimo is None or not marimo.running_in_notebook():
        return None
    from marimo._runtime.context import get_context

    cell = get_context().execution_context
    if cell is None or cell.setting_element_value:
        return None
    return Marimo(cell, id(cell))
