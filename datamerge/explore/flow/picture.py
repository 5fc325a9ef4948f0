"""The ledger as a picture: bands from each source to what became of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..html.escape import Markup, short
from ..html.markup import Attribute, drawing, static, tag
from ..html.numbers import counted, percent
from .outcomes import Flow, flow_of

if TYPE_CHECKING:
    from ...write import Tally

WIDTH, RIGHT, BAR = 912, 640, 10
NAME = 24  # characters of a source's name
HEIGHT, LEAST, GAP = 300, 2.0, 14  # of all bands together; of one; between two labels
COLOURS = 8  # after that they begin again


@dataclass(frozen=True)
class _Box:
    top: float
    height: float

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


def picture(tally: Tally, *, alone: bool = False) -> Markup:
    """The flow of rows as an SVG; ``alone`` makes it a file of its own."""
    return svg(flow_of(tally.sources, tally.total), _tokens(tally.total), alone=alone)


def _tokens(total: Mapping[str, Any]) -> dict[str, int]:
    """Tokens by outcome, as the flow names them."""
    if "tokens" not in total:
        return {}
    gone = {f"removed:{reason}": tokens for reason, tokens in total["tokens"]["removed"].items()}
    return {"kept": total["tokens"]["kept"], **gone}


def svg(flow: Flow, tokens: Mapping[str, int] | None = None, *, alone: bool = False) -> Markup:
    """The picture.

    Parameters
    ----------
    flow : Flow
        What went where.
    tokens : mapping of outcome to tokens, optional
        Told beside the rows, where known.
    alone : bool
        As a file of its own, with its colours in it, rather than inside of a page.
    """
    whole = sum(flow.rows.values())
    if not whole:
        return tag("p", "No rows were read.", class_="dm-note")
    left = _boxes([flow.of_source(name) for name in flow.sources], whole)
    right = _boxes([flow.of_outcome(name) for name in flow.outcomes], whole)
    left, right = _centred(left, right)
    x = 32 + round(7.2 * max(len(short(name, NAME)) for name in flow.sources))
    height = max(box.middle + max(box.height / 2, 16) for box in (*left, *right)) + 12
    inner = [
        tag("title", _told(flow, whole)),
        tag("style", static("flow", "flow.css")) if alone else None,
        *_bands(flow, left, right, x),
        *_sources(flow, left, x),
        *_outcomes(flow, right, whole, tokens or {}),
    ]
    own: dict[str, Attribute] = {"class_": "dm-flow"}
    if alone:
        size = {"width": WIDTH, "height": round(height)}
        own = {"xmlns": "http://www.w3.org/2000/svg", "class_": "dm-flow dm-alone", **size}
    return drawing(*inner, viewBox=f"0 0 {WIDTH} {height:.0f}", role="img", **own)


def _told(flow: Flow, whole: int) -> str:
    ends = (f"{flow.kinds[name]} {flow.of_outcome(name):,}" for name in flow.outcomes)
    return f"Of {whole:,} rows read: {', '.join(ends)}"


def _boxes(counts: Sequence[int], whole: int) -> list[_Box]:
    """A box for each count, as high as its share, far enough apart for two lines of text."""
    boxes, top = [], 16.0
    for count in counts:
        height = max(count / whole * HEIGHT, LEAST)
        room = max(height, 26.0)
        boxes.append(_Box(top + (room - height) / 2, height))
        top += room + GAP
    return boxes


def _centred(left: list[_Box], right: list[_Box]) -> tuple[list[_Box], list[_Box]]:
    """The shorter side moved down to the middle of the other."""

    def end(boxes: list[_Box]) -> float:
        return boxes[-1].top + boxes[-1].height

    def moved(boxes: list[_Box], by: float) -> list[_Box]:
        return [_Box(box.top + max(by, 0) / 2, box.height) for box in boxes]

    return moved(left, end(right) - end(left)), moved(right, end(left) - end(right))


def _bands(flow: Flow, left: Sequence[_Box], right: Sequence[_Box], x: int) -> Iterator[Markup]:
    begins = [box.top for box in left]
    ends = [box.top for box in right]
    for to, outcome in enumerate(flow.outcomes):
        for at, source in enumerate(flow.sources):
            count = flow.rows.get((source, outcome), 0)
            if not count:
                continue
            out = count / flow.of_source(source) * left[at].height
            into = count / flow.of_outcome(outcome) * right[to].height
            words = f"{source}: {flow.kinds[outcome]} {count:,}"
            path = _band(x + BAR, begins[at], out, ends[to], into)
            yield tag("g", tag("title", words), path, class_=_class("dm-band", to, outcome))
            begins[at] += out
            ends[to] += into


def _band(x: int, start: float, out: float, end: float, into: float) -> Markup:
    """A band from ``out`` high at x to ``into`` high at the outcomes."""
    m = (x + RIGHT) / 2
    upper = f"M{x} {start:.1f}C{m} {start:.1f} {m} {end:.1f} {RIGHT} {end:.1f}"
    start, end = start + out, end + into
    lower = f"V{end:.1f}C{m} {end:.1f} {m} {start:.1f} {x} {start:.1f}Z"
    return tag("path", d=upper + lower)


def _class(kind: str, number: int, outcome: str) -> str:
    if outcome in ("kept", "malformed"):
        return f"{kind} dm-{outcome}"
    return f"{kind} dm-hue-{(number - 1) % COLOURS}"


def _sources(flow: Flow, boxes: Sequence[_Box], x: int) -> Iterator[Markup]:
    for name, box in zip(flow.sources, boxes, strict=True):
        yield _bar(x, box, "dm-bar")
        at: dict[str, Attribute] = {"x": x - 12, "text_anchor": "end"}
        yield tag("text", short(name, NAME), y=_y(box, -3), class_="dm-name", **at)
        yield tag("text", f"{flow.of_source(name):,}", y=_y(box, 13), class_="dm-count", **at)


def _outcomes(
    flow: Flow, boxes: Sequence[_Box], whole: int, tokens: Mapping[str, int]
) -> Iterator[Markup]:
    for number, (outcome, box) in enumerate(zip(flow.outcomes, boxes, strict=True)):
        yield _bar(RIGHT, box, _class("dm-bar", number, outcome))
        rows = flow.of_outcome(outcome)
        told = f"{counted(rows, 'row')}, {percent(rows, whole)}"
        if tokens.get(outcome):
            told += f", {counted(tokens[outcome], 'token')}"
        x = RIGHT + BAR + 12
        name = short(flow.kinds[outcome], 30)
        yield tag("text", name, x=x, y=_y(box, -3), class_="dm-name")
        yield tag("text", told, x=x, y=_y(box, 13), class_="dm-count")


def _bar(x: int, box: _Box, class_: str) -> Markup:
    size: dict[str, Attribute] = {
        "y": f"{box.top:.1f}",
        "width": BAR,
        "height": f"{box.height:.1f}",
    }
    return tag("rect", x=x, **size, rx=min(2, round(box.height / 2, 1)), class_=class_)


def _y(box: _Box, by: int) -> str:
    return f"{box.middle + by:.1f}"
