"""Merge, filter, deduplicate, look at and publish training data for language models."""

from __future__ import annotations

from . import audit, clean, cluster, dedup, embed, explore, export, filters, mix, schema, tokens
from ._version import __version__
from .concat import concat
from .read import ReadError, read
from .upload import upload
from .write import Tally, write

__all__ = [
    "ReadError",
    "Tally",
    "__version__",
    "audit",
    "clean",
    "cluster",
    "concat",
    "dedup",
    "embed",
    "explore",
    "export",
    "filters",
    "mix",
    "read",
    "schema",
    "tokens",
    "upload",
    "write",
]
