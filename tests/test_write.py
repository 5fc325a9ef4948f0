"""What a run leaves on disk."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path

import dask
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from frames import make_frame
from fsspec.implementations.local import LocalFileSystem

import datamerge as dm
from datamerge import inspect
from datamerge.write import ledger
from datamerge.write.card import card


def said(*turns):
    return [{"from": speaker, "value": value} for speaker, value in turns]


REFUSAL = ("gpt", "As an AI language model, I cannot.")
CHATS = [
    {"conversations": said(("human", "Hi"), ("gpt", "Hello.")), "n": 1},
    {"conversations": said(("system", "Be brief."), ("human", "Why?"), REFUSAL), "n": "x"},
    {"conversations": 5},
]


@pytest.fixture(autouse=True)
def _workdir(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


@pytest.fixture
def df():
    return dm.filters.phrases(dm.read(CHATS, name="chats", type="sharegpt"), "refusals")


def test_layout_and_columns(df, tmp_path):
    tally = dm.write(df, tmp_path / "out")
    files = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*"))
    assert files == [
        ".run.json", "README.md", "data/part-00000.parquet", "ledger.json",
        "malformed/part-00000.jsonl", "recipe.yaml", "removed/part-00000.parquet",
    ]  # fmt: skip
    kept = pq.read_table(tmp_path / "out" / "data")
    turn = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    assert kept.schema.field("messages").type == turn
    assert kept.column_names == ["id", "source", "messages", "meta"]
    assert kept.to_pylist() == [
        {
            "id": "chats#0",
            "source": "chats",
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello."},
            ],
            "meta": '{"n":1}',
        }
    ]
    removed = pq.read_table(tmp_path / "out" / "removed").to_pylist()
    assert [(r["id"], r["drop_reason"]) for r in removed] == [("chats#1", "phrases")]
    assert "as an ai language model" in removed[0]["drop_detail"].lower()
    (malformed,) = map(json.loads, (tmp_path / "out/malformed/part-00000.jsonl").open())
    assert malformed["file"] == "chats" and malformed["position"] == 2
    assert json.loads(malformed["raw"]) == {"conversations": 5}
    assert tally.total == {"read": 3, "kept": 1, "removed": {"phrases": 1}, "malformed": 1}


def test_ledger_on_disk_is_the_tally(df, tmp_path):
    tally = dm.write(dm.tokens.count(df), tmp_path / "out")
    on_disk = json.loads((tmp_path / "out" / "ledger.json").read_text())
    assert on_disk == tally.to_dict()
    assert on_disk["total"]["tokens"]["read"] >= on_disk["total"]["tokens"]["kept"] > 0
    assert [step["step"] for step in on_disk["steps"]] == ["filters.phrases", "tokens.count"]
    assert on_disk["steps"][0]["sources"]["chats"] == {"in": 2, "removed": 1, "out": 1}


def test_second_run_does_nothing(df, tmp_path, monkeypatch):
    first = dm.write(df, tmp_path / "out")
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    assert dm.write(df, tmp_path / "out") == first
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")} == stamps


def test_another_run_needs_overwrite(df, tmp_path):
    dm.write(df, tmp_path / "out")
    other = dm.filters.length(df, min=1)
    with pytest.raises(FileExistsError, match="another run"):
        dm.write(other, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    dm.write(other, tmp_path / "out", overwrite=True, format="jsonl")
    assert sorted(p.name for p in (tmp_path / "out" / "data").iterdir()) == ["part-00000.jsonl"]
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_foreign_folder_is_left_alone(df, tmp_path):
    (tmp_path / "out" / "data").mkdir(parents=True)
    (tmp_path / "out" / "data" / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="not empty"):
        dm.write(df, tmp_path / "out")
    assert (tmp_path / "out" / "data" / "thesis.txt").read_text() == "precious"


def test_missing_parts_are_made_again(tmp_path):
    rows = [{"text": f"row {n}"} for n in range(25_000)]
    df = dm.read(rows, name="many")
    assert df.npartitions == 3

    class Stop(RuntimeError):
        pass

    def fail_on_second(part: pd.DataFrame) -> pd.DataFrame:
        if (tmp_path / "broken").exists() and "many#15000" in set(part["id"]):
            raise Stop
        return part

    df = df.map_partitions(fail_on_second, meta=df._meta)
    (tmp_path / "broken").touch()
    with pytest.raises(Stop):
        dm.write(df, tmp_path / "out")
    done = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "data").iterdir()}
    assert done and not (tmp_path / "out" / "ledger.json").exists()
    (tmp_path / "broken").unlink()
    tally = dm.write(df, tmp_path / "out")
    assert tally.total["kept"] == 25_000
    assert all(p.stat().st_mtime_ns == stamp for p, stamp in done.items())
    assert len(pq.read_table(tmp_path / "out" / "data")) == 25_000


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_single_file(tmp_path, format):
    df = dm.read([{"text": f"row {n}"} for n in range(25_000)], name="many")
    dm.write(df, tmp_path / "out", single_file=True, format=format)
    (only,) = (tmp_path / "out" / "data").iterdir()
    assert only.name == f"train.{format}"
    if format == "parquet":
        texts = pq.read_table(only)["text"].to_pylist()
    else:
        texts = [json.loads(line)["text"] for line in only.open()]
    assert texts == [f"row {n}" for n in range(25_000)]


def test_nothing_kept_still_has_columns(tmp_path):
    df = dm.filters.length(dm.read([{"text": "a"}], name="t"), min=5)
    dm.write(df, tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "data")
    assert len(table) == 0 and "text" in table.column_names
    (part,) = (tmp_path / "out" / "data").iterdir()
    assert pq.ParquetFile(part).num_row_groups == 0


def test_loads_as_the_card_says(df, tmp_path):
    import datasets

    dm.write(df, tmp_path / "out")
    loaded = datasets.load_dataset(
        str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "c")
    )
    assert loaded[0]["messages"][1] == {"role": "assistant", "content": "Hello."}


ROWS = [
    [("system", "S"), ("user", "Q"), ("assistant", "A")],
    [("user", "Q"), ("assistant", "A", {"tool_calls": [{"id": "1"}]}), ("tool", "T")],
    "a document",
]


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
@pytest.mark.parametrize(
    ("schema", "said"),
    [("sharegpt", 2), ("messages", 2), ("alpaca", 1), ("text", 1), ("question_answer", 1)],
)
def test_other_schemas_keep_or_say_why(tmp_path, schema, said, format):
    frame = make_frame(ROWS)
    tally = dm.write(frame, tmp_path / "out", schema=schema, format=format)
    assert tally.total["kept"] == said
    assert tally.total["removed"].get("schema", 0) == len(ROWS) - said
    back = dm.read(tmp_path / "out", name="back")
    assert (back.compute()["drop_reason"].isna()).sum() == said


def test_round_trip_of_our_own_output(df, tmp_path):
    frame = make_frame(ROWS)
    dm.write(frame, tmp_path / "out")
    back = dm.read(tmp_path / "out", name="back").compute()
    assert back["messages"].iloc[1][1]["extra"] == '{"tool_calls":[{"id":"1"}]}'
    assert back["text"].iloc[2] == "a document"
    assert len(back) == 3


def test_wrong_frames_and_arguments(tmp_path):
    with pytest.raises(ValueError, match="lacks id, source"):
        dm.write(pd.DataFrame({"text": ["a"]}), tmp_path / "out")
    with pytest.raises(ValueError, match="format='csv'"):
        dm.write(make_frame(["a"]), tmp_path / "out", format="csv")  # type: ignore[arg-type]


def test_writes_to_any_filesystem(df):
    import fsspec

    dm.write(df, "memory://bucket/out")
    fs = fsspec.filesystem("memory")
    assert fs.exists("/bucket/out/ledger.json") and fs.exists("/bucket/out/data/part-00000.parquet")
    assert not [path for path in fs.find("/bucket/out") if path.endswith(".tmp")]


def test_recipe_says_what_was_done(df, tmp_path):
    dm.write(df, tmp_path / "out")
    noted = yaml.safe_load((tmp_path / "out" / "recipe.yaml").read_text())
    assert noted["sources"] == ["chats"]
    assert noted["steps"] == [{"filters.phrases": {"phrases": "refusals", "roles": ["assistant"]}}]


def test_card_escapes_what_comes_from_data():
    hostile = "<script>alert(1)</script>|`x`"
    entry = {"read": 2, "kept": 1, "removed": {"language": 1}, "malformed": 0}
    step = {"step": "filters.language", "arguments": {"keep": [hostile]}, "reason": "language",
            "sources": {hostile: {"in": 2, "removed": 1, "out": 1}}}  # fmt: skip
    text = card(ledger.Tally("out", {hostile: entry}, entry, [step]), "name: x\n```\n", "parquet")
    body = text.partition("## Recipe")[0]
    assert "<script>" not in body and "\\<script\\>" in body
    assert text.count("````") == 2
    front = yaml.safe_load(text.split("---")[1])
    assert front["configs"][0]["data_files"] == [{"split": "train", "path": "data/*.parquet"}]
    assert front["size_categories"] == ["n<1K"]


def test_pandas_frames_can_be_written(tmp_path):
    frame = make_frame(["a", "b"], dead={1: "mine"})
    assert dm.write(frame, tmp_path / "out").total["removed"] == {"mine": 1}


def test_what_a_crash_leaves_behind_is_gone_in_the_end(df, tmp_path):
    """After kill -9 nobody removes the temporary file; the run that goes on does."""
    out = tmp_path / "out"
    dm.write(df, out)
    (out / "ledger.json").unlink()
    (out / ".run").mkdir()
    (out / ".run" / "part-00000.parquet.0123.tmp").write_bytes(b"half")
    dm.write(df, out)
    assert not (out / ".run").exists() and not list(out.rglob("*.tmp"))
    (out / ".run").mkdir()  # killed between the ledger and the tidying
    dm.write(df, out)
    assert not (out / ".run").exists()


def test_part_files_are_whole_or_absent(df, tmp_path, monkeypatch):
    """A crash in the middle of a file leaves a temporary one, never the name itself."""
    from datamerge.write import parts

    def crash(table, file):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(parts, "write_parquet", crash)
    with pytest.raises(KeyboardInterrupt):
        dm.write(df, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("part-*.parquet"))
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_out_may_be_a_path_or_text(df, tmp_path):
    assert dm.write(df, str(tmp_path / "a")).total == dm.write(df, Path(tmp_path / "b")).total


def many(rows: int = 25_000):
    """A frame of three partitions, with rows to keep and rows to remove."""
    texts = [f"row {n % 24_000}" + " is long" * (n % 5 == 0) for n in range(rows)]
    return dm.filters.length(dm.read([{"text": text} for text in texts], name="many"), max=10)


def snapshot(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize("single_file", [False, True])
@pytest.mark.parametrize("damage", [cut, Path.unlink])
@pytest.mark.parametrize("folder", ["data", "removed", "pairs"])
def test_damaged_outputs_are_noticed_and_made_whole(tmp_path, folder, damage, single_file, capsys):
    out = tmp_path / "out"
    df = dm.dedup.exact(many()).mark()
    tally = dm.write(df, out, single_file=single_file)
    whole = snapshot(out)
    path = sorted((out / folder).iterdir())[-1]
    others = [p for p in (out / "data").iterdir() if p.stem != path.stem]
    stamps = {p: p.stat().st_mtime_ns for p in others}
    damage(path)
    assert any(path.name in line for line in inspect.describe(out, examples=0))
    assert dm.write(df, out, single_file=single_file) == tally
    assert f"made whole again: {folder}/{path.name}" in capsys.readouterr().err
    assert snapshot(out) == whole
    assert {p: p.stat().st_mtime_ns for p in others} == stamps  # they were left as they were


def test_other_contents_are_noticed_when_asked_for(tmp_path):
    out = tmp_path / "out"
    dm.write(many(), out)
    path = out / "data" / "part-00001.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert not any("part-00001" in line for line in inspect.describe(out, examples=0))
    told = list(inspect.describe(out, examples=0, verify=True))
    assert "damaged: data/part-00001.parquet has another content" in told[0]


def test_killed_between_the_single_file_and_the_ledger(tmp_path, monkeypatch):
    """Parts go one by one once they are in the file: half of them must not replace it."""
    out, df = tmp_path / "out", many()
    tally = dm.write(df, tmp_path / "quiet", single_file=True)

    class Killed(BaseException):
        pass

    def killed_after(count: int) -> None:
        left = iter(range(count))

        def rm(self, *args, **more):
            if next(left, None) is None:
                raise Killed
            return original(self, *args, **more)

        monkeypatch.setattr(LocalFileSystem, "rm", rm)

    original = LocalFileSystem.rm
    for count in (0, 1, 1):
        killed_after(count)
        with pytest.raises(Killed):
            dm.write(df, out, single_file=True)
        assert not (out / "ledger.json").exists()
    monkeypatch.undo()
    assert dm.write(df, out, single_file=True).total == tally.total
    for part in ("data", "removed"):
        assert snapshot(out / part) == snapshot(tmp_path / "quiet" / part)


def test_a_run_that_was_replaced_does_not_finish(tmp_path, monkeypatch):
    """Two runs in one folder, the second with overwrite: the output is of one of them alone."""
    out, df = tmp_path / "out", many()
    other = dm.filters.length(many(), min=6)
    write = importlib.import_module("datamerge.write")
    original = write.merge_parts

    def meanwhile(*args):
        monkeypatch.setattr(write, "merge_parts", original)
        dm.write(other, out, overwrite=True)
        (out / "data" / "part-00009.parquet").write_bytes(b"written by a worker of the first run")

    monkeypatch.setattr(write, "merge_parts", meanwhile)
    with pytest.raises(FileExistsError, match="another run has begun"):
        dm.write(df, out, single_file=True)
    told = list(inspect.describe(out, examples=0))
    assert told[0].startswith("damaged: data/part-00009.parquet is not of this run")
    dm.write(other, out)
    assert not (out / "data" / "part-00009.parquet").exists()
    dm.write(other, tmp_path / "quiet")
    assert snapshot(out / "data") == snapshot(tmp_path / "quiet" / "data")


@pytest.mark.parametrize("single_file", [False, True])
def test_all_is_on_the_disk_before_the_ledger(df, tmp_path, monkeypatch, single_file):
    """What a power cut would take can't be tried; what was forced to the disk can be counted."""
    forced: list[int] = []
    sync = os.fsync

    def seen(file: int) -> None:
        sync(file)
        forced.append(os.fstat(file).st_ino)

    monkeypatch.setattr(os, "fsync", seen)
    dm.write(df, tmp_path / "out", single_file=single_file)
    paths = [path for path in (tmp_path / "out").rglob("*") if path.name != "ledger.json"]
    assert len(paths) > 4
    last = forced.index((tmp_path / "out" / "ledger.json").stat().st_ino)
    assert {path.stat().st_ino for path in paths} <= set(forced[:last])
    assert (tmp_path / "out").stat().st_ino in forced[last + 1 :]
