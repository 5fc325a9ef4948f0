"""Large compressed files: several tasks share one, and nothing differs from reading it whole."""

from __future__ import annotations

import json
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import pandas as pd
import pytest
from reading import COMPRESS, alive, malformed, read

import datamerge as dm
from datamerge import workdir
from datamerge.read import compression, unpacked
from datamerge.read.plan import plan
from datamerge.workdir import sealed, waiting

ROWS = [{"text": f"{n} größe " + "x" * (n % 90), "n": n} for n in range(400)]
LINES = "".join(json.dumps(row, ensure_ascii=row["n"] % 2 == 0) + "\n" for row in ROWS).encode()
BLOCKSIZE = 2_000  # less than any of them unpacked


@pytest.fixture(autouse=True)
def small_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(unpacked, "BLOCK", 1_500)
    monkeypatch.setattr(compression, "STEP", 1_000)
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def kept(folder: Path) -> list[Path]:
    return list((folder / "work" / "unpacked").glob("*"))


def both(path: Path, **options: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a file by shares, and as one stream."""
    shared = dm.read(str(path), blocksize=BLOCKSIZE, **options)
    assert shared.npartitions > 1
    return shared.compute().reset_index(drop=True), read(str(path), **options)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.txt"])
@pytest.mark.parametrize("suffix", [suffix for suffix in COMPRESS if suffix])
def test_the_rows_are_those_of_the_whole(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / (name + suffix)
    for end in (b"", b"\n", b"\n\n", b"\r\n{"):
        path.write_bytes(COMPRESS[suffix](LINES.removesuffix(b"\n") + end))
        shared, whole = both(path)
        pd.testing.assert_frame_equal(shared, whole)
        assert len(alive(whole)) >= len(ROWS)


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2", ".xz"])
def test_a_stream_breaks_at_the_same_place(tmp_path: Path, suffix: str) -> None:
    packed = COMPRESS[suffix](LINES)
    path = tmp_path / f"a.jsonl{suffix}"
    for cut in range(0, len(packed), len(packed) // 9):
        path.write_bytes(packed[:cut])
        if cut * 4 <= BLOCKSIZE:
            continue  # it counts as a small one
        shared, whole = both(path, on_error="quarantine")
        pd.testing.assert_frame_equal(shared, whole)
        assert len(malformed(whole)) == 1


def test_a_stream_breaks_between_two_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(COMPRESS[".gz"](LINES) + b"no gzip member")
    shared, whole = both(path)
    pd.testing.assert_frame_equal(shared, whole)
    [(at, (reason, raw))] = malformed(shared).items()
    assert (at, raw) == (len(LINES), b"") and "gzip stream is corrupt" in reason


def test_what_is_no_such_stream_is_set_aside_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(b"this is no gzip stream " * 400)
    shared, whole = both(path, on_error="quarantine")
    pd.testing.assert_frame_equal(shared, whole)
    assert len(shared) == 1
    with pytest.raises(dm.ReadError, match=r"a\.jsonl\.gz: gzip stream is corrupt"):
        dm.read(str(path), blocksize=BLOCKSIZE)


def test_one_unpacks_and_the_others_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(COMPRESS[".gz"](LINES))
    times: list[int] = []
    real = unpacked._unpack_lines

    def counted(*given: Any) -> Any:
        times.append(1)
        time.sleep(0.5)
        return real(*given)

    monkeypatch.setattr(unpacked, "_unpack_lines", counted)
    shared = dm.read(str(path), blocksize=BLOCKSIZE)
    with dask.config.set(scheduler="threads", num_workers=6):
        assert len(shared.compute()) == len(ROWS)
        assert len(shared.compute()) == len(ROWS)
    assert len(times) == 1 and len(kept(tmp_path)) == 1


def test_who_died_while_unpacking_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(COMPRESS[".gz"](LINES))
    shared = dm.read(str(path), blocksize=BLOCKSIZE)
    monkeypatch.setattr(waiting, "PATIENCE", 1.0)
    file = plan({"path": str(path), "blocksize": BLOCKSIZE}).partitions[0][0].file
    folder = workdir.place("unpacked", file.key)
    folder.mkdir()
    (folder / "unpacking").touch()
    (folder / "0").write_bytes(b"half of a bl")
    assert len(shared.compute()) == len(ROWS)
    assert not (folder / "unpacking").exists()


def test_a_damaged_block_is_found_out_and_made_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(COMPRESS[".gz"](LINES))
    shared = dm.read(str(path), blocksize=BLOCKSIZE)
    before = shared.compute()
    (folder,) = kept(tmp_path)
    assert len(list(folder.iterdir())) > 10
    for damage in (lambda b: b.replace(b"text", b"tent", 1), lambda b: b[:-9], lambda b: b""):
        (folder / "3").write_bytes(damage((folder / "3").read_bytes()))
        with pytest.raises(sealed.DamagedError, match="the same run again makes it again"):
            shared.compute()
        pd.testing.assert_frame_equal(shared.compute(), before)


def test_a_full_disk_is_not_taken_for_a_bad_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(COMPRESS[".gz"](LINES))
    shared = dm.read(str(path), blocksize=BLOCKSIZE, on_error="quarantine")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(sealed.NoRoomError, match="no room left for"):
            shared.compute()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(shared.compute()) == len(ROWS)


def test_the_work_directory_is_cleaned_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(COMPRESS[".gz"](LINES))
    assert len(dm.read(str(path), blocksize=BLOCKSIZE).compute()) == len(ROWS)
    workdir.running.end()
    assert workdir.clean().counts["unpacked"] == 1 and not kept(tmp_path)


def test_waiting_ends_with_who_is_waited_for(tmp_path: Path) -> None:
    mark = tmp_path / "unpacking"
    mark.touch()
    thread = threading.Thread(target=waiting.wait, args=(mark,))
    thread.start()
    mark.unlink()
    thread.join(30)
    assert not thread.is_alive()
