"""Recognise what shape the records of a source have, and read and write that shape."""

from datamerge.schema.definition import Schema
from datamerge.schema.errors import RecordError, SchemaError
from datamerge.schema.extras import fold_extras, unfold_extras
from datamerge.schema.normalise import denormaliser, normaliser
from datamerge.schema.overrides import OVERRIDES
from datamerge.schema.recognise import recognise
from datamerge.schema.row import Row

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
