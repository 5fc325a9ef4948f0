"""The promises, end to end: on files, through the steps, to the folder that is written."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import dask
import numpy as np
import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import datamerge as dm
from datamerge import recipe
from datamerge.dedup import DuplicatesWarning

SAMPLE = Path(dm.__file__).parent / "assets" / "sample"
FILES = ["sharegpt.jsonl", "openai.jsonl", "alpaca.json", "preference.jsonl.gz"]


@pytest.fixture(autouse=True)
def _workdir(tmp_path) -> Iterator[None]:
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def chain(paths, blocksize="16MiB", npartitions=None):
    """Every kind of step, over these files."""
    df = dm.read(*paths, blocksize=blocksize)
    if npartitions is not None:
        df = df.repartition(npartitions=npartitions)
    df = df.pipe(dm.clean.unicode).pipe(dm.clean.turns)
    df = df.pipe(dm.filters.language, keep=["en"]).pipe(dm.filters.phrases, "refusals")
    df = dm.tokens.count(df)
    df = dm.dedup.exact(df).mark(keep="longest")
    df = dm.dedup.semantic(df, threshold=0.9, text="prompt").mark()
    df = dm.mix.weights(df, {"alpaca": 0.8, "openai": "90%"}, seed=3)
    return dm.mix.shuffle(df, seed=5)


def content(out: Path) -> dict[str, object]:
    """What a run says, whatever its files are: kept rows in order, the rest by id."""
    kept = ds.dataset(sorted((out / "data").glob("*.parquet"))).to_table().to_pylist()
    removed = ds.dataset(out / "removed").to_table().to_pylist()
    malformed = [
        json.loads(line)
        for path in sorted((out / "malformed").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    pairs = {p.name: ds.dataset(p).to_table().to_pylist() for p in (out / "pairs").iterdir()}
    return {
        "kept": kept,
        "removed": sorted(removed, key=lambda row: row["id"]),
        "malformed": sorted(malformed, key=lambda row: row["id"]),
        "pairs": pairs,
        "ledger": json.loads((out / "ledger.json").read_text()),
    }


@pytest.fixture(scope="module")
def quiet(tmp_path_factory) -> dict[str, object]:
    """The sample, merged once in peace."""
    folder = tmp_path_factory.mktemp("quiet")
    with dask.config.set({"datamerge.workdir": str(folder / "work")}):
        dm.write(chain([SAMPLE / name for name in FILES]), folder / "out")
    return content(folder / "out")


@pytest.mark.parametrize(
    ("blocksize", "partitions"),
    [("16MiB", 4), ("40kB", (5, 9)), ("9kB", (14, 60)), (700, (70, 999))],
)
def test_same_output_for_any_partitioning(quiet, tmp_path, blocksize, partitions):
    df = chain([SAMPLE / name for name in FILES], blocksize)
    least, most = partitions if isinstance(partitions, tuple) else (partitions, partitions)
    assert least <= df.npartitions <= most
    dm.write(df, tmp_path / "out")
    assert content(tmp_path / "out") == quiet


@pytest.mark.parametrize("npartitions", [1, 3, 17])
def test_same_output_for_any_repartitioning(quiet, tmp_path, npartitions):
    df = chain([SAMPLE / name for name in FILES], npartitions=npartitions)
    assert df.npartitions == npartitions
    dm.write(df, tmp_path / "out")
    assert content(tmp_path / "out") == quiet


def test_same_output_for_files_in_another_order(quiet, tmp_path):
    shuffled = list(FILES)
    random.Random(1).shuffle(shuffled)
    assert shuffled != FILES
    dm.write(chain([SAMPLE / name for name in shuffled]), tmp_path / "out")
    assert content(tmp_path / "out") == quiet


def test_same_output_with_threads(quiet, tmp_path):
    with dask.config.set(scheduler="threads"):
        dm.write(chain([SAMPLE / name for name in FILES], "9kB"), tmp_path / "out")
    assert content(tmp_path / "out") == quiet


def test_same_output_with_worker_processes(quiet, tmp_path):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        dm.write(chain([SAMPLE / name for name in FILES], "9kB"), tmp_path / "out")
    assert content(tmp_path / "out") == quiet


def test_every_record_is_accounted_for(quiet):
    read = {
        "alpaca": len(json.loads((SAMPLE / "alpaca.json").read_text())),
        "sharegpt": len((SAMPLE / "sharegpt.jsonl").read_bytes().splitlines()),
        "openai": len((SAMPLE / "openai.jsonl").read_bytes().splitlines()),
    }
    sources = quiet["ledger"]["sources"]
    for name, count in read.items():
        assert sources[name]["read"] == count
    for entry in (*sources.values(), quiet["ledger"]["total"]):
        assert entry["read"] == entry["kept"] + sum(entry["removed"].values()) + entry["malformed"]
    seen = [row["id"] for part in ("kept", "removed", "malformed") for row in quiet[part]]
    assert len(seen) == len(set(seen)) == quiet["ledger"]["total"]["read"]
    assert all(row["drop_reason"] and row["drop_detail"] for row in quiet["removed"])
    for step in quiet["ledger"]["steps"]:
        for flow in step["sources"].values():
            assert flow["in"] == flow["removed"] + flow["out"]


def test_every_removed_duplicate_has_a_kept_witness(quiet):
    """Checked by brute force in float64, on the encoder's own vectors."""
    encoder = dm.embed.encoder()
    dead_later = {row["id"] for row in quiet["removed"] if row["drop_reason"] == "weights"}
    gone = [row for row in quiet["removed"] if row["drop_reason"] == "semantic_duplicate"]
    weighted = [row for row in quiet["removed"] if row["id"] in dead_later]
    kept = quiet["kept"] + weighted

    def prompt(row) -> str:
        return "\n\n".join(t["content"] for t in row["messages"] if t["role"] == "user")

    def unit(rows) -> np.ndarray:
        vectors = encoder.encode([prompt(row) for row in rows]).astype(np.float64)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    among_kept = np.triu(unit(kept) @ unit(kept).T, 1)
    assert among_kept.max() < 0.9
    assert gone
    scores = unit(gone) @ unit(kept).T
    number = {row["id"]: n for n, row in enumerate(kept)}
    for row, score in zip(gone, scores, strict=True):
        assert score.max() >= 0.9
        witness = row["drop_detail"].rpartition(" to ")[2].removeprefix("same text as ")
        assert score[number[witness]] >= 0.9


def test_rows_that_vanish_between_are_an_error(tmp_path):
    df = dm.read(SAMPLE / "alpaca.json")
    lossy = df[df["id"] != "alpaca/alpaca.json#3"]
    with pytest.raises(dm.audit.ConservationError, match="'alpaca': 92 rows were read, 91 arrived"):
        dm.write(lossy, tmp_path / "out")
    assert not (tmp_path / "out" / "ledger.json").exists()
    with pytest.raises(dm.audit.ConservationError, match="92 rows were read, 91 arrived"):
        dm.dedup.exact(lossy).mark()


def digest(out: Path) -> dict[str, str]:
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != ".run.json"
    }


RECIPE = """
name: killed
sources:
  - path: {sample}/sharegpt.jsonl
  - path: {sample}/openai.jsonl
  - path: {sample}/alpaca.json
  - path: {many}
steps:
  - clean.unicode
  - filters.phrases: refusals
  - dedup.exact
  - dedup.semantic: {{threshold: 0.9, text: prompt}}
  - mix.shuffle
"""


@pytest.fixture(scope="module")
def killable(tmp_path_factory) -> Path:
    """A recipe over enough rows to be killed in the middle, and what it gives in peace."""
    folder = tmp_path_factory.mktemp("killed")
    rng = random.Random(0)
    words = [f"w{n}" for n in range(500)]
    (folder / "many").mkdir()
    for number in range(12):
        with (folder / "many" / f"{number}.jsonl").open("w") as file:
            for _ in range(400):
                turns = [" ".join(rng.choices(words, k=30)) for _ in range(2)]
                file.write(json.dumps({"prompt": turns[0], "completion": turns[1]}) + "\n")
    text = RECIPE.format(sample=SAMPLE, many=folder / "many")
    (folder / "recipe.yaml").write_text(text)
    assert _start(folder, "quiet").wait(300) == 0
    return folder


def _start(folder: Path, name: str) -> subprocess.Popen:
    environment = {**os.environ, "DATAMERGE_WORKDIR": str(folder / f"work-{name}")}
    command = [sys.executable, "-m", "datamerge.cli", "run", str(folder / "recipe.yaml")]
    return subprocess.Popen(
        [*command, "--out", str(folder / name), "--workers", "2"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.mark.parametrize("moment", ["frames", "embeddings", "write"])
def test_kill_and_rerun_give_the_same_bytes(killable, moment):
    """kill -9 of the client and all its workers, in the middle of a stage."""
    name = f"after-{moment}"
    watched = {
        "frames": (killable / f"work-{name}" / "frames", "*.arrow"),
        "embeddings": (killable / f"work-{name}" / "embeddings", "*.vectors"),
        "write": (killable / name / ".run", "part-*.json"),
    }[moment]
    process = _start(killable, name)
    deadline = time.monotonic() + 120
    while not any(watched[0].glob(watched[1])):
        assert time.monotonic() < deadline
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
    assert not (killable / name / "ledger.json").exists()
    assert _start(killable, name).wait(300) == 0
    assert digest(killable / name) == digest(killable / "quiet")


def test_recipe_and_chain_are_the_same_expression():
    text = f"""
sources: [{SAMPLE}/alpaca.json, {SAMPLE}/openai.jsonl]
seed: 4
steps:
  - clean.unicode
  - filters.language: [en]
  - filters.phrases: refusals
  - filters.length: {{min: 2, unit: words}}
  - mix.weights: {{alpaca: 50%}}
"""
    df = dm.read(SAMPLE / "alpaca.json", SAMPLE / "openai.jsonl")
    df = df.pipe(dm.clean.unicode).pipe(dm.filters.language, keep=["en"])
    df = df.pipe(dm.filters.phrases, "refusals").pipe(dm.filters.length, min=2, unit="words")
    df = dm.mix.weights(df, {"alpaca": "50%"}, seed=4)
    assert recipe.frame(recipe.loads(text))._name == df._name


def test_names_of_expressions_agree_between_processes():
    script = (
        "import sys, datamerge as dm\n"
        "df = dm.read(sys.argv[1])\n"
        "df = df.pipe(dm.clean.unicode).pipe(dm.clean.turns)\n"
        "df = df.pipe(dm.filters.language, keep=['en']).pipe(dm.filters.phrases, 'slop')\n"
        "df = dm.tokens.count(dm.filters.roles(dm.filters.length(df, min=1), 'tool'))\n"
        "print(dm.mix.shuffle(dm.mix.weights(df, {'alpaca': 0.5}))._name)\n"
    )
    names = {
        subprocess.run(
            [sys.executable, "-c", script, str(SAMPLE / "alpaca.json")],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(names) == 1


records = st.lists(
    st.fixed_dictionaries(
        {"prompt": st.sampled_from(["a b", "A  b", "c d e", "c d e f", "g", " "]),
         "completion": st.sampled_from(["x", "as an AI language model I cannot", "X "])}
    ),
    max_size=25,
)  # fmt: skip


@given(rows=records, others=records, weight=st.floats(0, 1), threshold=st.floats(0.7, 0.99))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_conservation_for_any_records(rows, others, weight, threshold, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    with dask.config.set({"datamerge.workdir": str(folder / "work")}), warnings.catch_warnings():
        warnings.simplefilter("ignore", DuplicatesWarning)
        kind = {"type": "prompt_completion"}
        first = dm.read(rows, name="rows", **kind)
        df = dm.concat([first, dm.read([*others, 5], name="others", **kind)])
        df = df.pipe(dm.filters.phrases, "refusals")
        df = dm.dedup.exact(df).mark()
        df = dm.dedup.semantic(df, threshold=threshold).mark()
        tally = dm.write(dm.mix.weights(df, {"rows": weight}), folder / "out")
    assert tally.sources["others"]["malformed"] == 1
    for name, count in (("rows", len(rows)), ("others", len(others) + 1)):
        entry = tally.sources[name]
        assert entry["read"] == count
        assert count == entry["kept"] + sum(entry["removed"].values()) + entry["malformed"]
