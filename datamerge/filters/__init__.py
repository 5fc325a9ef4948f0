"""Filters: each marks rows with a reason and a detail, and drops none."""

from .language import language
from .length import length
from .phrases import phrases
from .roles import roles

__all__ = ["language", "length", "phrases", "roles"]
