"""The page of statistics: figures, histograms, tables, what the sources say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..bubbles.entry import NAME
from ..html.escape import Markup, one_line, short
from ..html.markup import fitted, folded, heading, root, table, tag, tiles
from ..html.numbers import counted, percent, shares
from .histogram import histogram
from .sketch import Lengths
from .sums import Source

LINE = 60  # characters of a name in a terminal


def page(numbers: Mapping[str, Any], total: Source) -> str:
    """What :meth:`Stats.to_dict` gives, with the lengths of all rows, as HTML."""
    return fitted(lambda most: _page(numbers, total, most))


def _page(numbers: Mapping[str, Any], source: Source, most: int) -> Markup:
    total = numbers["total"]
    return root(
        heading("Statistics", level=3),
        tiles(_figures(numbers)),
        tag("div", *_histograms(total, source), class_="dm-charts"),
        _sources(numbers["sources"], most),
        tag("div", *_counts(numbers, most), class_="dm-columns"),
        *_said(numbers["sources"], most),
        kind="stats",
        label="Statistics",
    )


def _figures(numbers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    total = numbers["total"]
    yield "rows", f"{total['rows']:,}"
    if total["removed"]:
        yield "live", f"{total['live']:,} ({percent(total['live'], total['rows'])})"
    for kind, rows in numbers["kinds"].items():
        yield "no text" if kind == "neither" else kind, f"{rows:,}"
    for measure in total["lengths"]:
        yield measure, f"{total['lengths'][measure]['total']:,}"


def _histograms(total: Mapping[str, Any], source: Source) -> Iterator[Markup]:
    for measure, lengths in total["lengths"].items():
        if measure == "characters" and "tokens" in total["lengths"]:
            continue
        live = source.lengths.get((measure, True), Lengths())
        gone = source.lengths.get((measure, False), Lengths())
        told = f"median {lengths['median']:,}, mean {lengths['mean']:,.1f}, "
        told += f"95% up to {lengths['p95']:,}, longest {lengths['max']:,}"
        named = tag("figcaption", tag("strong", f"{measure.capitalize()} of a row"), tag("p", told))
        key = _key() if gone.rows else None
        yield tag("figure", named, histogram(live, gone, measure=measure), key, class_="dm-chart")


def _key() -> Markup:
    names = (("dm-key-live", "live"), ("dm-key-gone", "removed"))
    return tag(
        "p", *(tag("span", words, class_=class_) for class_, words in names), class_="dm-key"
    )


def _sources(sources: Mapping[str, Any], most: int) -> Markup:
    largest = sorted(sources, key=lambda name: -sources[name]["rows"])[:most]
    measure = _measure(sources)
    turned = any("turns" in sources[name]["lengths"] for name in largest)
    head = ["source", "rows", "live", "removed", measure, "median", "95%"]
    head += ["turns, median"] if turned else []
    rows: list[list[Any]] = []
    for name in sorted(largest):
        one = sources[name]
        lengths = one["lengths"].get(measure, {})
        cells = [short(name, NAME), one["rows"], one["live"], one["rows"] - one["live"]]
        cells += [lengths.get(key) for key in ("total", "median", "p95")]
        cells += [one["lengths"].get("turns", {}).get("median")] if turned else []
        rows.append(["–" if cell is None else cell for cell in cells])
    left_out = len(sources) - len(largest)
    note = tag("p", f"{left_out:,} smaller sources are not shown", class_="dm-note")
    return tag("div", table(head, rows, caption="By source"), note if left_out else None)


def _measure(sources: Mapping[str, Any]) -> str:
    with_tokens = any("tokens" in one["lengths"] for one in sources.values())
    return "tokens" if with_tokens else "words"


def _counts(numbers: Mapping[str, Any], most: int) -> Iterator[Markup]:
    """Tables of names and numbers: what rows were removed for, languages, roles."""
    total = numbers["total"]
    told = {
        "Removed for": (total["removed"], total["rows"], "reason", "rows"),
        "Roles": (numbers["roles"], sum(numbers["roles"].values()), "role", "turns"),
        "Languages": (total.get("languages", {}), total["rows"], "language", "rows"),
    }
    for caption, (counts, whole, name, of) in told.items():
        if not counts:
            continue
        first = list(counts.items())[: max(most // 4, 1)]
        named = [(short(key, NAME), count) for key, count in first]
        rest = len(counts) - len(first)
        note = tag("p", f"{rest:,} more are not shown", class_="dm-note")
        head = [name, of, "share", "bar"]
        made = table(head, shares(named, whole), caption=caption)
        yield tag("div", made, note if rest else None)


def _said(sources: Mapping[str, Any], most: int) -> Iterator[Markup]:
    """The words and phrases of each source, the first one open."""
    read = {name: one for name, one in sources.items() if one["words"] or one["phrases"]}
    if not read:
        return
    yield heading("What the sources say", level=4)
    largest = sorted(read, key=lambda name: -read[name]["rows"])[: max(most // 2, 1)]
    for number, name in enumerate(largest):
        one = read[name]
        both = [_often(kind, one) for kind in ("words", "phrases") if one[kind]]
        words = f"{short(name, NAME)}: {counted(one['texts_read'], 'row')} read"
        yield folded(words, tag("div", *both, class_="dm-columns"), open=number == 0)


def _often(kind: str, one: Mapping[str, Any]) -> Markup:
    found = [(short(words, NAME), texts) for words, texts in one[kind]]
    head = [kind[:-1], "rows", "share", "bar"]
    return table(head, shares(found, one["texts_read"]), caption=kind.capitalize())


def lines(numbers: Mapping[str, Any]) -> Iterator[str]:
    """The same as text for a terminal."""
    total = numbers["total"]
    gone = total["rows"] - total["live"]
    yield f"{counted(total['rows'], 'row')}: {total['live']:,} live, {gone:,} removed"
    for reason, rows in list(total["removed"].items())[:20]:
        yield f"  {one_line(reason, LINE)}: {rows:,}"
    measure = _measure(numbers["sources"])
    cells = [["source", "rows", "live", "removed", measure, "median"]]
    for name, one in list(numbers["sources"].items())[:60]:
        lengths = one["lengths"].get(measure, {"total": 0, "median": None})
        counts = [one["rows"], one["live"], one["rows"] - one["live"], lengths["total"]]
        median = "-" if lengths["median"] is None else f"{lengths['median']:,}"
        cells.append([one_line(name, LINE), *(f"{count:,}" for count in counts), median])
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    cells.insert(1, ["-" * width for width in widths])
    for first, *others in cells:
        aligned = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *aligned]).rstrip()
    if (more := len(numbers["sources"]) - 60) > 0:
        yield f"… {more:,} more sources"
