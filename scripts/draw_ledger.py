"""Draw the ledger of a finished run as an SVG that reads well on light and dark pages.

    make demo && .venv/bin/python scripts/draw_ledger.py out/demo docs/images/ledger.svg

The picture in the README is made this way, from what the run wrote.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from datamerge.inspect import load, removed
from datamerge.terminal import safe

WIDTH, EDGE, ROW = 920, 28, 27
SHOWN = ("language", "phrases", "exact_duplicate", "semantic_duplicate")  # reasons with examples
# Kept, malformed, then one a reason: told apart by eyes that see few colours, on both grounds.
COLOURS = ("#2a9d6f", "#8c8c8c", "#7a6ff0", "#3b8fd9", "#e0a11b", "#d9673b", "#c2457f", "#8a3fa0",
           "#5aa9a3", "#a0793d")  # fmt: skip
STYLE = """
  text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: var(--ink) }
  .ground { fill: var(--ground); stroke: var(--line) } .rule { stroke: var(--line) }
  .dim { fill: var(--dim) } .none { fill: var(--line) } .small { font-size: 12px }
  .bold { font-weight: 600 } .title { font-size: 16px; font-weight: 600 }
  svg { --ground: #ffffff; --ink: #1f2328; --dim: #59636e; --line: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #151b23; --ink: #e6edf3; --dim: #9198a1; --line: #3d444d }
  }
"""


def main(out: str, target: str) -> None:
    """Draw the run in the folder ``out`` into the file ``target``."""
    tally = load(out)
    columns = {"kept": tally.total["kept"], "malformed": tally.total["malformed"]}
    columns |= tally.total["removed"]
    parts = [*_heading(tally.total, len(tally.sources)), *_bar(columns), *_head(columns)]
    y = 158
    for name, entry in tally.sources.items():
        parts += _row(name, entry, columns, y)
        y += ROW
    parts.append(_rule(y - 15))
    parts += _row("total", tally.total, columns, y + 7, style="bold")
    y += 7 + 44
    parts.append(_text(EDGE, y, "Every removed row says why, for example:", "dim"))
    for example in _examples(out):
        y += 24
        for x, words, style in zip((0, 230, 390), example, ("dim", "dim", ""), strict=True):
            parts.append(_text(EDGE + x, y, words, f"small {style}".strip()))
    Path(target).write_text(_svg(y + EDGE, parts), encoding="utf-8")


def _heading(total: dict, sources: int) -> Iterator[str]:
    yield _text(EDGE, 40, "datamerge demo", "title")
    told = f"{total['read']:,} records from {sources} files, {total['kept']:,} rows kept"
    if "tokens" in total:
        told += f": {total['tokens']['kept']:,} tokens"
    yield _text(WIDTH - EDGE, 40, told, "dim", anchor="end")


def _bar(columns: dict[str, int]) -> Iterator[str]:
    """Kept, malformed and every reason, as shares of all that was read."""
    scale = (WIDTH - 2 * EDGE) / max(sum(columns.values()), 1)
    x = float(EDGE)
    for rows, colour in zip(columns.values(), COLOURS, strict=False):
        width = rows * scale
        yield f'<rect x="{x:.1f}" y="58" width="{width:.1f}" height="16" fill="{colour}"/>'
        x += width


def _head(columns: dict[str, int]) -> Iterator[str]:
    yield _text(EDGE, 124, "source", "small dim")
    yield _text(_x(0, columns), 124, "read", "small dim", anchor="end")
    for number, (name, colour) in enumerate(zip(columns, COLOURS, strict=False), 1):
        x, words = _x(number, columns), name.split("_")
        yield f'<circle cx="{x - 4}" cy="93" r="4" fill="{colour}"/>'
        for line, word in enumerate(reversed(words)):
            yield _text(x, 124 - 14 * line, word, "small dim", anchor="end")
    yield _rule(134)


def _x(number: int, columns: dict[str, int]) -> float:
    """Where a column of numbers ends."""
    first, last = EDGE + 150, WIDTH - EDGE
    return round(first + number * (last - first) / len(columns), 1)


def _row(name: str, entry: dict, columns: dict[str, int], y: int, style: str = "") -> Iterator[str]:
    yield _text(EDGE, y, name, style)
    yield _text(_x(0, columns), y, f"{entry['read']:,}", style, anchor="end")
    rows = {"kept": entry["kept"], "malformed": entry["malformed"], **entry["removed"]}
    for number, column in enumerate(columns, 1):
        value = rows.get(column, 0)
        how = style if value else "none"
        yield _text(_x(number, columns), y, f"{value:,}" if value else "·", how, anchor="end")


def _examples(out: str) -> Iterator[tuple[str, str, str]]:
    """An id with its reason and detail, for each reason: of duplicates, the least alike."""
    rows = removed(out).select(["id", "drop_reason", "drop_detail"]).to_pylist()
    for reason in SHOWN:
        found = sorted((r["drop_detail"], r["id"]) for r in rows if r["drop_reason"] == reason)
        if found:
            yield safe(found[0][1], 30), reason, safe(found[0][0], 66)


def _text(x: float, y: float, words: str, style: str = "", *, anchor: str = "start") -> str:
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}" class="{style}"{place}>{escape(words)}</text>'


def _rule(y: float) -> str:
    return f'<line class="rule" x1="{EDGE}" y1="{y}" x2="{WIDTH - EDGE}" y2="{y}"/>'


def _svg(height: float, parts: list[str]) -> str:
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    inner = f'width="{WIDTH - 1}" height="{height - 1}"'
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        "<title>The demo's ledger: rows read, kept, malformed, and removed by reason</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" x=".5" y=".5" {inner} rx="10"/>',
    ]
    return "\n".join([*head, *parts, "</svg>", ""])


if __name__ == "__main__":
    main(*sys.argv[1:])
