"""Duplicates as a folder of their own: no frame, no encoder and no work directory needed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from ..._version import __version__
from .kept import making, sound
from .search import Layer, Saved

LAYOUT = 1
_NAME = "duplicates.json"
_WHAT = "datamerge duplicates"


def save(folder: Path, layers: Sequence[Layer]) -> None:
    """Copy the evidence of all layers; a folder that holds something else is not touched."""
    if folder.exists() and not (folder / _NAME).exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} holds something else than saved duplicates")
    notes: list[dict[str, Any]] = []
    found = [search.evidence for _, search, _ in layers]  # before anything is written
    with making(folder.absolute()) as temporary:
        for (name, search, threshold), _ in zip(layers, found, strict=True):
            shutil.copytree(search.folder, temporary / name)
            notes.append(
                {
                    "name": name,
                    "threshold": threshold,
                    "frame": search.frame,
                    "key": search.key,
                    "about": dict(search.about),
                    "given": search.arguments(threshold),
                    "rival": search.rival,
                    "place": search.place,
                }
            )
        whole = {"what": _WHAT, "layout": LAYOUT, "datamerge": __version__, "layers": notes}
        (temporary / _NAME).write_bytes(orjson.dumps(whole, option=orjson.OPT_INDENT_2))


def load(folder: Path) -> list[Layer]:
    """The layers of a folder; raises ValueError where it is not such a folder, or damaged."""
    try:
        whole = orjson.loads((folder / _NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{folder} holds no saved duplicates: there is no {_NAME} in it") from None
    except orjson.JSONDecodeError as error:
        raise _damaged(folder, f"{_NAME} is not JSON: {error}") from None
    if not isinstance(whole, dict) or whole.get("what") != _WHAT:
        raise ValueError(f"{folder} holds no saved duplicates: {_NAME} is of something else")
    if whole.get("layout") != LAYOUT:
        raise ValueError(
            f"{folder} was saved by datamerge {whole.get('datamerge')}, in a layout that "
            f"{__version__} does not read"
        )
    try:
        layers = [_layer(folder, notes) for notes in whole["layers"]]
    except (KeyError, TypeError, ValueError, AttributeError, OSError, pa.ArrowException) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from None
    if not layers:
        raise _damaged(folder, "no finder is named")
    return layers


def _layer(folder: Path, notes: dict[str, Any]) -> Layer:
    name, about = str(notes["name"]), dict(notes["about"])
    path = folder / name
    if path.parent != folder or name.startswith("."):
        raise ValueError(f"odd name {name!r}")
    search = Saved(
        path, notes["frame"], notes["key"], about, dict(notes["given"]), notes["rival"],
        notes["place"],
    )  # fmt: skip
    found = search.evidence
    if about["how"] != found.how or not sound(found):
        raise ValueError(f"{name}: the arrays do not fit each other")
    if not float(about["floor"]) <= float(notes["threshold"]) <= 1:
        raise ValueError(f"{name}: odd threshold")
    return name, search, float(notes["threshold"])


def _damaged(folder: Path, what: str) -> ValueError:
    return ValueError(f"{folder} holds saved duplicates, but is damaged: {what}")
