"""What finders found, on disk and mapped from there: rows, their scored pairs, dense groups.

A finder hands over :class:`.pairs.Pairs`; :func:`save` keeps them, and whoever decides reads
:class:`Evidence`.
"""

from .kept import LAYOUT, Evidence, exists, load, making, save, scratch, sound

__all__ = ["LAYOUT", "Evidence", "exists", "load", "making", "save", "scratch", "sound"]
