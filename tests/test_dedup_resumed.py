"""A search that is killed goes on where it stopped, and ends as one that nobody disturbed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
import resumed
from processes import Process

from datamerge.workdir import sealed

# What a stage of a search leaves in its folder.
LEFT = {
    ("jaccard", "shingle"): "compared/*.part",
    ("jaccard", "prefix"): "pairs/.*/*/slots-*",
    ("jaccard", "lists"): "pairs/.*/*/lists-*",
    ("jaccard", "compare"): "pairs/.*/*/pairs-*",
    ("grouped", "group"): "pairs/.*/*/groups.*",
    ("grouped", "compare"): "pairs/.*/*/pairs-*",
    ("minhash", "lists"): "pairs/.*/*/lists-*",
    ("minhash", "compare"): "pairs/.*/*/pairs-*",
    ("semantic", "compare"): "pairs/.*/*.pairs",
    ("clustered", "cluster"): "pairs/.*/nearest-*",
    ("clustered", "compare"): "pairs/.*/*.pairs",
}
# Lists of candidates are thinned out in place when all of them are there.
AGAIN = {("minhash", "lists")}


@pytest.fixture(scope="module")
def peace(tmp_path_factory) -> dict[str, dict[str, bytes]]:
    """The evidence of each finder, made in peace and in large shares; made when asked for."""
    return Peace(tmp_path_factory.mktemp("peace"))


class Peace(dict):
    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder
        resumed.write(folder / "texts.jsonl")

    def __missing__(self, finder: str) -> dict[str, bytes]:
        work = str(self.folder / finder)
        with dask.config.set({"datamerge.workdir": work}), pytest.MonkeyPatch.context() as patch:
            if finder in ("grouped", "semantic", "clustered"):
                resumed.small(finder, patch.setattr)
            self[finder] = content(resumed.search(self.folder, finder))
        return self[finder]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def case(tmp_path) -> Iterator[Path]:
    resumed.write(tmp_path / "texts.jsonl")
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield tmp_path


def killed(folder: Path, finder: str, stage: str) -> dict[str, int]:
    """A process of its own, killed in this stage; what it leaves of it."""
    work = {"DATAMERGE_WORKDIR": str(folder / "work"), "PYTHONPATH": path_of_tests()}
    process = Process("resumed", str(folder), finder, stage, **work)
    assert process.wait() == -signal.SIGKILL, "".join(process.said)
    assert not list((folder / "work" / "pairs").glob("[!.]*"))
    left = (folder / "work").glob(LEFT[finder, stage])
    return {path.name: path.stat().st_ino for path in left if sealed.is_whole(path)}


def path_of_tests() -> str:
    here = str(Path(__file__).parent)
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """The names of sealed files that are made from now on."""
    found: list[str] = []
    writing = sealed.writing

    def noted(path, note=None):
        found.append(path.name)
        return writing(path, note)

    monkeypatch.setattr(sealed, "writing", noted)
    return found


@pytest.mark.parametrize(("finder", "stage"), LEFT)
def test_a_killed_search_goes_on(finder, stage, case, made, monkeypatch, peace):
    left = killed(case, finder, stage)
    assert left
    resumed.small(finder, monkeypatch.setattr)
    with dask.config.set({"scheduler": "threads"}):
        evidence = resumed.search(case, finder)
    assert made and (not left.keys() & set(made) or (finder, stage) in AGAIN)
    assert content(evidence) == peace[finder]
    assert not list((case / "work" / "pairs").glob(".*"))


@pytest.mark.parametrize(
    ("finder", "how"), [("jaccard", "cut"), ("jaccard", "flipped"), ("clustered", "empty")]
)
def test_what_a_power_cut_has_left_is_made_again(finder, how, case, made, monkeypatch, peace):
    left = sorted(killed(case, finder, "compare"))
    for path in (case / "work").glob(LEFT[finder, "compare"]):
        kept = bytearray(path.read_bytes())
        if how == "flipped":
            kept[len(kept) // 3] ^= 1
        path.write_bytes({"cut": kept[:-5], "flipped": kept, "empty": b""}[how])
    resumed.small(finder, monkeypatch.setattr)
    assert content(resumed.search(case, finder)) == peace[finder]
    assert set(left) <= set(made)


@pytest.mark.parametrize("finder", ["semantic", "jaccard"])
def test_shares_cut_otherwise_are_others(finder, case, monkeypatch, peace):
    """With another room, or a cluster of another kind, a number may stand for other rows."""
    assert killed(case, finder, "compare")
    with dask.config.set({"datamerge.room": "50 B"}):  # and the shares are large ones
        assert content(resumed.search(case, finder)) == peace[finder]


def test_what_is_refused_leaves_nothing(case, monkeypatch):
    resumed.small("grouped", monkeypatch.setattr)
    monkeypatch.setattr(resumed.setjoin, "MOST_PAIRS", 10)
    monkeypatch.setattr(resumed.setjoin, "LEAST_BUDGET", 5)
    with pytest.raises(ValueError, match="too many to keep"):
        resumed.search(case, "jaccard")
    assert not list((case / "work" / "pairs").glob(".*"))
    shutil.rmtree(case / "work")
