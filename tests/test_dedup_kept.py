"""What finders make of each partition: kept, and made again only where something has changed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest

import datamerge as dm
from datamerge import workdir
from datamerge.compute.progress import Progress
from datamerge.workdir import arrays, running, sealed

WORDS = ["orchard", "violin", "granite", "meadow", "lantern", "compass", "harbour", "thimble"]
FINDERS: dict[str, Callable[..., Any]] = {
    "exact": dm.dedup.exact,
    "jaccard": partial(dm.dedup.jaccard, threshold=0.7, ngram=2),
    "minhash": partial(dm.dedup.minhash, threshold=0.7, ngram=2),
    "estimates": partial(dm.dedup.minhash, threshold=0.7, ngram=2, verify=False),
}
STAGE = {"exact": "exact", "media": "media"}
finders = pytest.mark.parametrize("finder", FINDERS)


@pytest.fixture(autouse=True)
def work(tmp_path: Path) -> Iterator[Path]:
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield tmp_path / "work"


@pytest.fixture
def totals() -> Iterator[dict[str, int]]:
    """How many tasks each stage had, since this was last cleared."""
    found: dict[str, int] = {}

    def told(progress: Progress) -> None:
        found[progress.stage] = progress.total

    with dask.config.set({"datamerge.reporter": told}):
        yield found


def write(folder: Path, name: str, seed: int, rows: int = 40) -> Path:
    """Lines of a few words, some of them twice or nearly so, also in other files."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, 12)) for _ in range(rows)]
    texts[1::5] = [text.upper() for text in texts[::5]]
    texts[2::5] = [f"{text} more" for text in texts[::5][: len(texts[2::5])]]
    texts[3] = "orchard violin granite meadow lantern compass harbour thimble in every file"
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def read(*paths: Path) -> Any:
    return dm.read(*paths, blocksize="1kB")


def found(dups: Any) -> pd.DataFrame:
    return dups.pairs.sort_values(["id", "other", "how"]).reset_index(drop=True)


def afresh(make: Callable[[], Any], folder: Path) -> Any:
    """What comes of it where nothing is kept."""
    with dask.config.set({"datamerge.workdir": str(folder)}):
        return make()


def kept(work: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (work / "compared").glob("*.part")}


@finders
def test_with_one_more_source_only_its_partitions_are_worked_on(finder, work, tmp_path, totals):
    find, stage = FINDERS[finder], STAGE.get(finder, "shingle")
    one, two = write(tmp_path, "m", 1), write(tmp_path, "b", 2)
    parts, more = (read(path).npartitions for path in (one, two))
    assert parts > 2 and more > 2
    find(read(one))._find()
    assert totals[stage] == parts
    before = kept(work)
    assert len(before) == parts
    totals.clear()
    pairs = found(find(read(one, two)))
    assert totals[stage] == more
    assert kept(work).items() > before.items() and len(kept(work)) == parts + more
    assert pairs.equals(afresh(lambda: found(find(read(one, two))), tmp_path / "other"))
    assert len(pairs) > 5
    totals.clear()
    shutil.rmtree(work / "pairs")
    assert found(find(read(two, one))).equals(pairs)
    assert stage not in totals


@finders
def test_behind_other_finders_too(finder, work, tmp_path, totals):
    """Who removes rows before decides anew with every source; few partitions lose others by it."""
    one, two = write(tmp_path, "b", 1, 80), write(tmp_path, "m", 2)

    def chain(*paths: Path) -> Any:
        df = dm.dedup.exact(read(*paths), normalise="none").mark()
        return FINDERS[finder](df)

    chain(one)._find()
    before = kept(work)
    pairs = found(chain(one, two))
    after = kept(work)
    assert after.items() > before.items()
    assert len(after) - len(before) == 2 * read(two).npartitions
    assert pairs.equals(afresh(lambda: found(chain(one, two)), tmp_path / "other"))
    # A file that comes before takes a row of the first one: its partition has changed.
    first = write(tmp_path, "a", 1)
    pairs = found(chain(first, one))
    assert len(kept(work)) - len(after) > 2 * read(first).npartitions
    assert pairs.equals(afresh(lambda: found(chain(first, one)), tmp_path / "third"))


def test_another_threshold_redoes_nothing(work, tmp_path, totals):
    path = write(tmp_path, "m", 1)
    for finder in ("jaccard", "minhash"):
        FINDERS[finder](read(path), floor=0.4)._find()
    for finder in ("jaccard", "minhash"):
        dups = FINDERS[finder](read(path), floor=0.4)
        totals.clear()
        assert len(dups.at(0.5).decisions()) >= len(dups.decisions()) > 3
        assert not totals
    FINDERS["jaccard"](read(path), floor=0.3)._find()  # beyond the floor: the same sets
    assert "shingle" not in totals and "compare" in totals


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "gone"])
@finders
def test_damaged_files_are_made_again(finder, how, work, tmp_path, totals, capsys):
    path = write(tmp_path, "m", 1)
    pairs = found(FINDERS[finder](read(path)))
    shutil.rmtree(work / "pairs")
    damaged = sorted((work / "compared").glob("*.part"))[1]
    content = damaged.read_bytes()
    damage(damaged, how)
    before = kept(work)
    totals.clear()
    assert found(FINDERS[finder](read(path))).equals(pairs)
    assert totals[STAGE.get(finder, "shingle")] == 1
    assert ("damaged" in capsys.readouterr().err) == (how != "gone")
    assert damaged.read_bytes() == content
    before.pop(damaged.name, None)
    assert kept(work).items() >= before.items()


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "flipped":
        content[len(content) // 3] ^= 1
    kept = {"cut": content[:-9], "flipped": content, "empty": b"", "gone": b""}[how]
    path.unlink()
    if how != "gone":
        path.write_bytes(kept)


def test_damage_behind_other_finders_is_made_good_in_passing(work, tmp_path):
    path = write(tmp_path, "m", 1)

    def chain() -> Any:
        return found(FINDERS["jaccard"](dm.dedup.exact(read(path)).mark()))

    pairs = chain()
    for file in (work / "compared").glob("*.part"):
        damage(file, "flipped")
    shutil.rmtree(work / "pairs")
    assert chain().equals(pairs)
    assert all(map(sealed.is_whole, (work / "compared").glob("*.part")))


@finders
def test_what_is_compared_against_is_kept_too(finder, work, tmp_path, totals):
    old, new, newer = (write(tmp_path, name, n) for n, name in enumerate("dac"))
    find, stage = FINDERS[finder], STAGE.get(finder, "shingle")
    find(read(new), against=read(old))._find()
    totals.clear()
    pairs = found(find(read(newer), against=read(old)))
    assert totals[stage] == read(newer).npartitions
    again = afresh(lambda: found(find(read(newer), against=read(old))), tmp_path / "other")
    assert pairs.equals(again) and len(pairs)


def test_only_media_whose_files_have_changed_are_hashed_again(work, tmp_path, totals):
    (tmp_path / "media").mkdir()
    rows = []
    for n in range(40):
        (tmp_path / "media" / f"{n}.bin").write_bytes(b"%d" % (n % 30))
        rows.append(json.dumps({"text": "look", "images": [f"{n}.bin"], "n": "x" * 50}))
    (tmp_path / "rows.jsonl").write_text("\n".join(rows) + "\n")

    df = dm.read(tmp_path / "rows.jsonl", blocksize="1kB")
    ids = df.compute()["id"].tolist()

    def gone() -> dict[int, int]:
        dups = dm.dedup.media(df, root=tmp_path / "media", pixels=False)
        pairs = dups.decisions()[["id", "witness"]].values.tolist()
        return {ids.index(one): ids.index(witness) for one, witness in pairs}

    assert gone() == {n + 30: n for n in range(10)}
    before = kept(work)
    assert len(before) > 3
    (tmp_path / "media" / "39.bin").write_bytes(b"changed")
    assert gone() == {n + 30: n for n in range(9)}
    assert kept(work).items() > before.items() and len(kept(work)) == len(before) + 1


def test_what_is_not_used_can_be_removed_and_counts(work, tmp_path):
    path = write(tmp_path, "m", 1)
    df = read(path)
    pairs = found(FINDERS["minhash"](df))
    running.end()
    for file in (work / "compared").glob("*"):
        os.utime(file, (1, 1))
    removed = workdir.clean(sum(f.stat().st_size for f in work.rglob("*") if f.is_file()) - 1)
    assert dict(removed.counts) == {"compared": 1}
    assert workdir.clean().counts["compared"] == df.npartitions  # and where they are listed
    assert not (work / "compared").exists()
    assert found(FINDERS["minhash"](df)).equals(pairs)


def test_frames_in_hand_leave_nothing_in_the_work_directory(work):
    df = dm.read(["a b c d", "a b c d e"], name="few").compute()
    for finder in FINDERS:
        FINDERS[finder](df)._find()
    assert not (work / "compared").exists()


def test_arrays_in_one_file(tmp_path):
    rng = np.random.default_rng(0)
    held = [
        {"one": rng.integers(0, 9, (n, 3)).astype(np.uint32), "other": np.arange(n)}
        for n in (5, 0, 7)
    ]
    paths = [tmp_path / str(n) for n in range(3)]
    for path, some in zip(paths, held, strict=True):
        arrays.save(path, some, note={"n": path.name})
        assert sealed.is_whole(path) and arrays.noted(path) == {"n": path.name}
        for name, array in some.items():
            loaded = arrays.load(path, name)
            assert loaded.dtype == array.dtype and np.array_equal(loaded, array)
    for some in (paths, paths[1:2], paths[:1], []):
        arrays.joined(tmp_path / "all", some, "one", np.uint32)
        expected = [held[int(path.name)]["one"] for path in some] or [np.zeros(0, np.uint32)]
        assert np.array_equal(arrays.load(tmp_path / "all", "one"), np.concatenate(expected))
    before = paths[0].stat().st_ino
    arrays.once(paths[0], lambda: pytest.fail("it is there"))
    damage(paths[0], "cut")
    arrays.once(paths[0], lambda: held[0])
    assert paths[0].stat().st_ino != before
    assert np.array_equal(arrays.load(paths[0], "one"), held[0]["one"])
    with pytest.raises(sealed.DamagedError):
        damage(paths[0], "cut")
        arrays.load(paths[0], "one")
