"""One finder on one frame, and where what it finds is kept; or what another run has kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from dask.tokenize import tokenize

from ... import workdir
from ..._backend import as_pandas
from ...compute.memory import give_back
from ..compared.against import identity, told
from .kept import LAYOUT, Evidence, exists, load


class Finder(Protocol):
    """Finds pairs of rows; fields of its own say how."""

    @property
    def how(self) -> str:
        """Its name."""
        ...

    @property
    def word(self) -> str:
        """What its score is called."""
        ...

    @property
    def text(self) -> str | None:
        """What it compares, where it is text."""
        ...

    @property
    def floor(self) -> float:
        """The least score of a pair that is kept."""
        ...

    def find(self, df: Any, folder: Path, against: Any = None) -> Any:
        """Find the pairs and keep them in the folder; returns the frame to mark."""
        ...

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the step was called with."""
        ...


class Search:
    """A finder's search of a frame: done when the evidence is first asked for."""

    def __init__(self, df: Any, finder: Finder, against: Any = None):
        self.given, self.df = df, as_pandas(df)
        self.finder, self.against = finder, against
        self.kept: Any = None

    @cached_property
    def frame(self) -> str:
        """The name of the frame."""
        return str(self.df._name) if hasattr(self.df, "_name") else tokenize(self.df)

    @cached_property
    def rival(self) -> str | None:
        """What tells what is compared against from something else."""
        return None if self.against is None else identity(self.against)

    @property
    def place(self) -> str | None:
        """What is compared against, in words."""
        return None if self.against is None else told(self.against)

    @property
    def key(self) -> str:
        """What tells this search from others."""
        return self.folder.name

    @cached_property
    def stamp(self) -> tuple[str, ...]:
        """What tells apart states of the world beside the frame, where a finder looks at it."""
        make = getattr(self.finder, "stamp", None)
        return () if make is None else (make(self.df, self.against),)

    @property
    def folder(self) -> Path:
        """Where the evidence is kept."""
        rival = () if self.rival is None else (self.rival,)
        return workdir.place("pairs", LAYOUT, self.frame, self.finder, *rival, *self.stamp)

    @property
    def done(self) -> bool:
        """Whether the evidence is known to be there."""
        known = "stamp" in vars(self) or not hasattr(self.finder, "stamp")
        return known and exists(self.folder)

    def find(self) -> None:
        """Find the pairs, if they are not found yet."""
        if not exists(self.folder):
            self.kept = self.finder.find(self.df, self.folder, self.against)
            give_back()

    @property
    def evidence(self) -> Evidence:
        """What was found; found now, if it is not yet."""
        self.find()
        return load(self.folder)

    @property
    def about(self) -> dict[str, Any]:
        """What is to be known of the finder without it."""
        finder = self.finder
        return {"how": finder.how, "word": finder.word, "text": finder.text, "floor": finder.floor}

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the finder was called with."""
        given = self.finder.arguments(threshold)
        return given if self.against is None else given | {"against": _plain(self.against)}


@dataclass(frozen=True)
class Saved:
    """A search that was saved: its evidence, without the frame and the finder."""

    folder: Path
    frame: str
    key: str
    about: Mapping[str, Any]
    given: Mapping[str, Any]
    rival: str | None
    place: str | None

    df = kept = None
    done = True

    def find(self) -> None:
        """Nothing to do."""

    @property
    def evidence(self) -> Evidence:
        """What was found."""
        return load(self.folder)

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the finder was called with."""
        return {**self.given, **({"threshold": threshold} if "threshold" in self.given else {})}


Layer = tuple[str, Search | Saved, float]  # its name, what was found, and the threshold


def _plain(against: Any) -> Any:
    """What is compared against, as a recipe can say it."""
    if isinstance(against, list | tuple):
        return [_plain(one) for one in against]
    return told(against)


def named(layers: Sequence[Layer]) -> list[Layer]:
    """The layers, each under the name of its finder; a second one of a kind gets a number."""
    counts: dict[str, int] = {}
    found: list[Layer] = []
    for _, search, threshold in layers:
        how = str(search.about["how"])
        counts[how] = counts.get(how, 0) + 1
        found.append((how if counts[how] == 1 else f"{how}_{counts[how]}", search, threshold))
    return found


def moved(
    layers: Sequence[Layer], threshold: float | None, thresholds: Mapping[str, float]
) -> list[Layer]:
    """The layers under other thresholds: one for the only layer, or some by name."""
    names = [name for name, _, _ in layers]
    if threshold is not None:
        if thresholds or len(layers) > 1:
            wanted = ", ".join(f"{name}=…" for name in names)
            raise ValueError(f"say which finder's threshold: at({wanted})")
        thresholds = {names[0]: threshold}
    for name in thresholds:
        if name not in names:
            raise ValueError(f"no finder {name!r}; there are {', '.join(names)}")
    return [(name, search, _above(search, thresholds.get(name, v))) for name, search, v in layers]


def _above(search: Search | Saved, value: float) -> float:
    """A threshold, if it is one that pairs were kept for."""
    floor = search.about["floor"]
    if not floor <= value <= 1:
        raise ValueError(
            f"threshold={value} is outside [{floor:g}, 1]: pairs were kept "
            "down to the floor; find them again with a lower floor="
        )
    return value
