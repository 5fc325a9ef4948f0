"""Find duplicates: exact ones, near ones and ones by meaning; each finder returns scored pairs."""

from .any_of import any_of
from .deciding.marking import DuplicatesWarning
from .duplicates import Duplicates, load
from .exact import exact
from .jaccard import jaccard
from .media import MediaDuplicates, MediaWarning, media
from .minhash import minhash
from .semantic import semantic
from .wording.bands import Bands

__all__ = [
    "Bands",
    "Duplicates",
    "DuplicatesWarning",
    "MediaDuplicates",
    "MediaWarning",
    "any_of",
    "exact",
    "jaccard",
    "load",
    "media",
    "minhash",
    "semantic",
]
