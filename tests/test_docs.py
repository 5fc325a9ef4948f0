"""What README and the pages show is what happens: their code runs, their output is compared."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import dask
import pytest

from datamerge import cli, recipe
from datamerge.compute import client

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOT_RUN = re.compile(r"<!-- not run: \S.*-->\s*$")
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.M | re.S
)
LINK = re.compile(
    r"\]\((?!https?:|#)([^)\s#]+)(#[^)\s]*)?\)|(?:src|srcset)=\"(?!https?:)([^\"]+)\""
)
LIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and body, the line it begins on, the output shown below it."""

    language: str
    body: str
    line: int
    shown: str | None


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page that are meant to be tried."""
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    for match, after in zip_longest(found, found[1:]):
        if NOT_RUN.search(text[: match.start()]):
            continue
        below = after is not None and not text[match.end() : after.start()].strip()
        shown = after["body"] if below and after["language"] == "text" else None
        line = text.count("\n", 0, match.start()) + 2
        yield Block(match["language"], match["body"], line, shown)


def of(language: str) -> list[Path]:
    return [page for page in PAGES if any(block.language == language for block in blocks(page))]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with two data sets in it, settings that are forgotten, no cluster left behind."""
    monkeypatch.chdir(tmp_path)
    sample = ROOT / "datamerge" / "assets" / "sample"
    for file, source in {
        "chats/2026.jsonl": "sharegpt.jsonl",
        "alpaca.json": "alpaca.json",
    }.items():
        Path(file).parent.mkdir(exist_ok=True)
        shutil.copy(sample / source, file)
    # Another test may have left an IPython shell here, which is told of progress and addresses.
    monkeypatch.delattr(sys, "ps1", raising=False)
    with dask.config.set(
        {"datamerge.workdir": str(tmp_path / "work"), "datamerge.progress": False}
    ):
        yield
    if (running := client()) is not None:
        own = running.cluster
        running.close()
        if own is not None:
            own.close()


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("page", of("python"), ids=name)
def test_code_runs_and_prints_what_is_shown(page: Path) -> None:
    scope = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language != "python":
            continue
        code = compile("\n" * (block.line - 1) + block.body, str(page), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, scope)
        if block.shown is not None:
            same = doctest.OutputChecker().check_output(block.shown, printed.getvalue(), LIKE)
            where = f"{name(page)}:{block.line}"
            assert same, f"{where} shows\n{block.shown}\nand prints\n{printed.getvalue()}"


@pytest.mark.parametrize("page", of("yaml"), ids=name)
def test_recipes_are_right(page: Path) -> None:
    for block in blocks(page):
        if block.language == "yaml" and re.search(r"^sources:", block.body, re.M):
            recipe.loads(block.body, {"DATA": "data"})


@pytest.mark.parametrize("page", of("bash"), ids=name)
def test_commands_are_known(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for block in blocks(page):
        for line in block.body.splitlines() if block.language == "bash" else ():
            words = shlex.split(line, comments=True)
            if words[:1] == ["make"]:
                assert {word for word in words[1:] if "=" not in word} <= targets, line
            elif words and Path(words[0]).name == "datamerge":
                cli._parser().parse_args(words[1:])  # exits where it does not know them


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for match in LINK.finditer(text):
        target = match[1] or match[3]
        assert (page.parent / target).exists(), f"{name(page)} links to {target}"
