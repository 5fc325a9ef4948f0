"""How long rows are, as a histogram over doubling bins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..html.escape import Markup
from ..html.markup import Attribute, drawing, tag
from ..html.numbers import percent
from .sketch import Lengths

WIDTH, HEIGHT, FOOT = 440, 132, 22


def histogram(live: Lengths, removed: Lengths, *, measure: str) -> Markup:
    """How many rows are how long: those that live, and on top of them those removed."""
    bins = _bins(live, removed)
    if not bins:
        return tag("p", "nothing to measure", class_="dm-note")
    tallest = max(each.rows for each in bins)
    step = WIDTH / len(bins)
    columns = (_column(number * step, step, each, tallest) for number, each in enumerate(bins))
    told = tag("title", f"Histogram of {measure}: {_in_words(bins)}")
    view = f"0 0 {WIDTH} {HEIGHT + FOOT}"
    inner = [told, *columns, *_axis(bins, step)]
    return drawing(*inner, viewBox=view, role="img", class_="dm-histogram")


@dataclass(frozen=True)
class _Bin:
    first: int
    last: int
    live: int
    removed: int

    @property
    def rows(self) -> int:
        return self.live + self.removed

    @property
    def label(self) -> str:
        same = self.first == self.last
        return f"{self.first:,}" if same else f"{self.first:,} to {self.last:,}"


def _bins(live: Lengths, removed: Lengths) -> list[_Bin]:
    """The bins of both, without holes: each side alone may begin later and end earlier."""
    alive = {first: rows for first, _, rows in live.coarse()}
    gone = {first: rows for first, _, rows in removed.coarse()}
    whole = Lengths.merged([live, removed]).coarse()
    return [_Bin(first, last, alive.get(first, 0), gone.get(first, 0)) for first, last, _ in whole]


def _column(x: float, step: float, one: _Bin, tallest: int) -> Markup:
    lower = one.live / tallest * (HEIGHT - 8)
    upper = one.removed / tallest * (HEIGHT - 8)
    at: dict[str, Attribute] = {"x": f"{x + 1:.1f}", "width": f"{max(step - 2, 1):.1f}"}
    words = f"{one.label}: {one.live:,} live" + (f", {one.removed:,} removed" * bool(upper))
    top = HEIGHT - lower
    parts = [tag("rect", y=f"{top:.1f}", height=f"{lower:.1f}", class_="dm-fill", **at)]
    if upper:
        size = {"y": f"{top - upper:.1f}", "height": f"{upper:.1f}"}
        parts.append(tag("rect", class_="dm-gone", **size, **at))
    return tag("g", tag("title", words), *parts)


def _axis(bins: Sequence[_Bin], step: float) -> Iterator[Markup]:
    yield tag("line", x1=0, x2=WIDTH, y1=HEIGHT, y2=HEIGHT, class_="dm-rule")
    every = max(1, round(len(bins) / 9))
    for number in range(0, len(bins), every):
        at: dict[str, Attribute] = {"x": f"{number * step + 2:.1f}", "y": HEIGHT + 15}
        yield tag("text", _brief(bins[number].first), class_="dm-count", **at)


def _brief(number: int) -> str:
    """A number for an axis.

    >>> _brief(96), _brief(1536), _brief(3 << 19)
    ('96', '1.5k', '1.6M')
    """
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return (
                f"{number / size:.2g}{letter}"
                if number < 10 * size
                else f"{number // size}{letter}"
            )
    return str(number)


def _in_words(bins: Sequence[_Bin]) -> str:
    most = max(bins, key=lambda each: each.rows)
    share = percent(most.rows, sum(each.rows for each in bins))
    return f"most rows ({share}) have {most.label}"
