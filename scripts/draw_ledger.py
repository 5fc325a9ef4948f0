"""Draw the ledger of a finished run as an SVG that reads well on light and dark pages.

    make demo && .venv/bin/python scripts/draw_ledger.py out/demo docs/images/ledger.svg

The picture in the README is made this way, from what the run wrote; a notebook shows the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

from datamerge.explore import ledger
from datamerge.explore.flow.picture import picture


def main(out: str, target: str) -> None:
    """Draw the run in the folder ``out`` into the file ``target``."""
    drawn = picture(ledger(out).tally, alone=True)
    Path(target).write_text(f"{drawn}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
