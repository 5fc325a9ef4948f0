"""The steps a recipe can name: the public functions, under their public names."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType, UnionType
from typing import Any

from .. import clean, dedup, filters, mix, tokens
from .._choices import nearest
from ..dedup.any_of import chosen

ROOMS: dict[str, ModuleType] = {
    "clean": clean,
    "dedup": dedup,
    "filters": filters,
    "mix": mix,
    "tokens": tokens,
}


COMBINING = "dedup.any_of"
_GATHERING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Known:
    """A step's name, the arguments it takes after the frame, and how to lay it over one."""

    name: str
    parameters: Mapping[str, inspect.Parameter]
    lay: Callable[..., Any]

    @property
    def first(self) -> str | None:
        """The argument that a bare value is for: the first one after the frame."""
        return next(iter(self.parameters), None)


@cache
def known_steps() -> dict[str, Known]:
    """Every step, by its public name."""
    found = {}
    for room, module in ROOMS.items():
        for name, function in inspect.getmembers(module, inspect.isfunction):
            parameters = _parameters(function)
            if name.startswith("_") or next(iter(parameters), None) != "df":
                continue
            if not (function.__module__ or "").startswith(module.__name__):
                continue
            full = f"{room}.{name}"
            rest = _after_frame(parameters)
            found[full] = (
                _finder(full, function, rest) if room == "dedup" else Known(full, rest, function)
            )
    return found


def _after_frame(parameters: Mapping[str, inspect.Parameter]) -> dict[str, inspect.Parameter]:
    return {key: p for key, p in parameters.items() if key != "df"}


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    signature = inspect.signature(function)
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):
        hints = {}
    return {
        name: parameter.replace(annotation=hints.get(name, Any))
        for name, parameter in signature.parameters.items()
    }


def _finder(name: str, function: Callable[..., Any], own: dict[str, inspect.Parameter]) -> Known:
    """A finder's step finds and marks: it takes the arguments of both."""
    of_mark = _parameters(dedup.Duplicates.mark)
    marking = {key: p for key, p in of_mark.items() if key not in ("self", "df")}

    def lay(df: Any, **arguments: Any) -> Any:
        chosen = {key: arguments.pop(key) for key in list(arguments) if key in marking}
        return function(df, **arguments).mark(**chosen)

    return Known(name, {**own, **marking}, lay)


def arguments_of(step: Known, given: Any) -> dict[str, Any]:
    """What stands behind a step's name in a recipe, as keyword arguments."""
    if given is None:
        return {}
    if isinstance(given, Mapping) and not _is_first(step, given):
        return dict(given)
    if step.first is None:
        raise ValueError(f"{step.name} takes no arguments")
    return {step.first: given}


def _is_first(step: Known, given: Mapping[str, Any]) -> bool:
    """A mapping whose keys are no arguments may be the first argument itself (mix.weights)."""
    if step.first is None or set(given) & set(step.parameters):
        return False
    kinds = [typing.get_origin(o) or o for o in _options(step.parameters[step.first].annotation)]
    return any(isinstance(kind, type) and issubclass(kind, Mapping) for kind in kinds)


def faults_of(step: Known, arguments: Mapping[str, Any]) -> list[tuple[str | None, str]]:
    """What is wrong with the arguments: (argument or None, message)."""
    faults: list[tuple[str | None, str]] = []
    for name, value in arguments.items():
        if name not in step.parameters:
            known = ", ".join(step.parameters) or "none"
            hint = nearest(name, step.parameters)
            faults.append((name, f"{step.name} has no argument {name!r}{hint}; it takes {known}"))
        elif (wrong := _misfit(step.parameters[name].annotation, value)) is not None:
            faults.append((name, f"{step.name}: {name} is {value!r}; {wrong}"))
    faults += [(None, message) for message in _faults_within(step, arguments)]
    for name, parameter in step.parameters.items():
        optional = parameter.default is not parameter.empty
        if not optional and name not in arguments and parameter.kind not in _GATHERING:
            faults.append((None, f"{step.name} needs {name!r}"))
    return faults


def _faults_within(step: Known, arguments: Mapping[str, Any]) -> list[str]:
    """What is wrong with the finders a step combines, by the functions' own signatures."""
    if step.name != COMBINING:
        return []
    try:
        finders = chosen(arguments.get("finders", ["exact"]))
    except ValueError as error:
        return [f"{step.name}: {error}"]
    faults = []
    for function, given in finders:
        inner = Known(f"dedup.{function.__name__}", _after_frame(_parameters(function)), function)
        faults += [f"{step.name}: {message}" for _, message in faults_of(inner, given)]
    return faults


def seeded(step: Known, arguments: dict[str, Any], seed: int) -> dict[str, Any]:
    """The arguments with the recipe's seed wherever one is taken and none was given."""
    if "seed" in step.parameters:
        return {"seed": seed} | arguments
    if step.name == COMBINING:
        finders = [
            {
                function.__name__: ({"seed": seed} | given)
                if "seed" in inspect.signature(function).parameters
                else given
            }
            for function, given in chosen(arguments["finders"])
        ]
        return arguments | {"finders": finders}
    return arguments


def without_against(step: Known, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """A finder's arguments without what it compares against, and that."""
    if not step.name.startswith("dedup."):
        return dict(arguments), []
    light = {key: value for key, value in arguments.items() if key != "against"}
    against = [arguments["against"]] if arguments.get("against") is not None else []
    if step.name == COMBINING:
        inner = [(f.__name__, dict(given)) for f, given in chosen(arguments["finders"])]
        against += [given.pop("against") for _, given in inner if "against" in given]
        light["finders"] = [{name: given} for name, given in inner]
    return light, against


def _misfit(kind: Any, value: Any) -> str | None:
    """Why a plain value does not fit an annotation; None where it does, or can't be told."""
    options = _options(kind)
    literals = [v for o in options if typing.get_origin(o) is typing.Literal
                for v in typing.get_args(o)]  # fmt: skip
    others = [o for o in options if typing.get_origin(o) is not typing.Literal]
    if value in literals or (not others and not literals):
        return None
    if literals and not others:
        allowed = ", ".join(repr(v) for v in literals)
        return f"it is one of {allowed}{nearest(value, literals)}"
    if any(_fits(option, value) for option in others):
        return None
    names = ", ".join(getattr(option, "__name__", str(option)) for option in others)
    return f"expected {names}"


def _options(kind: Any) -> list[Any]:
    if typing.get_origin(kind) in (typing.Union, UnionType):
        return [o for part in typing.get_args(kind) for o in _options(part)]
    return [kind]


def _fits(kind: Any, value: Any) -> bool:
    plain = typing.get_origin(kind) or kind
    if plain is type(None):
        return value is None
    if plain is Any or not isinstance(plain, type):
        return True
    if plain is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if plain is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, str) and plain not in (str, object):
        return issubclass(str, plain) and plain.__module__ != "collections.abc"
    try:
        return isinstance(value, plain)
    except TypeError:
        return True
