from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from datamerge._merge_card import END, START
from datamerge.upload import merge_card, upload

if TYPE_CHECKING:
    from hub import Hub

pytest_plugins = ("hub",)

CARD = """---
configs:
- config_name: default
  data_files: data/*
size_categories:
- n<1K
tags:
- datamerge
license: other
---

# merged

<!-- datamerge:start -->
6 rows kept of 9.
<!-- datamerge:end -->
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a finished run: three parts of two rows, one removed row, one malformed."""
    root = tmp_path / "merged"
    for part in range(3):
        rows = {"id": [f"a#{part}", f"b#{part}"], "text": [f"one {part}", f"two {part}"]}
        write_parquet(root / f"data/part-{part}.parquet", rows)
    write_parquet(root / "removed/part-0.parquet", {"id": ["c#0"], "text": ["call 555-0100"]})
    write_parquet(root / "pairs/part-0.parquet", {"id": ["c#0"], "other": ["a#0"]})
    (root / "malformed").mkdir()
    (root / "malformed/a.jsonl").write_text('{"raw": "{"}\n')
    (root / "ledger.json").write_text(json.dumps({"total": {"read": 9, "kept": 6}}))
    (root / "recipe.yaml").write_text("name: merged\n")
    (root / "README.md").write_text(CARD)
    return root


def write_parquet(path: Path, columns: dict[str, list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def local_files(root: Path, *names: str) -> dict[str, bytes]:
    found = [p for name in names for p in root.glob(name)]
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in found}


PUBLISHED = ("data/*", "README.md", "ledger.json", "recipe.yaml")
EVIDENCE = ("removed/*", "malformed/*", "pairs/*")


# What goes up


def test_the_run_arrives_in_a_private_repo_in_one_commit(hub: Hub, run: Path) -> None:
    url = upload(run, "me/merged")
    repo = hub.repos["me/merged"]
    assert hub.files("me/merged") == local_files(run, *PUBLISHED)
    assert repo.private
    assert url == f"{hub.url}/datasets/me/merged/commit/{repo.branches['main']}"
    assert repo.messages[-1] == "6 of 9 rows kept, by datamerge"
    assert len(hub.asked("POST .*/commit/")) == 1


def test_evidence_goes_up_only_when_asked_and_comes_down_again(hub: Hub, run: Path) -> None:
    upload(run, "me/merged")
    assert not any(
        path.startswith(("removed", "malformed", "pairs")) for path in hub.files("me/merged")
    )
    upload(run, "me/merged", evidence=True)
    assert hub.files("me/merged") == local_files(run, *PUBLISHED, *EVIDENCE)
    upload(run, "me/merged")
    assert hub.files("me/merged") == local_files(run, *PUBLISHED)


def test_other_files_of_the_folder_stay_at_home(hub: Hub, run: Path) -> None:
    (run / ".env").write_text("SECRET=1")
    (run / "notes.txt").write_text("mine")
    (run / "data/.ipynb_checkpoints").mkdir()
    (run / "data/.ipynb_checkpoints/part-0.parquet").write_bytes(b"old")
    upload(run, "me/merged")
    assert hub.files("me/merged") == local_files(run, "data/*.parquet", *PUBLISHED[1:])


def test_stale_parts_leave_in_the_commit_that_brings_the_new(hub: Hub, run: Path) -> None:
    upload(run, "me/merged")
    (run / "data/part-2.parquet").unlink()
    write_parquet(run / "data/part-0.parquet", {"id": ["z#0"], "text": ["new"]})
    before = len(hub.repos["me/merged"].commits)
    upload(run, "me/merged")
    assert len(hub.repos["me/merged"].commits) == before + 1
    assert hub.files("me/merged") == local_files(run, *PUBLISHED)


def test_what_else_lives_in_the_repo_is_left_alone(hub: Hub, run: Path) -> None:
    hub.add_repo("me/merged", {"notes.md": "mine", "plots/a.png": b"png", "database/x": "y"})
    upload(run, "me/merged", private=False)
    kept = {"notes.md": b"mine", "plots/a.png": b"png", "database/x": b"y"}
    assert hub.files("me/merged") == local_files(run, *PUBLISHED) | kept


@pytest.mark.parametrize("name", ["data/train-00000.parquet", "data/part-0.parquet"])
def test_data_of_other_origin_is_not_touched_but_refused(hub: Hub, run: Path, name: str) -> None:
    hub.add_repo("me/merged", {name: b"theirs"}, private=True)
    with pytest.raises(ValueError, match=rf"{name}, which did not come from datamerge"):
        upload(run, "me/merged")
    assert hub.files("me/merged") == {name: b"theirs"}


def test_nothing_new_makes_no_commit(hub: Hub, run: Path) -> None:
    first = upload(run, "me/merged")
    assert upload(run, "me/merged") == first
    assert len(hub.asked("PUT /lfs/")) == 3


def test_revision_is_a_branch_made_when_missing(hub: Hub, run: Path) -> None:
    hub.add_repo("me/merged", {"notes.md": "mine"}, private=True)
    upload(run, "me/merged", revision="v2", commit_message="second try")
    assert hub.files("me/merged") == {"notes.md": b"mine"}
    assert hub.files("me/merged", "v2") == local_files(run, *PUBLISHED) | {"notes.md": b"mine"}
    assert hub.repos["me/merged"].messages[-1] == "second try"
    upload(run, "me/merged", revision="v2", evidence=True)
    assert hub.files("me/merged", "v2").keys() >= local_files(run, *EVIDENCE).keys()


@pytest.mark.parametrize("public", [True, False])
def test_an_existing_repo_keeps_its_visibility(hub: Hub, run: Path, public: bool) -> None:
    hub.add_repo("me/merged", private=not public)
    if public:
        with pytest.warns(UserWarning, match="me/merged is public") as caught:
            upload(run, "me/merged")
        assert caught[0].filename == __file__
    else:
        upload(run, "me/merged", private=False)
    assert hub.repos["me/merged"].private is not public


def test_a_public_repo_is_made_on_request(hub: Hub, run: Path) -> None:
    upload(run, "me/merged", private=False)
    assert not hub.repos["me/merged"].private


def test_a_published_run_loads_with_the_clients_people_use(hub: Hub, run: Path) -> None:
    upload(run, "me/merged")
    done = hub.run(
        "import datasets, pandas as pd, huggingface_hub\n"
        "rows = datasets.load_dataset('me/merged', split='train')\n"
        "print(sorted(rows['id']))\n"
        "fs = huggingface_hub.HfFileSystem()\n"
        "parts = fs.glob('datasets/me/merged/data/*.parquet')\n"
        "print([len(pd.read_parquet('hf://' + part)) for part in parts])\n"
        "with fs.open('datasets/me/merged@main/recipe.yaml', 'rb') as file:\n"
        "    print(file.seek(6), file.read(6))\n"
    )
    assert done.stdout.splitlines() == [
        "['a#0', 'a#1', 'a#2', 'b#0', 'b#1', 'b#2']",
        "[2, 2, 2]",
        "6 b'merged'",
    ], done.stderr


def chunks(storage: Path) -> list[str]:
    return sorted(f.name for f in storage.rglob("xorbs/default.*") if f.suffix != ".tagset")


def test_xet_storage_and_a_retry_into_it(hub: Hub, run: Path, tmp_path: Path) -> None:
    hub.xet = tmp_path / "cas"
    hub.xet.mkdir()
    hub.fail("POST .*/commit/", 503)
    script = f"import datamerge as dm; print(dm.upload({str(run)!r}, 'me/merged'))"
    failed = hub.run(script, HF_HUB_DISABLE_XET="0")
    assert failed.returncode == 1 and "Call upload again" in failed.stderr
    assert "data/part-0.parquet" not in hub.files("me/merged")
    stored = chunks(hub.xet)
    done = hub.run(script, HF_HUB_DISABLE_XET="0")
    assert "/datasets/me/merged/commit/" in done.stdout, done.stderr
    repo = hub.repos["me/merged"]
    tree = repo.commits[repo.branches["main"]]
    for path, content in local_files(run, "data/*").items():
        assert tree[path].sha256 == hashlib.sha256(content).hexdigest()
    assert hub.asked("xet-write-token") and not hub.asked("PUT /lfs/")
    assert stored and chunks(hub.xet) == stored  # the retry stored nothing twice


# A retry goes on


@pytest.mark.parametrize("status", [503, None], ids=["503", "connection cut"])
def test_retry_after_a_failed_blob_sends_only_the_rest(
    hub: Hub, run: Path, status: int | None
) -> None:
    hub.fail("PUT /lfs/", status, after=2, times=6)  # the client tries six times
    with pytest.raises(ConnectionError, match="Call upload again"):
        upload(run, "me/merged")
    assert hub.files("me/merged") == {} and len(hub.blobs) == 2
    hub.faults.clear()
    hub.requests.clear()
    upload(run, "me/merged")
    assert len(hub.asked("PUT /lfs/")) == 1
    assert not hub.asked("POST /api/repos/create")
    assert hub.files("me/merged") == local_files(run, *PUBLISHED)


@pytest.mark.parametrize("status", [500, None], ids=["500", "connection cut"])
@pytest.mark.parametrize(
    "request_", ["POST /api/repos/create", "GET .*/tree/", "POST .*/preupload/", "POST .*/commit/"]
)
def test_retry_after_any_failed_request(
    hub: Hub, run: Path, request_: str, status: int | None
) -> None:
    hub.fail(request_, status, times=6)
    with pytest.raises(ConnectionError, match="Call upload again"):
        upload(run, "me/merged")
    assert not hub.repos or hub.files("me/merged") == {}
    hub.faults.clear()
    upload(run, "me/merged")
    assert hub.files("me/merged") == local_files(run, *PUBLISHED)
    assert len(hub.asked("PUT /lfs/")) == 3


def test_many_files_go_in_batches_and_land_in_one_commit(
    hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["datamerge.upload"], "_BATCH", 2)
    upload(run, "me/merged")
    assert len(hub.asked("POST .*/preupload/")) == 3
    assert len(hub.asked("POST .*/commit/")) == 1
    assert hub.files("me/merged") == local_files(run, *PUBLISHED)


def test_a_passing_fault_needs_no_second_call(hub: Hub, run: Path) -> None:
    hub.fail("PUT /lfs/", 503, after=1)
    upload(run, "me/merged")
    assert hub.files("me/merged") == local_files(run, *PUBLISHED)


def test_a_card_edited_during_the_upload_is_not_overwritten(hub: Hub, run: Path) -> None:
    class Blobs(dict[str, bytes]):
        def __setitem__(self, sha256: str, content: bytes) -> None:
            super().__setitem__(sha256, content)
            if len(self) == 3:
                hub.add_repo("me/merged", {"README.md": "two"})

    hub.add_repo("me/merged", {"README.md": "one"}, private=True)
    hub.blobs = Blobs()
    with pytest.raises(ConnectionError, match="somebody committed to me/merged"):
        upload(run, "me/merged")
    assert hub.files("me/merged") == {"README.md": b"two"}
    upload(run, "me/merged")
    assert hub.files("me/merged")["README.md"].decode() == merge_card("two", CARD)
    assert len(hub.asked("PUT /lfs/")) == 3


# What is refused, and in which words


def test_an_unfinished_run_is_refused(hub: Hub, run: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        upload(tmp_path / "nowhere", "me/merged")
    (run / "data/part-3.parquet.tmp").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"work in progress \(data/part-3\.parquet\.tmp\)"):
        upload(run, "me/merged")
    (run / "data/part-3.parquet.tmp").unlink()
    (run / ".run").mkdir()
    with pytest.raises(ValueError, match=r"work in progress \(\.run\)"):
        upload(run, "me/merged")
    (run / ".run").rmdir()
    for broken in ["", "{}", '{"total": {"kept": 1', '{"total": [1]}']:
        (run / "ledger.json").write_text(broken)
        with pytest.raises(ValueError, match="not a ledger"):
            upload(run, "me/merged")
    (run / "ledger.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"not the output of a finished run.*no ledger"):
        upload(run, "me/merged")
    assert not hub.requests


def test_a_ledger_without_its_data_is_refused(hub: Hub, run: Path) -> None:
    for part in run.glob("data/*"):
        part.unlink()
    with pytest.raises(ValueError, match=r"holds no data.*6 kept rows"):
        upload(run, "me/merged")
    (run / "ledger.json").write_text(json.dumps({"total": {"read": 9, "kept": 0}}))
    upload(run, "me/merged")
    assert hub.files("me/merged") == local_files(run, *PUBLISHED[1:])


@pytest.mark.parametrize(
    "repo_id", ["merged", "datasets/me/merged", "me/mer ged", "me/a--b", "", "https://hf.co/me/x"]
)
def test_a_bad_repo_id(hub: Hub, run: Path, repo_id: str) -> None:
    with pytest.raises(ValueError, match="not a dataset repo like"):
        upload(run, repo_id)
    assert not hub.requests


def test_no_token(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(PermissionError, match=r"no Hugging Face token: run `hf auth login`"):
        upload(run, "me/merged")
    assert not hub.requests
    upload(run, "me/pasted", token=f" {hub.token}\n")
    (hub.home / "token").write_text(hub.token + "\n")  # as `hf auth login` leaves it
    upload(run, "me/merged")


@pytest.mark.parametrize("exists", [True, False])
def test_an_invalid_token(hub: Hub, run: Path, exists: bool) -> None:
    if exists:
        hub.add_repo("me/merged")
    with pytest.raises(PermissionError, match=r"does not accept this Hugging Face token.*login"):
        upload(run, "me/merged", token="hf_expired")


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize(
    ("repo_id", "token"), [("me/merged", "read_token"), ("nasa/merged", "token")]
)
def test_no_permission(hub: Hub, run: Path, exists: bool, repo_id: str, token: str) -> None:
    if exists:
        hub.add_repo(repo_id, private=True)
    with pytest.raises(PermissionError, match=rf"may not write to {repo_id}"):
        upload(run, repo_id, token=getattr(hub, token))


def test_no_network(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match="unset HF_HUB_OFFLINE"):
        upload(run, "me/merged")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    hub.close()
    with pytest.raises(ConnectionError, match=r"cannot be reached.*check the network"):
        upload(run, "me/merged")


def test_a_refusal_of_the_hub_is_passed_on(hub: Hub, run: Path) -> None:
    hub.fail("POST .*/commit/", 413)
    with pytest.raises(ValueError, match=r"refused the upload to me/merged.*413.*planted fault"):
        upload(run, "me/merged")


def test_files_kept_out_by_a_gitignore_are_an_error(hub: Hub, run: Path) -> None:
    hub.gitignored = re.compile(r"part-1")
    with pytest.raises(ValueError, match=r"left out 1 files, data/part-1\.parquet.*gitignore"):
        upload(run, "me/merged")


def test_a_broken_card_on_the_hub_is_an_error_that_names_the_line(hub: Hub, run: Path) -> None:
    hub.add_repo("me/merged", {"README.md": "---\nlicense: mit\ntags: [a\n---\n"}, private=True)
    with pytest.raises(ValueError, match=r"front matter of README.md is not YAML, line 4"):
        upload(run, "me/merged")
    assert "ledger.json" not in hub.files("me/merged")


# The token


SECRET = "hf_" + "S3cretThatMustNotShow"


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        (SECRET, None),
        (SECRET + "é", None),
        (SECRET + "\nX-Evil: 1", None),
        (f"  {SECRET}\n", ("PUT /lfs/", 503)),
        (SECRET, ("POST .*/commit/", None)),
        (SECRET, ("POST .*/commit/", 422)),
        (SECRET, ("GET .*/resolve/", 500)),
    ],
)
def test_no_error_shows_the_token(
    hub: Hub, run: Path, token: str, fault: tuple[str, int | None] | None
) -> None:
    hub.add_repo("me/merged", {"README.md": "hello"}, private=True)
    if fault:
        hub.roles[SECRET] = "write"
        hub.fail(*fault, times=99, message=f"no {SECRET} here")
    with pytest.raises((OSError, ValueError)) as caught:
        upload(run, "me/merged", token=token)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [f for f in frames.stack if f.filename != __file__]
    frames.stack = traceback.StackSummary.from_list(ours)
    assert ours and SECRET not in "".join(frames.format())
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_an_error_of_our_own_making_shows_no_token_either(hub: Hub, run: Path) -> None:
    for folder, repo_id in [(run / "data", "me/merged"), (run, "merged")]:
        with pytest.raises((OSError, ValueError)) as caught:
            upload(folder, repo_id, token=SECRET)
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        for frame in shown.stack:
            assert frame.filename == __file__ or SECRET not in str(frame.locals)


def test_an_error_that_is_not_the_hubs_keeps_its_traceback(hub: Hub, run: Path) -> None:
    class Blobs(dict[str, bytes]):
        def __contains__(self, sha256: object) -> bool:
            (run / "data/part-1.parquet").unlink(missing_ok=True)
            return super().__contains__(sha256)

    hub.blobs = Blobs()
    hub.roles[SECRET] = "write"
    with pytest.raises((OSError, RuntimeError), match=r"data/part-1\.parquet") as caught:
        upload(run, "me/merged", token=SECRET)
    assert not isinstance(caught.value, ConnectionError)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert any(frame.name == "_upload_files" for frame in shown.stack)
    while shown:
        assert all(f.filename == __file__ or SECRET not in str(f.locals) for f in shown.stack)
        shown = shown.__cause__ or shown.__context__


@pytest.mark.parametrize("xet", ["0", "1"])
def test_no_log_and_no_file_holds_the_token(hub: Hub, run: Path, tmp_path: Path, xet: str) -> None:
    hub.roles[SECRET] = "write"
    hub.xet = tmp_path / "cas"
    hub.xet.mkdir()
    script = (
        "import logging, sys; logging.basicConfig(level='DEBUG')\n"
        "import datamerge as dm\n"
        f"print(dm.upload({str(run)!r}, 'me/merged', token=sys.stdin.readline()))\n"
    )
    script = script.replace("sys.stdin.readline()", f"''.join(map(chr, {list(SECRET.encode())}))")
    noisy = {"HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug", "RUST_LOG": "debug"}
    done = hub.run(script, HF_TOKEN="", HF_HUB_DISABLE_XET=xet, **noisy)
    assert "/commit/" in done.stdout, done.stderr
    assert "api/datasets/me/merged" in done.stderr  # the log is on
    assert SECRET not in done.stdout + done.stderr
    for root in (hub.home, run, hub.xet):
        for file in root.rglob("*"):
            assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


def test_importing_loads_no_client() -> None:
    script = "import datamerge.upload, sys; sys.exit('huggingface_hub' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# The card


def meta_and_body(card: str) -> tuple[dict, str]:
    _, head, body = card.split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_card_on_the_hub_is_updated_not_overwritten(hub: Hub, run: Path) -> None:
    upload(run, "me/merged")
    edited = CARD.replace("license: other", "license: mit  # asked Ann\npretty_name: 'Yes'")
    edited = edited.replace("# merged", "# My chats\n\nRead this first.") + "\nThanks, all.\n"
    tree = dict(hub.repos["me/merged"].commits[hub.repos["me/merged"].branches["main"]])
    tree["README.md"] = hub.blob("README.md", edited.encode())
    hub.repos["me/merged"].commit("main", tree)
    (run / "README.md").write_text(
        CARD.replace("6 rows kept", "7 rows kept").replace("n<1K", "1K<n<10K")
    )
    upload(run, "me/merged")
    expected = edited.replace("6 rows kept", "7 rows kept").replace("n<1K", "1K<n<10K")
    assert hub.files("me/merged")["README.md"].decode() == expected


def test_an_empty_card_becomes_the_new_one() -> None:
    assert merge_card("", CARD) == merge_card("\n", CARD) == CARD


def test_a_card_of_metadata_only_gets_the_whole_body() -> None:
    meta, body = meta_and_body(merge_card("---\nlicense: mit\n---\n", CARD))
    assert meta == {**meta_and_body(CARD)[0], "license": "mit"}
    assert body == meta_and_body(CARD)[1]


def test_prose_without_markers_gets_the_section_at_its_end() -> None:
    merged = merge_card("# Mine\n\nWords.", CARD)
    section = f"{START}\n6 rows kept of 9.\n{END}"
    assert merged == CARD.split("\n# merged")[0] + f"# Mine\n\nWords.\n\n{section}\n"


def test_front_matter_keeps_comments_quotes_and_order() -> None:
    old = "---\n# mine\nlanguage: [no]\nconfigs: []\n# why: see below\ngated: 'true'\n---\nhi\n"
    head = merge_card(old, CARD).split("---\n")[1]
    assert head == (
        "# mine\nlanguage: [no]\n"
        "configs:\n- config_name: default\n  data_files: data/*\n"
        "# why: see below\ngated: 'true'\n"
        "size_categories:\n- n<1K\ntags:\n- datamerge\nlicense: other\n"
    )


@pytest.mark.parametrize(
    "head",
    [
        "{license: mit, configs: [], x: 1}",
        "license: mit\nx: &a [1]\nconfigs: &b\n- config_name: old\n  data_files: data/*\ny: *b",
        "license: mit\r\nconfigs: []\r\nx: 1\r",
        "? license\n: mit\n? configs\n: []",
        "license: mit\nlicense: mit\n1: one\nnull: two",
        'license: mit\n"configs": []\n"a: b": "multi\nline: text"',
    ],
)
def test_odd_forms_of_yaml_keep_their_meaning(head: str) -> None:
    old = yaml.safe_load(head)
    merged = merge_card(f"---\n{head}\n---\nhi\n", CARD)
    meta, _ = meta_and_body(merged)
    assert meta == {"tags": ["datamerge"], **old} | {
        key: meta_and_body(CARD)[0][key] for key in ("configs", "size_categories")
    }
    assert merge_card(merged, CARD) == merged


def test_configs_of_other_folders_stay_and_stale_ones_of_a_run_go() -> None:
    configs = [
        {"config_name": "default", "data_files": "old.csv"},
        {"config_name": "removed", "data_files": [{"split": "train", "path": "removed/*"}]},
        {"config_name": "by-hand", "data_files": [{"split": "data", "path": "hand/*.csv"}]},
        {"config_name": "folder", "data_dir": "./data"},
        "nonsense",
    ]
    old = {"configs": configs, "dataset_info": {"features": []}, "tags": ["mine", "datamerge"]}
    meta, _ = meta_and_body(merge_card(f"---\n{yaml.safe_dump(old)}---\nhi\n", CARD))
    assert [config["config_name"] for config in meta["configs"]] == ["default", "by-hand"]
    assert meta["tags"] == ["mine", "datamerge"]
    assert "dataset_info" not in meta


def test_a_marker_out_of_the_data_does_not_end_the_section() -> None:
    new = CARD.replace("6 rows", f"source {END} evil {START} 6 rows")
    merged = merge_card("mine\n", new)
    assert merged.count(START) == merged.count(END) == 1
    assert merge_card(merged, CARD) == merge_card("mine\n", CARD)


def test_an_orphaned_marker_swallows_nothing() -> None:
    for orphan in (START, END, f"{END} x {START}"):
        merged = merge_card(f"before {orphan} mine\n", CARD)
        assert merge_card(merged, CARD) == merged
        assert merged.count("6 rows") == 1 and f"before {orphan} mine" in merged


scalars = st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.none())
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)
keys = st.sampled_from(
    ["configs", "dataset_info", "size_categories", "tags", "license", "a b", "x"]
)
prose = st.lists(
    st.one_of(st.text(max_size=20), st.sampled_from([START, END, "---", "a: 1", "\n", "\r\n"])),
    max_size=6,
).map("\n".join)


@st.composite
def cards(draw: st.DrawFn) -> str:
    meta = draw(st.dictionaries(keys, values, max_size=5))
    flow = draw(st.sampled_from([None, True, False]))
    head = f"---\n{yaml.safe_dump(meta, default_flow_style=flow)}---\n" if meta else ""
    return head + draw(prose)


@given(cards(), cards())
@example("---\nconfigs: []\n---\n", '---\n{tags: "\\N"}\n---\n')
@example("", "---\n{configs: ''}\n---\n")
@example("---\nconfigs: null\n---\n---\nconfigs: 1\n---\n", "")
def test_merging_twice_is_merging_once(old: str, new: str) -> None:
    try:
        once = merge_card(old, new)
    except ValueError:  # prose that opens like front matter, and is no YAML
        return
    assert merge_card(once, new) == once


@given(st.dictionaries(keys, values, max_size=5), prose, prose, cards())
def test_what_the_owner_wrote_survives(meta: dict, above: str, below: str, new: str) -> None:
    above, below = (text.replace("<!--", "") for text in (above, below))
    meta["license"] = "mit"
    try:
        merged = merge_card(f"---\n{yaml.safe_dump(meta)}---\n{above}{START} old {END}{below}", new)
    except ValueError:  # the new one is no card
        return
    head, body = re.fullmatch(r"---\n(.*?\n)---\n(.*)", merged, re.S).groups()
    assert body.startswith(above + START) and body.endswith(END + below)
    assert " old " not in body[len(above) : len(body) - len(below)]
    found = yaml.safe_load(head)
    for key in meta.keys() - {"configs", "dataset_info", "size_categories", "tags"}:
        assert found[key] == meta[key]
    tags = [] if meta.get("tags") is None else meta["tags"]
    tags = tags if isinstance(tags, list) else [tags]
    assert found.get("tags") == meta.get("tags") or found["tags"][: len(tags)] == tags
