"""Which files are meant, what sources and ids are called, and how little planning reads."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import alive, malformed, read, rows

import datamerge as dm
from datamerge.read import archived
from datamerge.read.plan import distinct
from datamerge.read.splits import of_split, split_of, training


@pytest.fixture(autouse=True)
def _workdir(tmp_path: Path) -> Any:
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    fs = MemoryFileSystem()
    fs.store.clear()
    yield fs
    fs.store.clear()


def line(text: str) -> str:
    return json.dumps({"text": text}) + "\n"


def tree(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


# Globs, folders and names


def test_a_folder_is_one_source_of_all_its_data_files(tmp_path: Path) -> None:
    hidden = {".hidden/a.jsonl": line("no"), "_part/a.jsonl": line("no"), "b/.x.jsonl": line("no")}
    others = {"README.md": "no", "LICENSE.txt": "no", "plot.png": b"\x89PNG", "notes": "no"}
    data = {
        "b/2.jsonl": line("2"),
        "1.json": f"[{line('1')}]",
        "b/c/3.txt": "3",
        "4.csv": "text\n4",
    }
    tree(tmp_path / "mixed", hidden | others | data)
    df = read(str(tmp_path / "mixed"))
    assert dict(zip(df["id"], df["text"], strict=True)) == {
        "mixed/1.json#0": "1",
        "mixed/4.csv#0": "4",
        "mixed/b/2.jsonl#0": "2",
        "mixed/b/c/3.txt#0": "3",
    }
    assert rows(read(f"{tmp_path}/mixed/")) == rows(df)
    assert rows(read(tmp_path / "mixed")) == rows(df)
    assert rows(read(f"file://{tmp_path}/mixed")) == rows(df)


def test_globs_and_what_they_are_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"chats/a.jsonl": line("a"), "chats/b.jsonl.gz": gzip.compress(line("b").encode())}
    tree(tmp_path, files | {"chats/c.txt": "c", "chats/README.md": "no", "chats/.x.txt": "no"})
    df = read(f"{tmp_path}/chats/*.jsonl*")
    assert df["id"].tolist() == ["chats/a.jsonl#0", "chats/b.jsonl.gz#0"]
    assert read(f"{tmp_path}/**/*.jsonl")["text"].tolist() == ["a"]
    assert read(f"{tmp_path}/chats/*", name="all")["text"].tolist() == ["a", "b", "c"]
    assert read(f"{tmp_path}/ch*ts/[ab].jsonl")["text"].tolist() == ["a"]
    monkeypatch.chdir(tmp_path / "chats")
    assert read("a.jsonl")["id"].tolist() == ["a/a.jsonl#0"]
    assert read("*.jsonl")["id"].tolist() == ["chats/a.jsonl#0"]


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    tree(tmp_path, {"chat [1].jsonl": line("a")})
    assert read(f"{tmp_path}/chat [1].jsonl")["text"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("alpaca.json", "alpaca"),
        ("a.b.jsonl.gz", "a.b"),
        ("x.tar.jsonl", "x.tar"),
        ("plain", "plain"),
    ],
)
def test_a_source_is_called_after_its_file(tmp_path: Path, file: str, name: str) -> None:
    content = line("a").encode()
    tree(tmp_path, {file: gzip.compress(content) if file.endswith("gz") else content})
    assert read(str(tmp_path / file))["source"].tolist() == [name]


def test_sources_of_one_name_grow_by_their_folders(tmp_path: Path) -> None:
    tree(tmp_path, {f"{folder}/data.jsonl": line(folder) for folder in ("a", "b", "c/b")})
    paths = [f"{tmp_path}/{folder}/data.jsonl" for folder in ("a", "b", "c/b")]
    df = read(*paths)
    parent = tmp_path.name
    assert df["source"].tolist() == ["a/data", "c/b/data", f"{parent}/b/data"]
    assert rows(read(*paths[::-1])) == rows(df)
    with pytest.raises(ValueError, match="name="):
        dm.read(paths[0], paths[0])
    with pytest.raises(ValueError, match="two sources are named 'x'"):
        dm.read({"path": paths[0], "name": "x"}, {"path": paths[1], "name": "x"})


def test_ids_of_two_sources_never_meet(tmp_path: Path) -> None:
    tree(tmp_path, {"a/b/c.jsonl": line("1"), "x/a/b/c.jsonl": line("2"), "y/b/c.jsonl": line("3")})
    with pytest.raises(ValueError, match="the same ids to records of 'b/c.jsonl'"):
        dm.read({"path": f"{tmp_path}/x/a/b", "name": "a/b"}, f"{tmp_path}/a")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=3), min_size=1, max_size=4).map(
        lambda paths: ["/r/" + "/".join(path) + ".jsonl" for path in paths]
    )
)
def test_names_that_paths_imply_are_distinct_in_any_order(paths: list[str]) -> None:
    def named(paths: list[str]) -> dict[str, str]:
        stems = [path.rpartition("/")[2].removesuffix(".jsonl") for path in paths]
        return dict(zip(paths, distinct([{"path": p} for p in paths], stems), strict=True))

    if len(set(paths)) < len(paths):
        with pytest.raises(ValueError, match="name="):
            named(paths)
    else:
        names = named(paths)
        assert len(set(names.values())) == len(paths)
        assert named(paths[::-1]) == names


# Splits


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("data/test-00000-of-00001.parquet", "test"),
        ("data/test_sft-00000-of-00001-ab12.parquet", "test_sft"),
        ("main/validation/0.parquet", "validation"),
        ("dev.csv", "validation"),
        ("alpaca_eval.json", "test"),
        ("train-of-thought/test.json", "test"),
        ("training/0.jsonl", "train"),
        ("constraint.json", None),
        ("a.json", None),
    ],
)
def test_the_split_a_name_tells(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_choosing_a_split() -> None:
    names = ["train_sft-00000-of-00001.parquet", "train_gen-00000-of-00001.parquet"]
    names += ["test_sft-00000-of-00001.parquet"]
    assert training(names) == names[:2]
    assert of_split(names, "train_gen") == names[1:2]
    assert of_split(["dev.json", "train.json"], "validation") == ["dev.json"]
    assert training(["a.json", "test.json"]) == ["a.json", "test.json"]
    with pytest.raises(FileNotFoundError, match=r"there are \['test_sft', 'train_gen'"):
        of_split(names, "validation")


def test_split_and_data_files_of_a_folder(tmp_path: Path) -> None:
    tree(
        tmp_path, {"d/train.jsonl": line("1"), "d/test.jsonl": line("2"), "d/x/a.jsonl": line("3")}
    )
    folder = str(tmp_path / "d")
    assert read(folder)["text"].tolist() == ["2", "1", "3"]
    assert read(folder, split="test")["text"].tolist() == ["2"]
    assert read(folder, data_files="x/*.jsonl")["text"].tolist() == ["3"]
    assert read(folder, data_files=["train.jsonl", "t*.jsonl"])["text"].tolist() == ["2", "1"]
    with pytest.raises(FileNotFoundError, match="d: split='dev': no file of that split"):
        dm.read(folder, split="dev")
    with pytest.raises(FileNotFoundError, match="data_files 'y/' matches nothing there"):
        dm.read(folder, data_files="y/")
    with pytest.raises(ValueError, match="is for hf:// paths"):
        dm.read(folder, revision="main")


# File systems


def test_any_fsspec_file_system(memory: MemoryFileSystem) -> None:
    memory.pipe({"/chats/a.jsonl": line("a").encode(), "/chats/b.txt": b"b\nc\n"})
    expected = {"chats/a.jsonl#0": "a", "chats/b.txt#0": "b", "chats/b.txt#2": "c"}
    for path in ("memory://chats", "memory:///chats/*"):
        df = read(path, blocksize=2, name="chats")
        assert dict(zip(df["id"], df["text"], strict=True)) == expected
    with pytest.raises(FileNotFoundError, match="memory://absent: no such file"):
        dm.read("memory://absent")
    with pytest.raises(ValueError, match="nosuch"):
        dm.read("nosuch://a")


def test_threads_do_not_share_the_position_in_a_file_in_memory(memory: MemoryFileSystem) -> None:
    body = "".join(f'"{n}\n{"x" * 90}",{n}\n' for n in range(60_000))
    memory.pipe({"/a.csv": b"text,n\n" + body.encode()})
    with dask.config.set(scheduler="threads", num_workers=8):
        df = read("memory://a.csv", blocksize="1MiB")
    assert df["text"].str.split("\n").str[0].tolist() == [str(n) for n in range(60_000)]


def test_storage_options_are_used_and_never_part_of_the_name(tmp_path: Path) -> None:
    tree(tmp_path, {"a.jsonl": line("a")})
    one = dm.read(str(tmp_path / "a.jsonl"), storage_options={"auto_mkdir": True})
    two = dm.read(str(tmp_path / "a.jsonl"), storage_options={"auto_mkdir": False})
    assert one._name == two._name
    assert one.compute()["text"].tolist() == ["a"]


def test_files_in_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/1.jsonl", line("1") * 3)
        archive.writestr("x/2.jsonl", line("2"))
    df = read(f"zip://x/*.jsonl::{tmp_path}/a.zip", name="z", blocksize=10)
    assert df["text"].tolist() == ["1", "1", "1", "2"]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_threads_read_an_archive_each_at_its_own_place(kind: str, tmp_path: Path) -> None:
    """All files of a tar are read through one, which has one position."""
    path, many = tmp_path / f"a.{kind}", 1500
    rows = {
        f"{file}.jsonl": [f"{file} {row} {'x' * 200}" for row in range(many)] for file in range(4)
    }
    contents = {name: "".join(map(line, texts)).encode() for name, texts in rows.items()}
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w") as archive:
            for name, content in contents.items():
                told = tarfile.TarInfo(name)
                told.size = len(content)
                archive.addfile(told, io.BytesIO(content))
    df = dm.read(f"{kind}://*.jsonl::{path}", name="rows", blocksize=100_000)
    assert df.npartitions > 12
    for _ in range(3):
        found = df.compute(scheduler="threads", num_workers=4)
        assert found["text"].tolist() == [text for texts in rows.values() for text in texts]


def test_a_file_of_an_archive_is_read_at_any_place(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bin", content)
    fs = fsspec.filesystem("zip", fo=str(tmp_path / "a.zip"))
    with archived.opened(fs, "a.bin") as one, archived.opened(fs, "a.bin") as other:
        assert one.seek(-3, io.SEEK_END) == len(content) - 3 and one.read() == content[-3:]
        assert one.seek(700) == 700 and one.read(5) == content[700:705]
        assert other.read(9) == content[:9] and one.seek(5, io.SEEK_CUR) == 710
        assert one.read(300_000) == content[710:300_710] and one.tell() == 300_710
        assert one.seek(10**9) == 10**9 and one.read() == b""
        with pytest.raises(ValueError, match="negative seek"):
            one.seek(-1)


def test_the_kept_rows_of_an_earlier_run(tmp_path: Path) -> None:
    records = [{"text": f"text number {n}", "n": n} for n in range(5)] + [{"text": 1}]
    tree(tmp_path, {"a.jsonl": "".join(json.dumps(record) + "\n" for record in records)})
    dm.write(dm.read(str(tmp_path / "a.jsonl")), str(tmp_path / "out"))
    again = read(str(tmp_path / "out"))
    assert again["text"].tolist() == [record["text"] for record in records[:5]]
    metas = [json.loads(meta) for meta in again["meta"]]
    assert [meta["n"] for meta in metas] == list(range(5))
    assert metas[0]["datamerge"] == {"id": "a/a.jsonl#0", "source": "a"}


# Laziness


class Counting(MemoryFileSystem):
    """A file system in memory that counts the bytes that are read from it."""

    protocol = "counting"
    store: dict[str, Any] = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012
    taken = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.replace("counting://", "memory://"))

    def _open(self, *args: Any, **kwargs: Any) -> Any:
        return _CountingFile(super()._open(*args, **kwargs).getvalue())


class _CountingFile(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        Counting.taken += len(data)
        return data


@pytest.fixture
def counting() -> Iterator[type[Counting]]:
    fsspec.register_implementation("counting", Counting, clobber=True)
    Counting.store.clear()
    Counting.taken = 0
    yield Counting
    Counting.store.clear()


def big(kind: str) -> bytes:
    records = [{"text": f"text {n} " + "x" * 1000, "n": n} for n in range(20_000)]
    if kind in ("jsonl", "jsonl.gz"):
        data = "".join(json.dumps(record) + "\n" for record in records).encode()
        return data if kind == "jsonl" else gzip.compress(data, 0)
    if kind == "json":
        return json.dumps(records).encode()
    if kind == "csv":
        return b"text,n\n" + b"".join(b"%s,%d\n" % (r["text"].encode(), r["n"]) for r in records)  # type: ignore[attr-defined]
    sink = pa.BufferOutputStream()
    table = pa.table({"text": [r["text"] + os.urandom(200).hex() for r in records]})
    pq.write_table(table, sink, compression="none", use_dictionary=False, data_page_size=1 << 16)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "json", "csv", "parquet"])
@pytest.mark.parametrize("blocksize", ["64MiB", "1MiB"])
def test_planning_reads_a_bounded_sample(counting: Any, kind: str, blocksize: str) -> None:
    fs = counting()
    data = big(kind)
    for n in range(8):
        fs.pipe(f"/d/{n}.{kind}", data)
    counting.taken = 0
    lazy = dm.read("counting://d", blocksize=blocksize)
    # Five files are sampled; a large .json file is also looked at to see what it is.
    assert counting.taken <= (8 + 5 * 2) * (1 << 20)
    assert counting.taken < 8 * len(data) / 8
    assert lazy.npartitions >= 8 or blocksize == "64MiB"


# The same name for the same data

SCRIPT = "import datamerge as dm, sys; print(dm.read(*sys.argv[1:], blocksize=50)._name)"


def test_a_frame_has_one_name_in_any_process_and_order(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "c.parquet")
    tree(tmp_path, {"a.jsonl": line("a") * 9, "b.json": "[" + line("b") + "]"})
    paths = [str(tmp_path / name) for name in ("a.jsonl", "b.json", "c.parquet")]
    name = dm.read(*paths, blocksize=50)._name
    assert dm.read(*paths[::-1], blocksize=50)._name == name
    env = os.environ | {"PYTHONPATH": str(Path(dm.__file__).parents[1]), "PYTHONHASHSEED": "5"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *paths], capture_output=True, text=True, env=env, check=True
    )
    assert done.stdout.strip() == name


def test_a_frame_has_another_name_when_a_file_changes(tmp_path: Path) -> None:
    path = tree(tmp_path, {"a.jsonl": line("a")}) / "a.jsonl"
    name = dm.read(str(path))._name
    path.write_text(line("b"))
    os.utime(path, (1, 1))
    later = dm.read(str(path))._name
    assert later != name
    path.write_text(line("bb"))
    os.utime(path, (1, 1))
    assert dm.read(str(path))._name not in (name, later)
    for options in ({"type": "text"}, {"blocksize": 3}, {"name": "x"}):
        assert dm.read(str(path), **options)._name != name


def test_a_frame_of_another_file_system_has_another_name_when_a_file_changes(
    memory: MemoryFileSystem,
) -> None:
    memory.pipe("/a.jsonl", line("a").encode())
    name = dm.read("memory://a.jsonl")._name
    assert dm.read("memory://a.jsonl")._name == name
    memory.pipe("/a.jsonl", line("b").encode())
    assert dm.read("memory://a.jsonl")._name != name


def test_small_files_share_a_partition_and_order_does_not_matter(tmp_path: Path) -> None:
    tree(tmp_path, {f"d/{n:02}.jsonl": line(str(n)) for n in range(30)})
    assert dm.read(str(tmp_path / "d")).npartitions == 1
    files = sorted((tmp_path / "d").iterdir())
    size = files[0].stat().st_size
    lazy = dm.read(str(tmp_path / "d"), blocksize=size * 7)
    assert 4 <= lazy.npartitions <= 8
    assert lazy.compute()["text"].tolist() == [str(n) for n in range(30)]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".jsonl.gz", ".parquet"])
def test_thousands_of_small_files_make_few_partitions(tmp_path: Path, suffix: str) -> None:
    first = tmp_path / f"0000{suffix}"
    table = pd.DataFrame({"text": ["a small file"]})
    if suffix == ".parquet":
        table.to_parquet(first)
    elif suffix == ".csv":
        table.to_csv(first, index=False)
    else:
        table.to_json(first, orient="records", lines=suffix != ".json")
    for number in range(1, 5000):
        (tmp_path / f"{number:04}{suffix}").hardlink_to(first)
    lazy = dm.read(str(tmp_path))
    assert lazy.npartitions <= 8
    assert dm.read(str(tmp_path), blocksize=first.stat().st_size * 500).npartitions < 5000 / 100


def test_large_files_are_cut_evenly_and_none_leaves_a_crumb(tmp_path: Path) -> None:
    rows = "".join(line("x" * 80) for _ in range(1000))
    tree(tmp_path, {"a.jsonl": rows, "b.jsonl": rows})
    size = (tmp_path / "a.jsonl").stat().st_size
    lazy = dm.read(str(tmp_path / "*.jsonl"), blocksize=size // 4 - 10)
    lengths = lazy.map_partitions(len).compute().tolist()
    assert len(lengths) == 10 and sum(lengths) == 2000
    assert max(lengths) - min(lengths) <= 1


def test_a_source_that_is_all_malformed_is_still_accounted_for(tmp_path: Path) -> None:
    tree(tmp_path, {"a.jsonl": "nonsense\nmore nonsense\n"})
    df = read(str(tmp_path / "a.jsonl"))
    assert len(alive(df)) == 0 and list(malformed(df)) == [0, 9]
