"""A step as it stands in a Dask expression, and the lineage that can be read off one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ..workdir.origins import written_in
from .conservation import ConservationError


@dataclass(frozen=True, eq=False)
class Step:
    """One step as it stands in a Dask expression: a partition function that knows its name.

    ``arguments`` are what the user gave, for ledger and recipe; ``reason`` is what the step
    writes into ``drop_reason``, or None for a transform. ``evidence`` are the folders of the
    pairs behind each reason of a step that marks duplicates, which may give several.
    """

    name: str
    run: Callable[[pd.DataFrame], pd.DataFrame] = field(repr=False)  # may hold 500 phrases
    arguments: Mapping[str, Any]
    reason: str | None = None
    is_lookup: bool = False  # cheap enough to be done again rather than kept on disk
    evidence: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every ``drop_reason`` the step may give."""
        return tuple(dict.fromkeys([*([self.reason] if self.reason else []), *self.evidence]))

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        result = self.run(part)
        if len(result) != len(part):
            raise ConservationError(
                f"{self.name}: {len(part)} rows went in, {len(result)} came out"
            )
        return result

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        from dask.tokenize import normalize_token

        told = normalize_token(self.run), written_in(self.run)
        return ("datamerge.Step", self.name, self.reason, *told)


@dataclass(frozen=True)
class Passed:
    """A step a frame has been through, and the sources it was laid over."""

    step: Step
    sources: tuple[str, ...]


def lineage(df: Any) -> list[Passed]:
    """The steps a frame has been through, oldest first, read off its Dask expression.

    Leaves say which ``sources`` they read; a checkpoint also shows the ``lineage`` that made it.
    """
    found: dict[int, Passed] = {}
    beneath: dict[str, set[str]] = {}
    for node in nodes(df):
        sources = set().union(*(beneath[child._name] for child in node.dependencies()))
        for operand in node.operands:
            sources.update(getattr(operand, "sources", ()) if _is_leaf(operand) else ())
        beneath[node._name] = sources
        for operand in node.operands:
            for passed in getattr(operand, "lineage", ()) if _is_leaf(operand) else ():
                found.setdefault(id(passed.step), passed)
            if isinstance(operand, Step):
                found.setdefault(id(operand), Passed(operand, tuple(sorted(sources))))
    return list(found.values())


def sources(df: Any) -> tuple[str, ...]:
    """The sources a frame reads, as far as its leaves tell."""
    leaves = (o for node in nodes(df) for o in node.operands if _is_leaf(o))
    return tuple(sorted({name for leaf in leaves for name in leaf.sources}))


def _is_leaf(operand: Any) -> bool:
    return bool(getattr(operand, "reads_rows", False))


def steps(df: Any) -> list[Step]:
    """The steps a frame has been through, oldest first.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read(["Rain."], name="notes").pipe(dm.clean.unicode).pipe(dm.tokens.count)
    >>> [step.name for step in dm.audit.steps(df)]
    ['clean.unicode', 'tokens.count']
    """
    return [passed.step for passed in lineage(df)]


def nodes(df: Any) -> Iterator[Any]:
    """The nodes of a frame's expression, each once, inputs before users; none for pandas."""
    expr = getattr(df, "expr", None)
    seen: set[str] = set()
    stack = [(expr, False)] if expr is not None else []
    while stack:
        node, entered = stack.pop()
        if entered:
            yield node
        elif node._name not in seen:
            seen.add(node._name)
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.dependencies()))


def unused(reason: str, df: Any, also: Iterable[str] = ()) -> str:
    """The reason, with a number behind it if a step of the frame gives it already."""
    taken = {*also, *(known for step in steps(df) for known in step.reasons)}
    candidate, n = reason, 1
    while candidate in taken:
        n += 1
        candidate = f"{reason}_{n}"
    return candidate
