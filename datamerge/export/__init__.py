"""A finished data set in the shape that those who read it want."""

from __future__ import annotations

from .folder import Resplit
from .resplit import resplit

__all__ = ["Resplit", "resplit"]
