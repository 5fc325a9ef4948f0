"""Numbers as one reads them: counts of things, shares in words and as bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .escape import Markup
from .markup import tag

BAR = 120


def counted(number: int, thing: str) -> str:
    """A number of things.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def percent(part: int, whole: int) -> str:
    """A share in words that never say nothing of something, nor all of less.

    >>> percent(1, 3), percent(1, 100_000), percent(99_999, 100_000)
    ('33%', '<0.1%', '>99.9%')
    """
    if not whole:
        return "0%"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "<0.1%"
    if 99.9 < share < 100:
        return ">99.9%"
    near_the_edge = 0 < share < 10 or 99 < share < 100
    return f"{share:.1f}%" if near_the_edge else f"{share:.0f}%"


def bar(share: float) -> Markup:
    """A bar for a share; the number stands beside it, so it is not read aloud."""
    width = round(max(share * BAR, 1.5 if share else 0), 1)
    full = tag("rect", width=BAR, height=8, rx=2, class_="dm-track")
    part = tag("rect", width=width, height=8, rx=2, class_="dm-fill")
    size = {"width": BAR, "height": 8}
    return tag("svg", full, part, class_="dm-share", aria_hidden="true", **size)


def shares(counts: Sequence[tuple[str, int]], whole: int) -> Iterator[list[str | int]]:
    """Rows of a table: name, number, share, and a bar as long as the largest is to it."""
    largest = max((count for _, count in counts), default=1)
    for name, count in counts:
        yield [name, count, percent(count, whole), bar(count / largest)]
