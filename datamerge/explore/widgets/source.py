"""Where widgets come from: the package anywidget, and files of script and style."""

from __future__ import annotations

from typing import Any

from ..html.markup import static

_FIRST = {
    "js": [("widgets", "widget.js")],
    "css": [("html", "theme.css"), ("widgets", "widget.css")],
}


def anywidget() -> Any:
    """The package, or an error that says how to get it."""
    try:
        import anywidget as found
    except ImportError:
        raise ImportError(
            'widgets need the package anywidget: pip install "datamerge[notebook]"'
        ) from None
    return found


def source(room: str, *names: str) -> str:
    """A room's scripts or styles as the one text a front end loads; the shared ones come first."""
    ending = names[0].rpartition(".")[2]
    files = [*_FIRST[ending], *((room, name) for name in names)]
    return "\n".join(static(*file) for file in files)
