"""Check a recipe in full, before any work: keys, types, steps and their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any, get_args

import dask
import pandas as pd

from .._choices import nearest
from ..dedup.compared.earlier import earlier_frames
from ..mix import fraction
from ..read.plan import HOW, WHERE, checked
from ..read.records import COLUMNS, Rows
from ..schema import OVERRIDES
from ..schema.words import SLOTS
from ..write.target import Format
from .document import Document, Path, RecipeError, fill
from .steps import Known, arguments_of, faults_of, known_steps, seeded, without_against

KEYS = ("name", "seed", "sources", "steps", "output")
OUTPUT_KEYS = ("path", "format", "schema", "single_file", "upload")
UPLOAD_KEYS = ("repo_id", "private", "revision", "evidence")
SOURCE_KEYS = ("path", "name", "weight", "steps", *WHERE, *HOW, *OVERRIDES)
_KINDS: dict[str, tuple[type, ...]] = {"name": (str,), "seed": (int,), "sources": (list,),
    "steps": (list,), "output": (dict,)}  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """A step of a recipe with its arguments, ready to be laid over a frame."""

    step: Known
    arguments: Mapping[str, Any]
    path: Path

    def __call__(self, df: Any) -> Any:
        return self.step.lay(df, **self.arguments)


@dataclass(frozen=True)
class Wanted:
    """A source of a recipe: how to read it, its own steps, and its weight."""

    request: Mapping[str, Any]
    steps: tuple[Chosen, ...]
    weight: float | None
    path: Path


@dataclass(frozen=True)
class Recipe:
    """A recipe that has been checked."""

    name: str
    seed: int
    sources: tuple[Wanted, ...]
    steps: tuple[Chosen, ...]
    output: Mapping[str, Any]
    document: Document = field(repr=False)


def check(document: Document, variables: Mapping[str, str]) -> Recipe:
    """The recipe of a document; raises RecipeError with every fault that was found."""
    values = document.values
    if not isinstance(values, dict):
        raise RecipeError(f"{document.name}:1: a recipe is a mapping with {', '.join(KEYS)}")
    try:
        values = fill(values, variables)
    except KeyError as error:
        name = error.args[0]
        line = next((n for n, text in _strings(document) if f"${{{name}}}" in text), 1)
        raise RecipeError(
            f"{document.name}:{line}: ${{{name}}} is not set; give it with --set {name}=… "
            "or as an environment variable"
        ) from None
    _keys(document, (), values, KEYS, "a recipe")
    for key, kinds in _KINDS.items():
        if key in values and (not isinstance(values[key], kinds) or isinstance(values[key], bool)):
            document.fault((key,), f"{key} is {_kind(values[key])}; expected {_names(kinds)}")
            values = {k: v for k, v in values.items() if k != key}
    seed = values.get("seed", 0)
    sources = _sources(document, values, seed)
    steps = tuple(_steps(document, values.get("steps", []), ("steps",), seed))
    output = _output(document, values.get("output", {}))
    _weights_once(document, sources, steps)
    document.raise_faults()
    return Recipe(values.get("name", "merged"), seed, sources, steps, output, document)


def _strings(document: Document) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []

    def walk(value: Any, path: Path) -> None:
        if isinstance(value, dict | list):
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                walk(item, (*path, key))
        elif isinstance(value, str):
            found.append((document.line(path), value))

    walk(document.values, ())
    return found


def _kind(value: Any) -> str:
    return {dict: "a mapping", list: "a list", type(None): "empty"}.get(type(value), repr(value))


def _names(kinds: Sequence[type]) -> str:
    told = {dict: "a mapping", list: "a list", str: "a string", int: "a whole number"}
    return " or ".join(told[kind] for kind in kinds)


def _keys(
    document: Document, path: Path, given: Mapping[str, Any], known: Sequence[str], what: str
) -> None:
    for key in given:
        if key not in known:
            listed = ", ".join(known)
            hint = nearest(key, known)
            document.fault((*path, key), f"{what} has no key {key!r}{hint}; it has {listed}")


def _sources(document: Document, values: Mapping[str, Any], seed: int) -> tuple[Wanted, ...]:
    if not values.get("sources") and not document.faults:
        document.fault(("sources",), "a recipe needs at least one source")
    found = []
    names: dict[str, int] = {}
    for number, given in enumerate(values.get("sources", [])):
        path: Path = ("sources", number)
        if isinstance(given, str):
            given = {"path": given}
        if not isinstance(given, dict):
            document.fault(path, f"a source is a path or a mapping, not {_kind(given)}")
            continue
        _keys(document, path, given, SOURCE_KEYS, "a source")
        if not isinstance(given.get("path"), str):
            document.fault(path, "a source needs a path")
        name = given.get("name")
        if name is not None and name in names:
            document.fault(
                (*path, "name"), f"a source is named {name!r} on line {names[name]} already"
            )
        elif name is not None:
            names[name] = document.line((*path, "name"))
        _how(document, given, path)
        steps = tuple(_steps(document, given.get("steps", []), (*path, "steps"), seed))
        request = {k: v for k, v in given.items() if k not in ("steps", "weight")}
        found.append(Wanted(request, steps, _weight(document, given, path), path))
    return tuple(found)


def _how(document: Document, given: Mapping[str, Any], path: Path) -> None:
    for key in HOW:
        try:
            checked(**{key: given[key]} if key in given else {})
        except (ValueError, TypeError) as error:
            document.fault((*path, key), str(error))


def _weight(document: Document, given: Mapping[str, Any], path: Path) -> float | None:
    if given.get("weight") is None:
        return None
    try:
        return fraction(given["weight"])
    except ValueError as error:
        document.fault((*path, "weight"), str(error))
        return None


def _steps(document: Document, given: Any, path: Path, seed: int) -> list[Chosen]:
    if not isinstance(given, list):
        document.fault(path, f"steps is {_kind(given)}; expected a list")
        return []
    found = []
    for number, item in enumerate(given):
        at: Path = (*path, number)
        if isinstance(item, dict) and len(item) == 1:
            name, value = next(iter(item.items()))
        elif isinstance(item, str):
            name, value = item, None
        else:
            document.fault(at, "a step is a name, or one name with its arguments behind a colon")
            continue
        step = known_steps().get(name)
        if step is None:
            hint = nearest(name, known_steps()) or f"; steps are {', '.join(known_steps())}"
            document.fault(at, f"no step {name!r}{hint}")
            continue
        chosen = _chosen(document, step, value, (*at, name), seed)
        if chosen is not None:
            found.append(chosen)
    return found


def _chosen(document: Document, step: Known, value: Any, at: Path, seed: int) -> Chosen | None:
    try:
        arguments = arguments_of(step, value)
    except ValueError as error:
        document.fault(at, str(error))
        return None
    faults = faults_of(step, arguments)
    for name, message in faults:
        document.fault((*at, name) if name else at, message)
    if faults:
        return None
    chosen = Chosen(step, seeded(step, arguments, seed), at)
    _try(document, chosen)
    return chosen


def _try(document: Document, chosen: Chosen) -> None:
    """Lay the step over an empty frame: what it says of its arguments is said before any work.

    What duplicates are looked for in besides is opened, not read.
    """
    empty = Rows(lambda record: [], "").frame(COLUMNS)
    keep = chosen.arguments.get("keep")
    if isinstance(keep, list) and chosen.step.name.startswith("dedup."):
        return  # its sources are known once the recipe has been read
    try:
        light, against = without_against(chosen.step, chosen.arguments)
        earlier_frames(against)
        with TemporaryDirectory() as nowhere, dask.config.set({"datamerge.workdir": nowhere}):
            chosen.step.lay(empty, **light)
    except KeyError as error:
        if "column" not in str(error):
            document.fault(chosen.path, f"{chosen.step.name}: {error.args[0]}")
    except (ValueError, TypeError, OSError, ImportError) as error:
        if not _is_of_column(error, empty):
            document.fault(chosen.path, f"{chosen.step.name}: {error}")


def _is_of_column(error: Exception, empty: pd.DataFrame) -> bool:
    """Whether it is about a column that an earlier step may add."""
    return "column of the frame" in str(error) or "lacks" in str(error)


def _output(document: Document, given: Mapping[str, Any]) -> dict[str, Any]:
    _keys(document, ("output",), given, OUTPUT_KEYS, "output")
    if given.get("format", "parquet") not in get_args(Format):
        allowed = ", ".join(get_args(Format))
        document.fault(("output", "format"), f"format is {given['format']!r}; it is {allowed}")
    if given.get("schema") not in (None, *SLOTS):
        hint = nearest(given["schema"], SLOTS) or f"; known: {', '.join(SLOTS)}"
        document.fault(("output", "schema"), f"no schema {given['schema']!r}{hint}")
    if not isinstance(given.get("single_file", False), bool):
        document.fault(("output", "single_file"), "single_file is true or false")
    upload = given.get("upload")
    if isinstance(upload, str):
        upload = {"repo_id": upload}
    if upload is not None and not isinstance(upload, dict):
        document.fault(("output", "upload"), "upload is a repo id, or a mapping with repo_id")
    elif upload is not None:
        _keys(document, ("output", "upload"), upload, UPLOAD_KEYS, "upload")
        if "repo_id" not in upload:
            document.fault(("output", "upload"), "upload needs a repo_id, as owner/name")
    return {**given, "upload": upload}


def _weights_once(document: Document, sources: Sequence[Wanted], steps: Sequence[Chosen]) -> None:
    weighted = any(source.weight is not None for source in sources)
    for chosen in steps:
        if weighted and chosen.step.name == "mix.weights":
            document.fault(chosen.path, "weights stand at the sources and in a mix.weights step")
