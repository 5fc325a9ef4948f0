"""Data sets on the Hub, with the real client against a Hub on loopback."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import read, rows

import datamerge as dm

if TYPE_CHECKING:
    from hub import Hub

pytest_plugins = ("hub",)


def parquet(*texts: str) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": list(texts)}), out, row_group_size=1)
    return out.getvalue()


@pytest.fixture
def repo(hub: Hub) -> str:
    files = {
        "README.md": "---\nlicense: mit\n---\n# Chats",
        "main/train-00000-of-00002.parquet": parquet("m0", "m1"),
        "main/train-00001-of-00002.parquet": parquet("m2"),
        "main/test-00000-of-00001.parquet": parquet("t0"),
        "extra/train-00000-of-00001.parquet": parquet("e0"),
        "raw/notes.jsonl": '{"text": "n0"}\n{"text": "n1"}\n',
    }
    hub.add_repo("me/chats", files)
    return "hf://datasets/me/chats"


def texts(path: str, **options: str) -> list[str]:
    return sorted(read(path, **options)["text"])


def test_a_data_set_is_its_training_data(repo: str) -> None:
    df = read(repo)
    assert sorted(df["text"]) == ["e0", "m0", "m1", "m2"]
    assert set(df["source"]) == {"chats"}
    assert "chats/main/train-00000-of-00002.parquet#1" in set(df["id"])


def test_split_name_and_data_files_choose(repo: str) -> None:
    assert texts(repo, split="test") == ["t0"]
    assert texts(repo, name="main") == ["m0", "m1", "m2"]
    assert texts(repo, name="main", split="test") == ["t0"]
    assert texts(repo, data_files="raw/*.jsonl") == ["n0", "n1"]
    df = read(repo, name="extra")
    assert df["id"].tolist() == ["extra/extra/train-00000-of-00001.parquet#0"]
    with pytest.raises(FileNotFoundError, match=r"split='dev': .* there are \['test', 'train'\]"):
        dm.read(repo, split="dev")


def test_a_path_or_a_pattern_inside_it(repo: str) -> None:
    assert texts(f"{repo}/raw/notes.jsonl", blocksize="5 B") == ["n0", "n1"]
    assert texts(f"{repo}/main/*.parquet") == ["m0", "m1", "m2", "t0"]
    assert texts(f"{repo}/main") == ["m0", "m1", "m2"]
    with pytest.raises(FileNotFoundError, match="absent"):
        dm.read(f"{repo}/absent.jsonl")
    with pytest.raises(FileNotFoundError, match="me/nothing"):
        dm.read("hf://datasets/me/nothing")


def test_revision(hub: Hub, repo: str) -> None:
    first = hub.repos["me/chats"].branches["main"]
    hub.add_repo("me/chats", {"train.jsonl": '{"text": "later"}\n'}, branch="next")
    assert texts(repo, revision="next") == ["later"]
    assert texts(f"{repo}@next") == ["later"]
    assert texts(repo, revision=first) == texts(repo)
    named = read(repo, revision="next")
    assert named["id"].tolist() == ["chats/train.jsonl#0"]
    assert rows(named) == rows(read(f"{repo}@next"))


def test_a_frame_has_another_name_when_the_data_set_changes(hub: Hub) -> None:
    hub.add_repo("me/a", {"train.jsonl": '{"text": "a"}\n'})
    script = "import datamerge as dm; print(dm.read('hf://datasets/me/a')._name)"
    names = [hub.run(script).stdout for _ in range(2)]
    hub.add_repo("me/a", {"train.jsonl": '{"text": "b"}\n'})
    assert names[0] == names[1] != hub.run(script).stdout


def test_the_token_is_in_no_name_and_in_no_text(hub: Hub, repo: str) -> None:
    lazy = dm.read(repo, storage_options={"token": hub.token})
    assert lazy._name == dm.read(repo)._name
    assert hub.token not in repr(lazy) + repr(lazy.expr) + json.dumps(str(lazy.dask))
    assert len(lazy.compute()) == 4
