"""A recipe's text as plain values, with the line on which each of them stands."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class RecipeError(ValueError):
    """What is wrong with a recipe: every fault found, each with its line."""


@dataclass
class Document:
    """The values of a recipe, where they stand, and the faults found so far."""

    name: str
    values: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of the value at a path, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def fault(self, path: Path, message: str) -> None:
        """Note a fault; checking goes on, so that all are told at once."""
        self.faults.append((self.line(path), message))

    def raise_faults(self) -> None:
        """Raise if any fault was noted."""
        if self.faults:
            told = (f"{self.name}:{line}: {message}" for line, message in sorted(self.faults))
            raise RecipeError("\n".join(told))


def parse(text: str, name: str) -> Document:
    """YAML, safe types only, with line numbers; a key that stands twice is a fault."""
    document = Document(name)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise RecipeError(f"{name}:{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"{name}:1: not valid YAML: {error}") from None
    document.values = _value(node, (), document) if node is not None else None
    return document


def _value(node: yaml.Node, path: Path, document: Document) -> Any:
    document.lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, n), document) for n, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _scalar(key_node)
            line = key_node.start_mark.line + 1
            if key in found:
                document.faults.append((line, f"{key!r} stands here for the second time"))
            found[key] = _value(value_node, (*path, key), document)
            document.lines[(*path, key)] = line
        return found
    return _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    constructor = yaml.constructor.SafeConstructor()
    value = constructor.construct_object(node, deep=True)
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def fill(value: Any, variables: Mapping[str, str]) -> Any:
    """``${NAME}`` and ``${NAME:-default}`` in strings, from variables or the environment.

    >>> fill("${HOW:-very} good", {})
    'very good'
    """
    if isinstance(value, dict):
        return {key: fill(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    return (
        _VARIABLE.sub(lambda m: _lookup(m, variables), value) if isinstance(value, str) else value
    )


def _lookup(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name, default = match.groups()
    found = variables.get(name, os.environ.get(name, default))
    if found is None:
        raise KeyError(name)
    return found
