"""HTML put together from elements, so that nothing can become markup by mistake.

Whatever is given as content and is not :class:`Markup` gets escaped. Attributes hold numbers and
words of this package only; a text from a data set is always content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from html import escape
from pathlib import Path

from .escape import Markup, plain, visible

ROOMS = Path(__file__).parents[1]
MOST_BYTES = 1_000_000  # no repr is larger: notebooks are saved with their outputs

_TEXT_ONLY = {"option", "text", "title", "tspan"}
_VOID = {"hr", "input", "path", "rect", "line", "circle"}

Content = str | int | None
Attribute = str | int | float | bool | None


def tag(name: str, *content: Content, **attributes: Attribute) -> Markup:
    """An element. Attributes are spelled ``class_``, ``aria_label``; None and False are left out.

    >>> tag("td", "a < b", class_="dm-name")
    '<td class="dm-name">a &lt; b</td>'
    """
    if name == "summary" or "tabindex" in attributes:
        attributes["data_lm_suppress_shortcuts"] = "true"  # JupyterLab would take the keys
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{written}/>")
    inner = "".join(_content(item, name) for item in content if item is not None)
    return Markup(f"<{name}{written}>{inner}</{name}>")


def joined(parts: Iterable[Content]) -> Markup:
    """Several pieces of content, one after the other."""
    return Markup("".join(_content(part, "") for part in parts if part is not None))


def _content(item: Content, parent: str) -> str:
    if isinstance(item, Markup):
        return item
    if isinstance(item, int):
        return f"{item:,}"
    return plain(item or "") if parent in _TEXT_ONLY else visible(item or "")


def _attribute(key: str, value: Attribute) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def root(
    *content: Content,
    kind: str,
    label: str,
    styles: Iterable[Markup] = (),
    script: Markup | None = None,
) -> Markup:
    """What a notebook is given: one element with its own style, and a script if there is one."""
    shared = (static("html", "theme.css"), static("html", "explore.css"))
    inner = [tag("style", *shared, *styles), *content]
    if script:
        inner.append(tag("script", script))
    return tag("section", *inner, class_=f"dm-explore dm-{kind}", aria_label=label)


def fitted(render: Callable[[int], Markup]) -> Markup:
    """What ``render`` makes with the most rows to a table that stays under the limit of bytes."""
    for most in (60, 30, 15, 8, 4, 2, 1):
        made = render(most)
        if len(made.encode()) < MOST_BYTES:
            return made
    return root(tag("p", "This is too large to be shown."), kind="none", label="Too large")


@lru_cache(maxsize=32)
def static(room: str, name: str) -> Markup:
    """A file of style or script that lies in a room, as it is put into the page."""
    return Markup((ROOMS / room / "static" / name).read_text(encoding="utf-8").strip())


def table(head: Iterable[Content], rows: Iterable[Iterable[Content]], *, caption: str) -> Markup:
    """A table whose first column names the row; wide ones scroll within themselves."""
    top = tag("tr", *(tag("th", cell, scope="col") for cell in head))
    body = []
    for row in rows:
        first, *others = row
        cells = (tag("td", cell, class_="dm-zero" if cell == 0 else None) for cell in others)
        body.append(tag("tr", tag("th", first, scope="row"), *cells))
    inner = [tag("caption", caption), tag("thead", top), tag("tbody", *body)]
    scrolled: dict[str, Attribute] = {"role": "region", "tabindex": 0, "aria_label": caption}
    return tag("div", tag("table", *inner), class_="dm-wide", **scrolled)


def heading(*content: Content, level: int) -> Markup:
    """A heading for whoever has the page read aloud.

    Not ``h3``: JupyterLab lists those in the notebook's table of contents, a line for each row.
    """
    words = tag("strong", *content)  # where no style is let through, it is still a heading
    return tag("p", words, role="heading", aria_level=level, class_=f"dm-heading-{level}")


def drawing(*parts: Content, **attributes: Attribute) -> Markup:
    """A picture, with nothing but words left of it where pictures are not let through.

    What stands between the parts of an SVG is not drawn; it keeps those words apart.
    """
    inner = " · ".join(_content(part, "svg") for part in parts if part is not None)
    return tag("svg", Markup(inner), **attributes)


def breakable(name: str) -> Markup:
    """A name_with_underscores that may be broken after each of them."""
    return Markup(visible(name).replace("_", "_<wbr/>"))


def tiles(figures: Iterable[tuple[str, Content]]) -> Markup:
    """The few figures that come first, each with its name."""
    told = (tag("div", tag("dt", name), tag("dd", figure)) for name, figure in figures)
    return tag("dl", *told, class_="dm-tiles")


def folded(summary: Content, *content: Content, open: bool = False, class_: str = "") -> Markup:
    """Content behind a line that opens it, with or without scripts."""
    return tag(
        "details",
        tag("summary", summary),
        *content,
        open=open,
        class_=f"dm-folded {class_}".strip(),
    )
