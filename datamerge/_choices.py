"""Arguments with a closed set of values: say what is allowed and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def one_of(name: str, value: Any, allowed: Iterable[Any]) -> None:
    """Raise unless ``value`` is one of those allowed, naming the nearest."""
    choices = list(allowed)
    if value in choices:
        return
    known = ", ".join(repr(choice) for choice in choices)
    raise ValueError(f"{name}={value!r} is not known{nearest(value, choices)}; allowed: {known}")


def nearest(value: Any, choices: Iterable[Any]) -> str:
    """`` (did you mean 'x'?)`` for the choice most like a value, or nothing."""
    names = [choice for choice in choices if isinstance(choice, str)]
    close = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def names(argument: str, value: str | Iterable[str]) -> tuple[str, ...]:
    """One name or several as a tuple; raise where there is none, or something else."""
    given = (value,) if isinstance(value, str) else tuple(value)
    if not given or not all(isinstance(name, str) and name for name in given):
        raise ValueError(f"{argument}={value!r} must be a name or a list of names, not empty")
    return given
