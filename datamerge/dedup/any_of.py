"""Several finders on one frame, as a recipe names them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from .._choices import nearest
from .duplicates import Duplicates


def any_of(df: Any, finders: Sequence[Any], *, against: Any = None) -> Duplicates:
    """Find rows that any of these finders calls duplicates.

    The same as ``exact(df) | semantic(df, threshold=0.95)``, for recipes. One decision is made
    of all: no two kept rows are duplicates to any of the finders, and every removed row has
    a kept witness. A row is marked with the reason of the first finder that names one.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        As for the finders.
    finders : list of names, or of mappings of one name to its arguments
        Functions of ``datamerge.dedup``, in order.
    against : optional
        What to compare with, for every finder that is not given something of its own.

    Returns
    -------
    Duplicates
        Lazy.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read(["a b c d", "A b c  d", "a b c d e"], name="letters")
    >>> dups = dm.dedup.any_of(df, ["exact", {"jaccard": {"threshold": 0.6, "ngram": 2}}])
    >>> dups.mark().compute()["drop_detail"].tolist()
    [<NA>, 'same text as letters#0', 'jaccard 0.750000 to letters#0']
    """
    shared = {} if against is None else {"against": against}
    return reduce(or_, (finder(df, **shared | given) for finder, given in chosen(finders)))


def chosen(finders: Sequence[Any]) -> list[tuple[Callable[..., Duplicates], dict[str, Any]]]:
    """The functions that are named, each with its arguments; raises ValueError for others."""
    from .. import dedup

    if not isinstance(finders, list | tuple) or not finders:
        raise ValueError(f"finders={finders!r}; it is a list of finders, such as [exact, semantic]")
    known = {name: getattr(dedup, name) for name in _names(vars(dedup))}
    found = []
    for one in finders:
        name, given = named(one)
        if name not in known:
            raise ValueError(
                f"no finder {name!r}{nearest(name, known)}; finders are {', '.join(known)}"
            )
        for argument in given:
            takes = list(inspect.signature(known[name]).parameters)[1:]
            if argument not in takes:
                raise ValueError(
                    f"{name} has no argument {argument!r}{nearest(argument, takes)}; it takes "
                    + ", ".join(takes)
                )
        found.append((known[name], given))
    return found


def named(one: Any) -> tuple[str, dict[str, Any]]:
    """A finder's name and arguments."""
    if isinstance(one, str):
        return one, {}
    if isinstance(one, Mapping) and len(one) == 1:
        ((name, given),) = one.items()
        if given is None or isinstance(given, Mapping):
            return str(name), dict(given or {})
    raise ValueError(f"{one!r} is no finder: it is a name, or one name with its arguments")


def _names(room: Mapping[str, Any]) -> Iterable[str]:
    """The functions that find duplicates in a frame."""
    for name in sorted(room):
        value = room[name]
        if name.startswith("_") or not inspect.isfunction(value) or value is any_of:
            continue
        if next(iter(inspect.signature(value).parameters), None) == "df":
            yield name
