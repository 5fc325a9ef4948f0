"""What a partition is made from: one hash of all the work behind it, whatever it stands beside.

The name of a lazy frame tells all of it from others; with one more source every partition has
another name. The hash of the tasks behind one partition stays: the file it is read from, as it
is now, the steps, and their arguments.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
from dask._task_spec import Alias, DataNode, Task, TaskRef
from dask.tokenize import tokenize


class Origins:
    """Hashes of results by what makes them: functions and values, without the names of tasks.

    Examples
    --------
    >>> one = Origins({"a": Task("a", int, "1"), "b": Task("b", abs, TaskRef("a"))})
    >>> two = Origins({"x": Task("x", int, "1"), "y": Task("y", abs, TaskRef("x"))})
    >>> one.of("b") == two.of("y"), one.of("a") == one.of("b")
    (True, False)
    """

    def __init__(self, tasks: Mapping[Any, Any]):
        self._tasks = tasks
        self._hashes: dict[Any, str] = {}
        # Steps and metas are shared by many tasks, and may be large.
        self._tokens: dict[int, tuple[Any, str]] = {}

    def of(self, key: Any) -> str:
        """The hash of one result."""
        waiting = [key]
        while waiting:
            task = self._tasks[waiting[-1]]
            first = [one for one in task.dependencies if one not in self._hashes]
            if first:
                waiting += first
            else:
                self._hashes[waiting.pop()] = self._hash(task)
        return self._hashes[key]

    def _hash(self, task: Any) -> str:
        if isinstance(task, Alias):
            return self._hashes[task.target]
        return hashlib.blake2b(repr(self._told(task)).encode(), digest_size=16).hexdigest()

    def _told(self, value: Any) -> Any:
        """Functions and plain values by their token, other results by their hash."""
        if isinstance(value, TaskRef):
            return self._hashes[value.key]
        if isinstance(value, Alias):
            return self._hashes[value.target]
        if isinstance(value, DataNode):
            return self._token(value.value)
        if isinstance(value, Task):
            named = [(name, self._told(one)) for name, one in value.kwargs.items()]
            given = [self._told(one) for one in value.args]
            return (type(value).__name__, self._token(value.func), given, named)
        return self._token(value)

    def _token(self, value: Any) -> str:
        held = self._tokens.get(id(value))
        if held is None:
            held = self._tokens[id(value)] = (value, _named(value))
        return held[1]


def _named(value: Any) -> str:
    if isinstance(value, pd.DataFrame) and not len(value):
        # The meta of a step. Its index differs with the number of sources, and nobody asks for it.
        return tokenize(list(value.columns), list(map(str, value.dtypes)))
    return tokenize(value, written_in(value))


def written_in(value: Any) -> list[str]:
    """Hashes of the files in which functions of the user's own are written.

    A function in a module is known to Dask by its name: with another body it would be the same.
    """
    found = {_file(module) for module in _modules(value)}
    return sorted(one for one in found if one)


def _modules(value: Any) -> Iterator[str]:
    """The modules of functions, and of those that objects hold in their fields."""
    if isinstance(value, partial):
        yield from _modules(value.func)
    elif is_dataclass(value):
        yield type(value).__module__
        for field in fields(value):
            yield from _modules(getattr(value, field.name))
    elif callable(value):
        yield getattr(value, "__module__", None) or type(value).__module__


def _file(module: str) -> str:
    name = module.partition(".")[0]
    path = getattr(sys.modules.get(module), "__file__", None)
    # Dask tells functions of __main__ by their code; ours are told by `workdir.made_by`.
    if path is None or name in ("__main__", "datamerge", *sys.stdlib_module_names):
        return ""
    try:
        return _content(path, Path(path).stat().st_mtime_ns)
    except OSError:
        return ""


@lru_cache(maxsize=64)
def _content(path: str, _changed: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
