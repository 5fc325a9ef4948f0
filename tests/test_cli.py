"""The command line, run as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import dask
import pytest

import datamerge as dm
from datamerge import migrate, recipe


@pytest.fixture
def run(tmp_path):
    """Run a command in a folder of its own."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "datamerge.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "DATAMERGE_WORKDIR": str(tmp_path / "work"), **environment},
        )

    return run


def test_demo_then_inspect(run, tmp_path):
    done = run("demo")
    assert done.returncode == 0, done.stderr
    assert "total" in done.stdout and "semantic_duplicate" in done.stdout
    assert "dashboard: http://127.0.0.1" in done.stderr
    assert "writing: 4 of 4 parts, 338 rows" in done.stderr
    shown = run("inspect", "out/demo")
    assert shown.returncode == 0, shown.stderr
    assert "malformed: 3 records" in shown.stdout
    assert "why:  same text as " in shown.stdout
    again = run("demo")
    assert again.returncode == 0 and again.stdout == done.stdout


def test_bad_recipe_and_bad_arguments_are_exit_code_2(run, tmp_path):
    (tmp_path / "bad.yaml").write_text("sources: [a]\nsteps:\n  - filters.langage: en\n")
    bad = run("run", "bad.yaml")
    assert bad.returncode == 2
    assert bad.stderr.startswith("bad.yaml:3: no step 'filters.langage'")
    assert "Traceback" not in bad.stderr
    assert run("run", "missing.yaml").returncode == 2
    assert run("run").returncode == 2
    assert run().returncode == 2
    assert run("run", "bad.yaml", "--set", "x").returncode == 2


def test_failure_is_exit_code_1(run, tmp_path):
    (tmp_path / "r.yaml").write_text("sources: [nowhere.jsonl]\n")
    failed = run("run", "r.yaml", "--cluster", "none")
    assert failed.returncode == 1
    assert "nowhere.jsonl: no such file" in failed.stderr and "Traceback" not in failed.stderr
    assert run("inspect", "nowhere").returncode == 1


def test_check_does_nothing(run, tmp_path):
    (tmp_path / "r.yaml").write_text("sources: [nowhere.jsonl]\nsteps: [clean.unicode]\n")
    checked = run("run", "r.yaml", "--check")
    assert (checked.returncode, checked.stdout) == (0, "r.yaml: 1 sources, 1 steps, fine\n")
    (tmp_path / "d.yaml").write_text(
        "sources: [nowhere.jsonl]\nsteps: [dedup.exact, dedup.minhash, dedup.semantic]\n"
    )
    assert run("run", "d.yaml", "--check").returncode == 0
    assert not list(tmp_path.glob("work/*"))


def interrupted(tmp_path, cluster):
    """A run interrupted as a terminal does it, all processes at once, when a part is on disk."""
    process = subprocess.Popen(
        [sys.executable, "-m", "datamerge.cli", *RUN, "--out", "out", "--cluster", cluster],
        cwd=tmp_path,
        env={**os.environ, "DATAMERGE_WORKDIR": str(tmp_path / "work")},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background jobs ignore the interrupt, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not parts_kept(tmp_path / "work"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


RUN = ("run", "r.yaml")


@pytest.mark.parametrize("cluster", ["local", "none"])
def test_an_interrupted_run_says_how_to_go_on_and_does(run, tmp_path, monkeypatch, cluster):
    rows = (json.dumps({"text": f"row {n} " + "some words " * 80}) + "\n" for n in range(8_000))
    (tmp_path / "a.jsonl").write_text("".join(rows))
    (tmp_path / "r.yaml").write_text(
        "sources: [{path: a.jsonl, blocksize: 128KiB}]\n"
        "steps: [clean.unicode, {filters.phrases: slop}, dedup.exact]\n"
    )
    code, out, err = interrupted(tmp_path, cluster)
    assert code == 130 and not out, (out, err)
    assert "reading and filtering" in err and ", stopped after" in err
    assert err.rstrip().endswith("interrupted; the same command goes on where it stopped")
    assert "Traceback" not in err and "Exception" not in err
    assert not (tmp_path / "out" / "ledger.json").exists()
    parts = parts_kept(tmp_path / "work")
    again = run(*RUN, "--out", "out", "--cluster", cluster)
    assert again.returncode == 0, again.stderr
    assert parts and parts_kept(tmp_path / "work").items() > parts.items()
    monkeypatch.chdir(tmp_path)
    with dask.config.set({"datamerge.workdir": str(tmp_path / "other")}):
        recipe.run(recipe.load("r.yaml"), "quiet")
    for path in sorted((tmp_path / "quiet" / "data").iterdir()):
        assert path.read_bytes() == (tmp_path / "out" / "data" / path.name).read_bytes()


def parts_kept(work):
    """The parts that are whole, and which file each is: one that is made again is another."""
    return {path.name: path.stat().st_ino for path in work.glob("frames/*.arrow")}


def test_inspect_shows_hostile_content_as_text(run, tmp_path):
    text = "\x1b[2J<script>alert(1)</script>\u202eevil"
    df = dm.filters.length(dm.read([{"text": text}], name="t"), min=1000)
    dm.write(df, tmp_path / "out")
    shown = run("inspect", "out").stdout
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "<script>alert(1)</script>" in shown


def test_clean_empties_the_work_directory_only(run, tmp_path):
    work = tmp_path / "work"
    (work / "frames" / "x").mkdir(parents=True)
    (work / "frames" / "x" / "0.arrow").write_bytes(b"1" * 2_000_000)
    (work / "mine.txt").write_text("keep")
    assert "removed 1 frames: 2.0 MB" in run("clean").stdout
    assert (work / "mine.txt").exists() and not (work / "frames").exists()


CONFIG = {
    "main_config": "chunk_size: 10000\ncore_count: 24\nrewrite_sys_prompt: True\n",
    "user_config": "Dataset_Name: merged\nUser: me\n",
    "dataset_config": (
        "key_name: conversations\ntokenizer_used: org/tok\nacceptable_languages: [en]\n"
        "filtered_data: [function-call, assistant]\n"
        "datasets:\n"
        "- {name: org/chats, phrase_list_key: 1, use_percentage: 100}\n"
        "- {name: org/more, phrase_list_key: 2, use_percentage: 30}\n"
    ),
    "phrase_lists": 'phrase_lists:\n  1: ["as an AI", "as an AI"]\n  2: ["in conclusion"]\n',
}


def test_migrated_configuration_is_a_good_recipe(run, tmp_path):
    (tmp_path / "config").mkdir()
    for name, text in CONFIG.items():
        (tmp_path / "config" / f"{name}.yml").write_text(text)
    made = run("migrate", "config", "--out", "r.yaml")
    assert made.returncode == 0, made.stderr
    text = (tmp_path / "r.yaml").read_text()
    loaded = recipe.loads(text.replace("- tokens.count:\n    tokenizer: org/tok\n", ""))
    assert [s.request["path"] for s in loaded.sources] == [
        "hf://datasets/org/chats",
        "hf://datasets/org/more",
    ]
    assert [s.weight for s in loaded.sources] == [None, 0.3]
    assert loaded.sources[1].steps[0].arguments["phrases"] == ["in conclusion"]
    assert loaded.output["upload"]["repo_id"] == "me/merged"
    assert "system prompts" in text
    (tmp_path / "config" / "phrase_lists.yml").unlink()
    broken = run("migrate", "config")
    assert broken.returncode == 2 and "there is no phrase_lists.yml" in broken.stderr


def test_migrated_roles_are_those_of_the_records(tmp_path):
    """It named roles as records do: a chat with `gpt` stays, one with `assistant` goes."""
    for name, text in CONFIG.items():
        (tmp_path / f"{name}.yml").write_text(text)
    text = migrate.migrate(tmp_path).replace("- tokens.count:\n    tokenizer: org/tok\n", "")
    loaded = recipe.loads(text)
    chat = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    odd = [chat[0], {"from": "assistant", "value": "Hello"}]
    roles = loaded.sources[0].request["roles"]
    df = dm.read(
        [{"conversations": chat}, {"conversations": odd}], name="c", type="sharegpt", roles=roles
    )
    (step,) = [s for s in loaded.steps if s.step.name == "filters.roles"]
    assert step(df).compute()["drop_reason"].isna().tolist() == [True, False]
