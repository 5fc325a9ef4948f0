"""Decisions by hand in their file: written at once, and taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ...dedup.deciding import by_hand
from ...dedup.deciding.by_hand import Made

UNDONE = 1_000  # decisions that can be taken back


class Written:
    """The decisions as they are on disk, and as they were before."""

    def __init__(self, path: Path, made: tuple[Made, ...]):
        self.path, self.made = path, made
        self.undone: list[tuple[Made, ...]] = []
        self._stamp = _stamp(path)

    def move(self, path: Path) -> None:
        """Go on in another file."""
        if path.exists() and path != self.path:
            raise FileExistsError(
                f"{path} is there: explore.duplicates(dups, path) goes on with it"
            )
        by_hand.write(path, self.made)
        self.path, self._stamp = path, _stamp(path)

    def decide(self, made: tuple[Made, ...]) -> None:
        """Other decisions; these can be undone."""
        before = self.made
        self._write(made)
        self.undone = [*self.undone, before][-UNDONE:]

    def undo(self) -> bool:
        """Take the last change back; tells whether there was one."""
        if not self.undone:
            return False
        self._write(self.undone[-1])
        self.undone.pop()
        return True

    def _write(self, made: tuple[Made, ...]) -> None:
        """Write decisions down first: what can't be written has not been decided."""
        if _stamp(self.path) != self._stamp:
            raise OSError(f"{self.path} was changed by someone else: open the explorer again")
        by_hand.write(self.path, made)
        self._stamp = _stamp(self.path)
        self.made = made


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What changes with a file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def told(made: Iterable[Made]) -> tuple[Any, ...]:
    """Decisions as plain tuples; the fourth place only for rows compared against."""
    return tuple(
        (one.decision, one.id, one.other, True) if one.against else
        (one.decision, one.id, one.other)
        for one in made
    )  # fmt: skip


def taken(given: Iterable[Any]) -> tuple[Made, ...]:
    """Decisions of tuples; a ValueError or TypeError tells what is wrong with them."""
    records = [dict(zip(by_hand.COLUMNS, one, strict=False)) for one in given]
    return by_hand.checked(records, "decisions")


def changed(made: Sequence[Made], one: Made) -> tuple[Made, ...]:
    """The decisions with one more; the same one again is taken back, its contrary goes."""
    if one in made:
        return tuple(held for held in made if held != one)
    if one.decision == "distinct":
        pair = {(one.id, one.other), (one.other, one.id)}
        held = [m for m in made if m.against != one.against or (m.id, m.other) not in pair]
    else:
        held = [m for m in made if m.decision == "distinct" or m.id != one.id]
    return (*held, one)
