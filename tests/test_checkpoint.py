"""Frames written down once, and the work directory they lie in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
from frames import make_frame, on_dask

import datamerge as dm
from datamerge import audit, workdir
from datamerge.workdir import checkpoint, running, sealed


@pytest.fixture(autouse=True)
def work(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield tmp_path / "work"


class Counting:
    """A judge that counts how often it is asked, in a file, so that other threads count too."""

    def __init__(self, path):
        self.path = path

    def __call__(self, part):
        if len(part):
            with self.path.open("a") as file:
                file.write("x")
        return [None] * len(part)

    def __dask_tokenize__(self):
        return "counting"


ROWS = [[("user", "q"), ("assistant", "a", {"k": 1})], "doc", None, "🌍 <script>"]


def test_kept_frames_are_equal_and_made_once(tmp_path, work):
    count = tmp_path / "count"
    df = on_dask(make_frame(ROWS, dead={1: "gone"}), 2)
    df = audit.mark(df, Counting(count), step="s", reason="r", arguments={})
    df = dm.tokens.count(df)
    expected = df.compute()
    count.unlink()
    kept = checkpoint.keep(df)
    assert count.read_text() == "xx"
    pd.testing.assert_frame_equal(
        kept.compute().reset_index(drop=True), expected.reset_index(drop=True)
    )
    pd.testing.assert_frame_equal(kept._meta, df._meta)
    checkpoint.keep(df)
    assert count.read_text() == "xx"
    assert [s.name for s in audit.steps(kept)] == ["s", "tokens.count"]


def kept_files(work, suffix="arrow"):
    return sorted((work / "frames").glob(f"*.{suffix}"))


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def zeros(path):
    """What some file systems leave after a power cut: the length is right."""
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize(
    "damage", [Path.unlink, cut, flip, zeros, lambda path: path.write_text("")]
)
@pytest.mark.parametrize("suffix", ["arrow", "rows"])
def test_only_missing_or_damaged_files_are_made_again(tmp_path, work, damage, suffix, capsys):
    for name in "abc":
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": name}) + "\n")
    count = tmp_path / "count"
    df = dm.read(*(tmp_path / f"{name}.jsonl" for name in "abc"))
    df = audit.mark(df, Counting(count), step="s", reason="r", arguments={})
    expected = checkpoint.keep(df).compute()
    assert count.read_text() == "xxx"
    paths = kept_files(work, suffix)
    assert len(paths) == 3
    damage(paths[1])
    pd.testing.assert_frame_equal(checkpoint.keep(df).compute(), expected)
    assert count.read_text() == ("xxxx" if suffix == "arrow" else "xxx")
    assert ("damaged" in capsys.readouterr().err) == (damage is not Path.unlink)
    assert kept_files(work, suffix) == paths and all(map(sealed.is_whole, paths))


def test_damage_met_while_reading_is_told_and_the_next_run_goes_on(work):
    df = audit.mark(on_dask(make_frame(["a", "b"]), 2), Counting(work.parent / "count"),
                    step="s", reason="r", arguments={})  # fmt: skip
    kept = checkpoint.keep(df)
    cut(kept_files(work)[0])
    with pytest.raises(sealed.DamagedError, match="the same run again makes it again"):
        kept.compute()
    assert len(checkpoint.keep(df).compute()) == 2


def write_lines(path, texts):
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def test_with_one_more_source_the_others_are_not_read_again(tmp_path, work):
    count = tmp_path / "count"
    for name in "bdac":
        write_lines(tmp_path / f"{name}.jsonl", [f"{name} {n}" for n in range(40)])

    def kept(*names, blocksize="200B"):
        df = dm.read(*(tmp_path / f"{name}.jsonl" for name in names), blocksize=blocksize)
        df = audit.mark(df, Counting(count), step="s", reason="r", arguments={})
        found = checkpoint.keep(dm.tokens.count(df)).compute()
        made = len(count.read_text()) if count.exists() else 0
        count.unlink(missing_ok=True)
        return found["text"].tolist(), made

    _, parts = kept("b")
    assert parts > 2
    assert kept("b", "d")[1] == parts
    texts, made = kept("a", "b", "d", "c")  # before, between and behind
    assert made == 2 * parts
    assert texts == [f"{name} {n}" for name in "abcd" for n in range(40)]
    assert kept("d", "a")[1] == 0


def test_a_file_changed_in_place_is_read_again(tmp_path, work):
    path = tmp_path / "a.jsonl"
    write_lines(path, ["one"])

    def kept():
        return checkpoint.keep(dm.filters.length(dm.read(path), max=9)).compute()["text"].tolist()

    assert kept() == ["one"]
    write_lines(path, ["two"])  # as long as before
    assert kept() == ["two"]
    before = path.stat()
    write_lines(path, ["six"])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as cp -p and rsync do
    assert kept() == ["six"]


def test_another_state_of_the_code_does_not_trust_what_was_kept(work, monkeypatch):
    df = dm.filters.length(dm.read(["a", "b"], name="t"), max=5)
    checkpoint.keep(df)
    (first,) = kept_files(work)
    monkeypatch.setattr(workdir, "made_by", lambda: "0123456789")
    checkpoint._known.clear()  # what a new process does not know
    checkpoint.keep(df)
    assert len(kept_files(work)) == 2 and first in kept_files(work)


def test_the_code_is_that_which_makes_what_is_kept(tmp_path):
    """Another line in a step is another state; one in what only shows is not."""
    package = tmp_path / "datamerge"
    shutil.copytree(Path(dm.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    first = workdir.code_of(package)
    assert first == workdir.code_of(Path(dm.__file__).parent)
    with (package / "compute" / "terminal.py").open("a") as file:
        file.write("# shown\n")
    assert workdir.code_of(package) == first
    with (package / "filters" / "length.py").open("a") as file:
        file.write("# another rule\n")
    assert workdir.code_of(package) != first


def test_cheap_marks_on_a_checkpoint_are_not_kept_again(work):
    df = dm.read([{"text": t} for t in ("a", "a", "b", "c")], name="t")
    once = dm.dedup.exact(df).mark()
    assert checkpoint.keep(once) is once
    again = dm.filters.length(once, min=1)
    assert checkpoint.keep(again) is not again


def test_marks_carry_over_a_checkpoint(work):
    df = dm.filters.length(dm.read([{"text": t} for t in ("a", "a", "bb")], name="t"), max=1)
    df = dm.dedup.exact(df).mark()
    df = dm.filters.length(df, min=1)
    df = dm.dedup.exact(df, normalise="none").mark()
    names = [(p.step.name, p.sources) for p in audit.lineage(df)]
    assert names == [
        (n, ("t",)) for n in ("filters.length", "dedup.exact", "filters.length", "dedup.exact")
    ]


def test_remembered_arrays(work):
    calls = []

    def make(alive):
        calls.append(1)
        alive()
        return np.arange(3)

    for _ in range(2):
        assert workdir.remembered("elements", ("a", 1), make).tolist() == [0, 1, 2]
    assert len(calls) == 1
    (path,) = (work / "elements").iterdir()
    for damage in (cut, flip, zeros):
        damage(path)
        assert workdir.remembered("elements", ("a", 1), make).tolist() == [0, 1, 2]
    assert len(calls) == 4


def test_replacing_leaves_nothing_behind_on_failure(tmp_path):
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(RuntimeError), workdir.replacing(target) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert target.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a"]
    with workdir.replacing(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


def test_a_step_of_ones_own_is_known_by_the_file_it_is_written_in(tmp_path, work, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def marked(rule):
        (tmp_path / "my_rules.py").write_text(
            f"def judge(part):\n    return [{rule}] * len(part)\n"
        )
        monkeypatch.delitem(sys.modules, "my_rules", raising=False)
        import my_rules

        df = dm.read(["a", "b"], name="t")
        df = audit.mark(df, my_rules.judge, step="my.step", reason="r", arguments={})
        return checkpoint.keep(df).compute()["drop_detail"].tolist()

    assert marked("'first'") == ["first", "first"]
    assert marked("'other'") == ["other", "other"]
    assert marked("'first'") == ["first", "first"] and len(kept_files(work)) == 2


def aged(path, days, size=0):
    """A result that was last used so many days ago."""
    if size:
        path.write_bytes(bytes(size))
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


def test_clean_removes_what_was_not_used_for_longest(work):
    files = {
        days: aged(workdir.place("frames", days), days, size)
        for days, size in [(1, 10), (5, 20), (3, 30), (9, 40)]
    }
    folder = workdir.place("pairs", "found")
    folder.mkdir()
    (folder / "about.json").write_text("{}")
    aged(folder, 7)
    (work / "notes.txt").write_text("mine")
    removed = workdir.clean(40)
    assert dict(removed.counts) == {"frames": 2, "pairs": 1} and removed.bytes == 62
    assert str(removed) == "removed 2 frames, 1 pairs: 0.0 MB; 0.0 MB stay"
    assert [days for days, path in files.items() if path.exists()] == [1, 3]
    assert not workdir.clean(unused_days=4).counts
    assert workdir.clean(unused_days=2).counts == {"frames": 1} and files[1].exists()
    assert workdir.clean().left == 0 and (work / "notes.txt").exists()


HOLD = """
import sys
from datamerge import workdir
workdir.folder("frames")
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(work):
    """A process that is at work on the work directory until the block ends, then is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**os.environ, "DATAMERGE_WORKDIR": str(work)},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_what_a_running_process_may_use_stays(work):
    df = dm.filters.length(dm.read(["a", "b"], name="t"), max=5)
    old = aged(workdir.place("frames", "old"), 1, 8)
    kept = checkpoint.keep(df)
    assert workdir.clean().in_use and not old.exists()
    assert len(kept.compute()) == 2
    old = aged(workdir.place("frames", "old"), 1, 8)
    with another_process(work):
        workdir.used(kept_files(work)[0])
        running.end()  # as if this one had ended
        assert workdir.clean().counts["frames"] and not old.exists()
        assert len(kept_files(work)) == 1
        assert len(list((work / "running").iterdir())) == 1
    assert workdir.clean().counts == {"frames": 1} and not kept_files(work)
    assert not list((work / "running").iterdir())


def test_processes_elsewhere_count_while_they_are_heard_of(work):
    path = workdir.place("frames", "result")
    path.write_bytes(b"x")
    (ours,) = (work / "running").iterdir()
    told = json.loads(ours.read_text())
    ours.write_text(json.dumps({**told, "host": "elsewhere"}))
    assert workdir.clean().in_use and path.exists()
    os.utime(ours, (time.time() - 2 * running.SILENT,) * 2)
    assert workdir.clean().counts and not path.exists() and not ours.exists()


def test_a_limit_is_kept_when_a_process_begins(work, capsys):
    for days in (1, 2):
        aged(workdir.place("frames", days), days, 1_000_000)
    running.end()
    with dask.config.set({"datamerge.workdir-limit": "1.5 MB"}):
        workdir.folder("frames")
    assert not workdir.place("frames", 2).exists() and workdir.place("frames", 1).exists()
    assert "removed 1 frames: 1.0 MB; 1.0 MB stay (limit 1.5 MB)" in capsys.readouterr().err
    running.end()
    with dask.config.set({"datamerge.workdir-limit": "0.5 MB"}):
        workdir.folder("frames")
        assert not workdir.place("frames", 1).exists()
