"""All pairs of vectors at or above a cosine: fast arithmetic screens, float64 decides."""

from .compare import all_pairs

__all__ = ["all_pairs"]
