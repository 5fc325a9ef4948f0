"""What a run has written so far, noted beside it: the tally of each part, and its files.

Notes are trusted as far as the files they tell of are there with the length they had. While a
run goes on its notes are in ``.run``; of a finished one they are in ``.run.json``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import xxhash

from .._merge_card import FOLDERS
from .target import Files, Target

RUN = ".run.json"  # which run the folder holds, or is being made; when it is finished, its notes
MERGED = ".run/merged.json"
_CHUNK = 1 << 22


@dataclass
class Notes:
    """The notes of a run: of its parts and leaves by number, and of the files in place of parts."""

    parts: dict[int, dict[str, Any]] = field(default_factory=dict)
    leaves: dict[int, dict[str, int]] = field(default_factory=dict)
    merged: Files = field(default_factory=dict)

    @property
    def files(self) -> Files:
        """All files there should be, but for the evidence and what is said about the run."""
        files = {name: told for part in self.parts.values() for name, told in part["files"].items()}
        if self.merged:
            files = {n: told for n, told in files.items() if not n.startswith("data/")}
        return files | self.merged

    def to_dict(self, run: str, evidence: Files) -> dict[str, Any]:
        """For ``.run.json``."""
        parts = {str(number): part for number, part in self.parts.items()}
        leaves = {str(number): rows for number, rows in self.leaves.items()}
        files = {"merged": self.merged, "evidence": evidence}
        return {"run": run, "parts": parts, "leaves": leaves, **files}


def begun(target: Target) -> dict[str, Any] | None:
    """What the folder says of the run that it holds, or is to hold."""
    return read(target, RUN)


def read(target: Target, name: str) -> dict[str, Any] | None:
    """A JSON file of the folder; None where it is absent, or cut short."""
    try:
        found = orjson.loads(target.fs.cat_file(f"{target.root}/{name}"))
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def save(target: Target, name: str, what: Mapping[str, Any]) -> None:
    """Write a JSON file of the folder."""
    with target.replacing(name) as file:
        file.write(orjson.dumps(what, option=orjson.OPT_SORT_KEYS))


def so_far(target: Target) -> Notes:
    """The notes of an unfinished run, those alone whose files are there."""
    ended = begun(target) or {}
    notes = Notes(
        {int(number): part for number, part in ended.get("parts", {}).items()},
        {int(number): rows for number, rows in ended.get("leaves", {}).items()},
        ended.get("merged", {}),
    )
    notes.parts |= dict(_numbered(target, "part"))
    notes.leaves |= dict(_numbered(target, "leaf"))
    notes.merged = notes.merged or read(target, MERGED) or {}
    there = sizes(target)
    if any(there.get(name) != told[0] for name, told in notes.merged.items()):
        notes.merged = {}
    notes.parts = {
        number: part
        for number, part in notes.parts.items()
        if _is_there(part.get("files"), there, merged=bool(notes.merged))
    }
    return notes


def _is_there(files: Files | None, there: Mapping[str, int], *, merged: bool) -> bool:
    if files is None:
        return False
    needed = {n: told for n, told in files.items() if not (merged and n.startswith("data/"))}
    return all(there.get(name) == told[0] for name, told in needed.items())


def _numbered(target: Target, kind: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for path in target.fs.glob(f"{target.root}/.run/{kind}-*.json"):
        name = path.rpartition("/")[2]
        note = read(target, f".run/{name}")
        if note is not None:
            yield int(name.rpartition("-")[2].removesuffix(".json")), note


def sizes(target: Target) -> dict[str, int]:
    """The lengths of the files that hold rows, by their names in the folder."""
    found: dict[str, int] = {}
    for folder in FOLDERS:
        infos = target.fs.find(f"{target.root}/{folder}", detail=True)
        for path, info in infos.items():
            found[path[path.rindex(f"/{folder}/") + 1 :]] = int(info["size"] or 0)
    return found


def faults(target: Target, *, contents: bool = False) -> list[str]:
    """What is not as the finished run has left it; each in words. Nothing known, nothing told."""
    ended = begun(target) or {}
    if "parts" not in ended:
        return []
    parts = {int(number): part for number, part in ended["parts"].items()}
    wanted = Notes(parts, merged=ended["merged"]).files | ended["evidence"]
    there = sizes(target)
    found = []
    for name, (length, digest) in sorted(wanted.items()):
        if name not in there:
            found.append(f"{name} is missing")
        elif there[name] != length:
            found.append(f"{name} has {there[name]:,} bytes, not {length:,}")
        elif contents and hashed(target, name) != digest:
            found.append(f"{name} has another content")
    return found + [f"{name} is not of this run" for name in strays(there, wanted)]


def strays(there: Mapping[str, int], wanted: Mapping[str, Any]) -> list[str]:
    """Parts that nobody noted: of another run that was replaced, and wrote on."""
    return sorted(name for name in there if "/part-" in name and name not in wanted)


def hashed(target: Target, name: str) -> str:
    """The hash of a file's content."""
    digest = xxhash.xxh3_64()
    with target.fs.open(f"{target.root}/{name}", "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
