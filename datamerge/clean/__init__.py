"""Text transforms: repair characters, repair the order of turns."""

from .turns import turns
from .unicode import unicode

__all__ = ["turns", "unicode"]
