"""What Parquet files are made of, as their footers tell: row groups, columns, how they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..compute import each
from ..read import ReadError
from ..read.parquet import open_parquet
from ..read.records import Broken

FILES_A_TASK = 64
_CODECS = {"UNCOMPRESSED": "none", "LZO": "none"}  # no one writes LZO


@dataclass(frozen=True)
class Style:
    """How columns are kept, by their paths: the codec of each, and those with dictionaries."""

    codecs: dict[str, str] = field(default_factory=dict)
    dictionaries: tuple[str, ...] = ()

    @classmethod
    def of(cls, metadata: pq.FileMetaData) -> Style | None:
        """As in the first row group; None where there is none."""
        if not metadata.num_row_groups:
            return None
        group = metadata.row_group(0)
        columns = [group.column(nth) for nth in range(group.num_columns)]
        return cls(
            {one.path_in_schema: _codec(one.compression) for one in columns},
            tuple(one.path_in_schema for one in columns if one.has_dictionary_page),
        )

    def writer(self, file: Any, schema: pa.Schema) -> pq.ParquetWriter:
        """What writes rows in this way."""
        codecs = set(self.codecs.values()) or {"zstd"}
        one = codecs.pop() if len(codecs) == 1 else self.codecs  # also of columns not known yet
        return pq.ParquetWriter(
            file, schema, compression=one, use_dictionary=list(self.dictionaries)
        )


def _codec(name: str) -> str:
    return _CODECS.get(name, name.lower())


@dataclass(frozen=True)
class Footer:
    """One file: its columns, and of each row group how many rows and how many bytes it has."""

    schema: pa.Schema
    groups: tuple[tuple[int, int], ...]
    style: Style | None


def footers(fs: Any, paths: Sequence[str]) -> list[Footer]:
    """The footers of these files, read by whoever works."""
    shares = [paths[at : at + FILES_A_TASK] for at in range(0, len(paths), FILES_A_TASK)]
    return [one for found in each(Footers(fs), shares, stage="footers") for one in found]


@dataclass(frozen=True)
class Footers:
    """Task: the footers of some files."""

    fs: Any

    def __call__(self, paths: Sequence[str]) -> list[Footer]:
        """One after another."""
        return [footer(self.fs, path) for path in paths]


def footer(fs: Any, path: str) -> Footer:
    """The footer of a file."""
    with fs.open(path, "rb") as file:
        parquet = opened(file, path)
        metadata = parquet.metadata
        groups = [metadata.row_group(nth) for nth in range(metadata.num_row_groups)]
        sizes = tuple((group.num_rows, _stored(group)) for group in groups)
        return Footer(parquet.schema_arrow, sizes, Style.of(metadata))


def opened(file: Any, path: str) -> pq.ParquetFile:
    """A file whose pages are read as they are needed; a ReadError that names it if it is none."""
    try:
        return open_parquet(file, page_by_page=True)
    except Broken as error:
        raise ReadError(f"{path}: {error.reason}") from None


def _stored(group: Any) -> int:
    """The bytes of a row group on disk."""
    columns = range(group.num_columns)
    return int(sum(group.column(nth).total_compressed_size for nth in columns))


def common_schema(names: Sequence[str], found: Sequence[Footer]) -> pa.Schema:
    """The schema of all files, with the metadata of the first.

    A column without any value in some of the files may have no type there.
    """
    schema = found[0].schema
    for name, footer in zip(names[1:], found[1:], strict=True):
        schema = _both(schema, footer.schema, names[0], name)
    return schema


def _both(one: pa.Schema, other: pa.Schema, first: str, second: str) -> pa.Schema:
    if one.equals(other):
        return one
    if one.names != other.names:
        odd = sorted(set(one.names) ^ set(other.names)) or ["their order"]
        raise ValueError(f"{first} and {second} differ in columns: {', '.join(map(str, odd))}")
    for place, (known, new) in enumerate(zip(one, other, strict=True)):
        kind = known.type if pa.types.is_null(new.type) else new.type
        if known.type != kind and not pa.types.is_null(known.type):
            raise ValueError(
                f"column {known.name!r} is {known.type} in {first} and {kind} in {second}; "
                "datamerge.read and datamerge.write make them one type"
            )
        nullable = known.nullable or new.nullable
        one = one.set(place, known.with_type(kind).with_nullable(nullable))
    return one
