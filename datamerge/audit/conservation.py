"""Rows read are rows kept, removed or malformed: none is lost, none is made."""

from __future__ import annotations

from collections.abc import Mapping


class ConservationError(AssertionError):
    """Rows were lost or made between reading and writing."""


def conserved(before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Raise unless every source has as many rows after as before.

    >>> conserved({"a": 2}, {"a": 1})
    Traceback (most recent call last):
    ...
    datamerge.audit.conservation.ConservationError: source 'a': 2 rows were read, 1 arrived; ...
    """
    for source in sorted({*before, *after}):
        read, arrived = before.get(source, 0), after.get(source, 0)
        if read != arrived:
            raise ConservationError(
                f"source {source!r}: {read} rows were read, {arrived} arrived; a step between "
                "drops or adds rows itself. Mark them (audit.mark) instead of dropping them."
            )
