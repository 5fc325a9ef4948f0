"""The dataset card: what a reader of the Hub page wants to know of how the data came about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from .._merge_card import END, START
from .ledger import Tally

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)


def card(tally: Tally, recipe: str, format: str, *, schema: str | None = None) -> str:
    """The text of ``README.md``: front matter for the Hub, and our section between markers."""
    front = {
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": f"data/*.{format}"}],
            }
        ],
        "size_categories": [_size(tally.total["kept"])],
        "tags": ["datamerge"],
        "task_categories": ["text-generation"],
    }
    head = yaml.safe_dump(front, sort_keys=False)
    return f"---\n{head}---\n\n# Dataset\n\n{START}\n{_body(tally, recipe, schema)}\n{END}\n"


def _size(rows: int) -> str:
    return next((name for bound, name in SIZES if rows < bound), "n>1B")


def _body(tally: Tally, recipe: str, schema: str | None) -> str:
    total = tally.total
    removed = sum(total["removed"].values())
    lines = [
        f"{total['kept']:,} rows, merged from {len(tally.sources)} "
        f"{'source' if len(tally.sources) == 1 else 'sources'} with "
        f"[datamerge](https://github.com/datamerge/datamerge). Of {total['read']:,} rows read, "
        f"{removed:,} were removed and {total['malformed']:,} were malformed.",
        "",
        "## Sources",
        "",
        *_sources(tally),
        "",
        "## Steps",
        "",
        *_steps(tally),
        "",
        "## Columns",
        "",
        *_columns(schema),
        "",
        "## Recipe",
        "",
        *_fenced(recipe, "yaml"),
    ]
    return "\n".join(lines)


def _sources(tally: Tally) -> list[str]:
    reasons = list(tally.total["removed"])
    rows = [
        [name, entry["read"], entry["kept"], entry["malformed"]]
        + [entry["removed"].get(reason, 0) for reason in reasons]
        for name, entry in [*tally.sources.items(), ("**total**", tally.total)]
    ]
    return _table(["source", "read", "kept", "malformed", *reasons], rows)


def _steps(tally: Tally) -> list[str]:
    rows = []
    for number, step in enumerate(tally.steps, 1):
        flow = step["sources"].values()
        arguments = ", ".join(f"{key}={value!r}" for key, value in step["arguments"].items())
        rows.append(
            [number, step["step"], arguments]
            + [sum(f[key] for f in flow) for key in ("in", "removed", "out")]
        )
    if not rows:
        return ["None: rows are as they were read."]
    return _table(["", "step", "arguments", "rows in", "removed", "rows out"], rows)


def _columns(schema: str | None) -> list[str]:
    if schema is not None:
        return [f"Records are written as `{schema}`; `id` leads back to file and position."]
    return [
        "- `id`: source, file and position the row was read from",
        "- `source`: the source's name",
        "- `messages`: the chat, a list of `{role, content}`; `text`: a plain document",
        "- `meta`: every other field of the record, as a JSON string",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]


def _cell(value: Any) -> str:
    """A value as table text; names come from the data, so nothing in them is markup."""
    text = f"{value:,}" if isinstance(value, int) else " ".join(str(value).split())
    if text == "**total**":
        return text
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text[:300])


def _fenced(text: str, language: str) -> list[str]:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + language, text.rstrip("\n"), fence]
