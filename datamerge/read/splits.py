"""Which files of a data set are meant: its configurations, splits and named files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import PurePosixPath

_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_CALLED = {word: split for split, words in _WORDS.items() for word in words}
_WORD = re.compile(rf"(?:^|(?<=[/._-]))({'|'.join(_CALLED)})(?=[/._-])", re.IGNORECASE)
_NUMBERED = re.compile(r"(.+)-\d{5}-of-\d{5}")


def matching(names: Sequence[str], patterns: str | Sequence[str]) -> list[str]:
    """The names that match any of the patterns, each of which must match something."""
    chosen: list[str] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        found = [name for name in names if fnmatch(name, pattern)]
        if not found:
            raise FileNotFoundError(f"data_files {pattern!r} matches nothing there")
        chosen += found
    return list(dict.fromkeys(chosen))


def configured(names: Sequence[str], configuration: str | None) -> list[str]:
    """The files in the folder of a Hub data set's configuration; all where it has none."""
    inside = [name for name in names if f"/{configuration}/" in f"/{name}"]
    return inside or list(names)


def of_split(names: Sequence[str], split: str) -> list[str]:
    """The files of one split."""
    wanted = _CALLED.get(split.lower(), split.lower())
    found = [name for name in names if split_of(name) == wanted]
    if not found:
        there = sorted({known for name in names if (known := split_of(name))})
        raise FileNotFoundError(f"split={split!r}: no file of that split; there are {there}")
    return found


def training(names: Sequence[str]) -> list[str]:
    """The files of ``train``; else of splits such as ``train_sft``; else all."""
    splits = {name: split_of(name) or "" for name in names}
    exact = [name for name in names if splits[name] == "train"]
    alike = [name for name in names if splits[name].startswith("train_")]
    return exact or alike or list(names)


def split_of(name: str) -> str | None:
    """The split that a file's name tells.

    >>> split_of("data/train_sft-00000-of-00003.parquet"), split_of("dev.jsonl"), split_of("a.json")
    ('train_sft', 'validation', None)
    """
    numbered = _NUMBERED.match(PurePosixPath(name).name)
    if numbered:
        return _CALLED.get(numbered[1].lower(), numbered[1].lower())
    words = _WORD.findall(name)
    return _CALLED[words[-1].lower()] if words else None
