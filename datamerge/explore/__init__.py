"""Look at a frame and at a run: rows as bubbles, the ledger as a flow, statistics.

Everything here sums up to something small first, and then shows that: as HTML that needs no
kernel, no network and no script in a notebook, as plain text in a terminal.
"""

from .duplicates import duplicates
from .ledger import Ledger, ledger
from .map import map
from .preview import Preview, preview
from .stats import Stats, stats

__all__ = ["Ledger", "Preview", "Stats", "duplicates", "ledger", "map", "preview", "stats"]
