"""What a folder holds, or is to hold when a run that was cut short has gone on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import orjson
from dask.utils import format_bytes

from ..write.target import Target

RUN = ".run.json"  # which run made the folder, or is making it, and what it made
_OWN = ("data", "removed", "malformed", "pairs", ".run")
_FILES = ("ledger.json", "README.md", "recipe.yaml", RUN)


@dataclass(frozen=True)
class Resplit:
    """What :func:`resplit` made.

    Attributes
    ----------
    path : str
        The folder.
    rows : int
        Rows, all of them.
    before : int
        How many files there were.
    sizes : dict of str to int
        The bytes of each file, by its name in the folder, in the order of the rows.
    """

    path: str
    rows: int
    before: int
    sizes: dict[str, int]

    def __repr__(self) -> str:
        low, high = (format_bytes(f(self.sizes.values())) for f in (min, max))
        files = f"{self.before:,} {'file' if self.before == 1 else 'files'}"
        return (
            f"<Resplit: {self.rows:,} rows of {files} in {len(self.sizes):,}, "
            f"{low if low == high else f'{low} to {high}'} each: {self.path}>"
        )


def claim(target: Target, run: str, overwrite: bool) -> Resplit | None:
    """Make the folder this run's own; returns what it made where it is finished already."""
    fs, root = target.fs, target.root
    begun = _noted(target)
    if begun.get("run") == run:
        made: dict[str, Any] = begun.get("made", {})
        sizes = made.get("sizes", {})
        whole = made and all(_size(target, name) == size for name, size in sizes.items())
        return Resplit(**made | {"path": target.path}) if whole else None
    if fs.exists(root) and fs.ls(root):
        if not overwrite:
            raise FileExistsError(f"{target.path} is not empty; overwrite=True replaces a run's")
        for name in (*_OWN, *_FILES):
            if fs.exists(f"{root}/{name}"):
                fs.rm(f"{root}/{name}", recursive=True)
    _note(target, {"run": run})
    return None


def _size(target: Target, name: str) -> int | None:
    path = f"{target.root}/{name}"
    return int(target.fs.size(path)) if target.fs.exists(path) else None


def _noted(target: Target) -> dict[str, Any]:
    try:
        noted: dict[str, Any] = orjson.loads(target.fs.cat_file(f"{target.root}/{RUN}"))
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return noted


def _note(target: Target, what: dict[str, Any]) -> None:
    with target.replacing(RUN) as file:
        file.write(orjson.dumps(what))


def finished(target: Target, run: str, made: Resplit) -> None:
    """Note what was made, and remove what a crash may have left half written."""
    target.settle()
    _note(target, {"run": run, "made": asdict(made)})
    target.settle()
    if target.fs.exists(f"{target.root}/.run"):
        target.fs.rm(f"{target.root}/.run", recursive=True)
