"""Recognise what shape the records of a source have, and read and write that shape."""

from .definition import Schema
from .denormalise import denormaliser
from .errors import RecordError, SchemaError
from .extras import fold_extras, unfold_extras
from .normalise import normaliser
from .overrides import OVERRIDES
from .recognise import recognise
from .row import Row

__all__ = [
    "OVERRIDES",
    "RecordError",
    "Row",
    "Schema",
    "SchemaError",
    "denormaliser",
    "fold_extras",
    "normaliser",
    "recognise",
    "unfold_extras",
]
