"""Mark, then account: why a row goes, and which steps a lazy frame has been through.

A filter never drops a row. It fills ``drop_reason`` and ``drop_detail`` where they are still
null, and evaluates live rows only. Steps are callables inside the Dask expression, so the
frame's own expression is its lineage: :func:`lineage` reads it back, in order.
"""

from .conservation import ConservationError, conserved
from .marks import (
    DETAIL,
    MALFORMED,
    REASON,
    Frame,
    Judge,
    Verdict,
    apply,
    live,
    mark,
    marked,
    transform,
)
from .steps import Passed, Step, lineage, nodes, sources, steps, unused

__all__ = [
    "DETAIL",
    "MALFORMED",
    "REASON",
    "ConservationError",
    "Frame",
    "Judge",
    "Passed",
    "Step",
    "Verdict",
    "apply",
    "conserved",
    "lineage",
    "live",
    "mark",
    "marked",
    "nodes",
    "sources",
    "steps",
    "transform",
    "unused",
]
