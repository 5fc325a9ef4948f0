"""Runs that are to meet with faults: what they read, what they make in peace, and where."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dask
from processes import Process

import datamerge as dm
from datamerge import recipe
from datamerge.compute.progress import Progress

SAMPLE = Path(dm.__file__).parent / "assets" / "sample"
ROWS = 1000
BEGINNING = """
sources:
  - {{path: {sample}/sharegpt.jsonl, blocksize: 40kB}}
  - {{path: {sample}/openai.jsonl, blocksize: 40kB}}
  - {{path: {folder}/many.jsonl, blocksize: 40kB}}
steps:
  - clean.unicode
  - filters.language: [en]
  - filters.phrases: refusals
  - dedup.exact
"""


def talk_of(line: str) -> list[dict[str, str]] | None:
    """Question and answer of a record, if it is in order."""
    try:
        talk = json.loads(line)["conversations"]
        return talk if all(isinstance(turn["value"], str) for turn in talk[:2]) else None
    except (ValueError, KeyError, TypeError):
        return None


def write_many(path: Path) -> None:
    """Real chats, many times over, each with a few words of another in it."""
    talks = [talk for talk in map(talk_of, (SAMPLE / "sharegpt.jsonl").open()) if talk]
    drawn = random.Random(7)
    with path.open("w") as file:
        for _ in range(ROWS):
            one, other = drawn.choice(talks), drawn.choice(talks)
            words = other[-1]["value"].split()
            start = drawn.randrange(max(1, len(words) - 6))
            answer = f"{one[-1]['value']} {' '.join(words[start : start + drawn.randrange(6)])}"
            chat = {"conversations": [one[0], {"from": "gpt", "value": answer}]}
            file.write(json.dumps(chat) + "\n")


@dataclass
class Case:
    """A recipe, what it makes in peace, and where to make it again."""

    recipe: Path
    peace: Path
    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def environment(self) -> dict[str, str]:
        return {"DATAMERGE_WORKDIR": str(self.work)}

    def run(self) -> None:
        recipe.run(recipe.load(self.recipe), self.out)

    def cli(self, *arguments: object, out: Path | None = None, **environment: str) -> Process:
        given = [
            "run",
            self.recipe,
            "--out",
            out or self.out,
            *(arguments or ["--cluster", "none"]),
        ]
        return Process("datamerge.cli", *map(str, given), **self.environment, **environment)

    def check(self, out: Path | None = None) -> None:
        """It is what is made in peace, byte for byte."""
        assert content(out or self.out) == content(self.peace)
        assert not (self.out / ".run").exists()


def content(out: Path) -> dict[str, bytes]:
    """All files but for the notes of the run itself."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.name != ".run.json"
    }


def in_peace(folder: Path, steps: str) -> tuple[Path, Path]:
    """A recipe that ends in these steps, and its output by threads of this process."""
    write_many(folder / "many.jsonl")
    (folder / "recipe.yaml").write_text(BEGINNING.format(sample=SAMPLE, folder=folder) + steps)
    with dask.config.set({"datamerge.workdir": str(folder / "work"), "scheduler": "threads"}):
        recipe.run(recipe.load(folder / "recipe.yaml"), folder / "out")
    return folder / "recipe.yaml", folder / "out"


@contextmanager
def disturbed(peace: tuple[Path, Path], folder: Path) -> Iterator[Case]:
    """The same in another folder, with settings of its own; nothing waits long for what is gone."""
    made = Case(*peace, folder)
    settings = {
        "datamerge.workdir": str(made.work),
        "scheduler": None,
        "distributed.comm.timeouts.connect": "3s",
    }
    with dask.config.set(settings):
        yield made


class At:
    """A reporter that does something once in each of some stages, when so many parts are done."""

    def __init__(self, stages: dict[str, int], act: Callable[[], None]):
        self.left, self.act = dict(stages), act
        self.done: list[str] = []

    def __call__(self, progress: Progress) -> None:
        if progress.stage in self.left and progress.done >= self.left[progress.stage]:
            del self.left[progress.stage]
            self.done.append(progress.stage)
            self.act()
