"""What the widgets have in common: anywidget, found or asked for, and their scripts and styles."""

from __future__ import annotations

from typing import Any

from .markup import static

# No message of a widget is larger, in either direction: proxies and browsers cut what is.
MOST_MESSAGE = 1_000_000


def anywidget() -> Any:
    """The package, or an error that says how to get it."""
    try:
        import anywidget as found
    except ImportError:
        raise ImportError(
            'widgets need the package anywidget: pip install "datamerge[notebook]"'
        ) from None
    return found


_FIRST = {"js": ("widget.js",), "css": ("theme.css", "widget.css")}


def source(*names: str) -> str:
    """Files of script or style as the one text a front end loads; the shared ones come first."""
    ending = names[0].rpartition(".")[2]
    return "\n".join(static(name) for name in (*_FIRST[ending], *names))
