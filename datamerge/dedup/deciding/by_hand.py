"""Decisions made by hand: rows that stay or go whatever was found, and pairs that are none.

They are told by ids, in a small file of JSON lines or Parquet with the columns ``decision``
(``keep``, ``remove`` or ``distinct``), ``id``, ``other`` (for ``distinct``) and ``against``
(true where ``other`` is one of the rows compared against).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ... import workdir
from ..._choices import nearest
from .layers import Layers

Verdict = Literal["keep", "remove", "distinct"]
Id = str | int
Given = str | Path | pd.DataFrame | None

FREE, STAYS, GOES, APART = 0, 1, 2, 4  # the last one besides the others
COLUMNS = ("decision", "id", "other", "against")
BY_HAND = "by hand"  # what a mark says


@dataclass(frozen=True, order=True)
class Made:
    """One decision: of a row, or for ``distinct`` of a pair."""

    decision: Verdict
    id: Id
    other: Id | None = None
    against: bool = False

    def record(self) -> dict[str, Any]:
        """As it stands in a file."""
        told: dict[str, Any] = {"decision": self.decision, "id": self.id}
        if self.decision == "distinct":
            told["other"] = self.other
        return told | {"against": True} if self.against else told


def read(given: Given) -> tuple[Made, ...]:
    """Decisions of a file or a frame, each once.

    Raises
    ------
    ValueError
        One of them makes no sense, or a row is both kept and removed.
    OSError
        The file can't be read.
    """
    if given is None:
        return ()
    if isinstance(given, pd.DataFrame):
        return checked(given.astype(object).to_dict("records"), "decisions")
    path = Path(given)
    return checked(_records(path), str(path))


def called(given: Given, made: Sequence[Made]) -> str:
    """What recipe and ledger call these decisions."""
    return f"{len(made)} by hand" if isinstance(given, pd.DataFrame) else str(given)


def _records(path: Path) -> Iterable[Mapping[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if line.strip():
            try:
                found.append(orjson.loads(line))
            except orjson.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number}: not JSON: {error}") from None
    return found


def checked(records: Iterable[Any], where: str) -> tuple[Made, ...]:
    """The decisions these records tell, in their order, each once."""
    made = dict.fromkeys(
        _made(record, f"{where}, decision {number}") for number, record in enumerate(records, 1)
    )
    kept = {one.id for one in made if one.decision == "keep"}
    for one in made:
        if one.decision == "remove" and one.id in kept:
            raise ValueError(f"{where}: {one.id!r} is to be both kept and removed")
    return tuple(made)


def _made(record: Any, where: str) -> Made:
    if not isinstance(record, Mapping):
        raise ValueError(f"{where} is {record!r}; it is a mapping of {', '.join(COLUMNS)}")
    odd = [name for name in record if name not in COLUMNS]
    if odd:
        raise ValueError(f"{where} has an odd column {odd[0]!r}{nearest(odd[0], COLUMNS)}")
    decision: Any = record.get("decision")
    if decision not in get_args(Verdict):
        known = ", ".join(get_args(Verdict))
        raise ValueError(f"{where} is {decision!r}{nearest(decision, get_args(Verdict))}: {known}")
    one, other = _id(record.get("id"), where), _missing_or_id(record.get("other"), where)
    if one is None:
        raise ValueError(f"{where} has no id")
    if (decision == "distinct") != (other is not None):
        needs = "needs the id of an other row" if other is None else "is of one row, not of two"
        raise ValueError(f"{where}: {decision!r} {needs}")
    against = record.get("against")
    is_old = not _is_missing(against) and bool(against)
    if decision == "distinct" and one == other and not is_old:
        raise ValueError(f"{where}: {one!r} can't be distinct from itself")
    return Made(decision, one, other, is_old and decision == "distinct")


def _missing_or_id(value: Any, where: str) -> Id | None:
    return None if _is_missing(value) else _id(value, where)


def _is_missing(value: Any) -> bool:
    return value is None or bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _id(value: Any, where: str) -> Id | None:
    if _is_missing(value):
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)  # whole numbers beside missing ones
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return value
    raise ValueError(f"{where}: {value!r} is no id")


def write(path: Path, made: Iterable[Made]) -> None:
    """Write decisions down, as Parquet or JSON lines by the file's name, whole or not at all."""
    records = [one.record() for one in made]
    path.parent.mkdir(parents=True, exist_ok=True)
    with workdir.replacing(path) as temporary:
        if path.suffix == ".parquet":
            numbers = all(isinstance(one["id"], int) for one in records) and bool(records)
            kind = pa.int64() if numbers else pa.large_string()
            types = (pa.string(), kind, kind, pa.bool_())
            schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
            pq.write_table(pa.Table.from_pylist(records, schema), temporary)
        else:
            lines = (orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in records)
            temporary.write_bytes(b"".join(lines))


@dataclass(frozen=True)
class Fates:
    """Decisions laid upon rows: of each row one of STAYS and GOES or none, and maybe APART.

    ``apart`` tells for each row that is APART the rows it is no pair with, ``unknown`` the
    decisions about rows of which nothing was found.
    """

    of_row: np.ndarray
    apart: Mapping[int, frozenset[int]]
    unknown: tuple[Made, ...] = ()

    @cached_property
    def by_hand(self) -> np.ndarray:
        """The rows that go."""
        return np.flatnonzero(self.of_row & GOES)

    @cached_property
    def kept(self) -> np.ndarray:
        """The rows that stay because someone said so."""
        return np.flatnonzero(self.of_row & STAYS)

    @property
    def special(self) -> list[int]:
        """Rows for which some pair does not count."""
        return sorted(self.apart)


def fates(layers: Layers, made: Iterable[Made]) -> Fates:
    """What these decisions mean for these rows."""
    made = tuple(made)
    known = _Known(layers, made)
    of_row = np.zeros(len(layers), np.int8)
    apart: dict[int, set[int]] = {}
    unknown = []
    for one in made:
        row = known.new.get(one.id)
        others = known.others(one)
        if row is None or (one.decision == "distinct" and not others):
            unknown.append(one)
        elif one.decision != "distinct":
            of_row[row] |= STAYS if one.decision == "keep" else GOES
        else:
            for other in others:
                apart.setdefault(row, set()).add(other)
                apart.setdefault(other, set()).add(row)
    of_row[list(apart)] |= APART
    sets = {row: frozenset(others) for row, others in apart.items()}
    return Fates(of_row, sets, tuple(unknown))


class _Known:
    """The rows that decisions name, by id."""

    def __init__(self, layers: Layers, made: tuple[Made, ...]):
        kind = str if layers.id.type != pa.int64() else int
        ids = {i for one in made for i in (one.id, one.other) if type(i) is kind}
        self.new: dict[Id, int] = {}
        self.old: dict[Id, list[int]] = {}
        if not ids:
            return
        found = pc.is_in(layers.id, value_set=pa.array(sorted(ids), layers.id.type))
        for row in np.flatnonzero(found.to_numpy(zero_copy_only=False)).tolist():
            key = layers.id[row].as_py()
            if row < layers.olds:
                self.old.setdefault(key, []).append(row)
            else:
                self.new[key] = row

    def others(self, one: Made) -> list[int]:
        if one.other is None:
            return []
        if one.against:
            return self.old.get(one.other, [])
        return [self.new[one.other]] if one.other in self.new else []
