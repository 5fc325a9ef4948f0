"""Rewriting a data set: every row in its place, files of one size, whatever happens between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import datamerge as dm
from datamerge import cli
from datamerge.export import cuts
from datamerge.export.folder import RUN

CHAT = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
NOTE = {b"huggingface": b'{"info": {}}'}


def rows(first: int, count: int) -> pa.Table:
    """Rows that know their number, of several types."""
    numbers = range(first, first + count)
    columns = {
        "number": pa.array(numbers, pa.int32()),
        "text": pa.array([f"row {n} " + "x" * (n % 7 * 50) for n in numbers], pa.large_string()),
        "messages": pa.array(
            [[{"role": "user", "content": str(n)}] * (n % 3) for n in numbers], CHAT
        ),
        "when": pa.array([n if n % 5 else None for n in numbers], pa.timestamp("ms", "UTC")),
    }
    return pa.table(columns).replace_schema_metadata(NOTE)


def write(folder: Path, counts: list[int], group: int = 10, **how: Any) -> pa.Table:
    """Files of so many rows; returns all rows."""
    folder.mkdir(parents=True, exist_ok=True)
    tables, first = [], 0
    for number, count in enumerate(counts):
        tables.append(rows(first, count))
        pq.write_table(tables[-1], folder / f"{number:04d}.parquet", row_group_size=group, **how)
        first += count
    return pa.concat_tables(tables)


def parts(folder: Path) -> list[pa.Table]:
    return [pq.read_table(path) for path in sorted((folder / "data").glob("*.parquet"))]


def everything(folder: Path) -> pa.Table:
    return pa.concat_tables(parts(folder))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    counts=st.lists(st.integers(0, 60), min_size=1, max_size=8),
    group=st.integers(1, 40),
    size=st.integers(1, 20_000),
    files=st.integers(1, 12),
)
def test_every_row_stays_in_its_place(tmp_path_factory, counts, group, size, files):
    folder = tmp_path_factory.mktemp("resplit")
    before = write(folder / "in", counts, group)
    made = dm.export.resplit(folder / "in", folder / "out", size=size, files=files)
    after = parts(folder / "out")
    assert pa.concat_tables(after).equals(before)
    old = pq.read_schema(folder / "in" / "0000.parquet")
    assert after[0].schema.equals(old, check_metadata=True)
    assert made.rows == len(before) and made.before == len(counts)
    assert len(made.sizes) == len(after) >= min(files, max(len(before), 1))
    assert not len(before) or all(len(part) for part in after)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 50), st.integers(0, 10_000)), min_size=1, max_size=30),
    files=st.integers(1, 40),
)
def test_shares_cover_all_rows_once(sizes, files):
    groups = [cuts.Group("f", number, *one) for number, one in enumerate(sizes)]
    total = sum(group.rows for group in groups)
    files = min(files, total)
    seen: list[tuple[int, int]] = []
    numbers = []
    for share in cuts.shares(groups, files):
        stream = [(g.number, row) for g in share.groups for row in range(g.rows)][share.skip :]
        wanted = sum(count for _, count in share.files)
        assert len(stream) - wanted < share.groups[-1].rows  # nothing is opened in vain
        seen += stream[:wanted]
        numbers += [number for number, _ in share.files]
        assert all(count > 0 for _, count in share.files)
    assert seen == [(g.number, row) for g in groups for row in range(g.rows)]
    assert numbers == list(range(files))


def test_large_files_are_split_and_small_ones_put_together(tmp_path):
    rng = np.random.default_rng(0)
    texts = [rng.bytes(150).hex() for _ in range(4000)]
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"text": texts}), tmp_path / "in" / "a-large.parquet")
    for number in range(100):
        small = pa.table({"text": [rng.bytes(150).hex() for _ in range(10)]})
        pq.write_table(small, tmp_path / "in" / f"b-{number:03d}.parquet")
    made = dm.export.resplit(tmp_path / "in", tmp_path / "out", size="100 kB", files=2)
    assert made.before == 101 and made.rows == 5000
    sizes = list(made.sizes.values())
    assert 12 < len(sizes) < 22
    assert max(sizes) < 1.3 * 100_000 and min(sizes) > 0.5 * 100_000
    assert repr(made).startswith("<Resplit: 5,000 rows of 101 files in ")


def test_there_are_twice_as_many_files_as_cores(tmp_path):
    write(tmp_path / "in", [1000])
    made = dm.export.resplit(tmp_path / "in", tmp_path / "out")
    assert len(made.sizes) == 2 * dm.export.resplit.__globals__["CPU_COUNT"]


def test_a_file_deep_in_a_row_group_is_left_to_the_task_before():
    shares = list(cuts.shares([cuts.Group("f", 0, 1000, 1000)], 10))
    assert [[number for number, _ in share.files] for share in shares] == [[0], [1, *range(2, 10)]]
    apart = list(cuts.shares([cuts.Group("f", n, 100, 100) for n in range(10)], 10))
    assert len(apart) == 10 and all(share.skip == 0 for share in apart)


def test_codecs_and_dictionaries_are_kept(tmp_path):
    write(tmp_path / "in", [50], compression="gzip", use_dictionary=["text"])
    dm.export.resplit(tmp_path / "in", tmp_path / "out", files=2)
    metadata = pq.read_metadata(tmp_path / "out" / "data" / "part-00001.parquet").row_group(0)
    columns = {one.path_in_schema: one for one in map(metadata.column, range(metadata.num_columns))}
    assert {one.compression for one in columns.values()} == {"GZIP"}
    assert [name for name, one in columns.items() if one.has_dictionary_page] == ["text"]


def test_the_output_of_a_run_stays_one(tmp_path):
    chats = [
        {"prompt": f"What is {n} and {n}?", "completion": f"It is {2 * n}."} for n in range(90)
    ]
    df = dm.read([*chats, chats[0]], name="sums")
    dm.write(dm.dedup.exact(df).mark(), tmp_path / "run")
    made = dm.export.resplit(tmp_path / "run", tmp_path / "out", files=4)
    assert len(made.sizes) == 4
    for name in ("ledger.json", "README.md", "recipe.yaml", "pairs/exact_duplicate.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
    assert (tmp_path / "out" / "removed").is_dir() and not (tmp_path / "out" / ".run").exists()
    columns = ["messages", "meta"]
    one, other = (dm.read(tmp_path / name, name="x").compute() for name in ("run", "out"))
    pd.testing.assert_frame_equal(one[columns], other[columns])


def test_a_frame_of_any_files(tmp_path):
    lines = [f'{{"text": "line {n}"}}\n' for n in range(500)]
    (tmp_path / "a.jsonl").write_text("".join(lines[:400]))
    (tmp_path / "b.jsonl").write_text("".join(lines[400:]))
    df = dm.read(tmp_path / "*.jsonl", name="lines", blocksize=1000)
    made = dm.export.resplit(df, tmp_path / "out", files=3)
    assert made.before == df.npartitions and len(made.sizes) == 3
    found = everything(tmp_path / "out").to_pandas()
    assert found["id"].tolist() == df.compute()["id"].tolist()
    assert found["text"].tolist() == [f"line {n}" for n in range(500)]
    held = df.compute()
    again = dm.export.resplit(held, tmp_path / "again", files=2)
    assert everything(tmp_path / "again")["id"].to_pylist() == held["id"].tolist()
    assert again.before == 1


def test_what_was_cut_short_goes_on(tmp_path):
    before = write(tmp_path / "in", [100] * 6, group=50)
    out = tmp_path / "out"
    made = dm.export.resplit(tmp_path / "in", out, files=6)
    files = {name: (out / name).read_bytes() for name in made.sizes}
    # As a run leaves it that was killed on the way.
    noted = json.loads((out / RUN).read_text())
    (out / RUN).write_text(json.dumps({"run": noted["run"]}))
    (out / ".run").mkdir()
    (out / ".run" / "part-00001.parquet.0f.tmp").write_bytes(b"PAR1")
    for name in list(files)[1:3]:
        (out / name).unlink()
    cut_short = out / list(files)[3]
    cut_short.write_bytes(files[list(files)[3]][:100])
    times = {path: path.stat().st_mtime_ns for path in (out / "data").iterdir()}
    assert dm.export.resplit(tmp_path / "in", out, files=6) == made
    assert {name: (out / name).read_bytes() for name in made.sizes} == files
    assert everything(out).equals(before)
    assert len(times) == 4 and cut_short in times
    for path, time in times.items():
        assert path == cut_short or path.stat().st_mtime_ns == time
    assert sorted(path.name for path in out.iterdir()) == [RUN, "data"]
    assert dm.export.resplit(tmp_path / "in", out, files=6) == made
    cut_short.unlink()  # of a run that has finished
    assert dm.export.resplit(tmp_path / "in", out, files=6) == made
    assert everything(out).equals(before)


def test_by_the_command_line(tmp_path, capsys):
    before = write(tmp_path / "in", [100] * 6)
    out = str(tmp_path / "out")
    assert cli.main(["resplit", str(tmp_path / "in"), out, "--size", "1kB", "--files", "3"]) == 0
    assert capsys.readouterr().out.startswith("<Resplit: 600 rows of 6 files in ")
    assert everything(tmp_path / "out").equals(before)
    assert cli.main(["resplit", str(tmp_path / "in"), out, "--size", "much"]) == 1
    assert "size='much'" in capsys.readouterr().err


def test_a_damaged_file_is_named_and_leaves_no_result(tmp_path):
    write(tmp_path / "in", [100] * 3, group=50)
    last = tmp_path / "in" / "0002.parquet"
    damaged = bytearray(last.read_bytes())
    damaged[4:600] = bytes(596)
    last.write_bytes(damaged)
    with pytest.raises(dm.ReadError, match=r"0002\.parquet, row group 0"):
        dm.export.resplit(tmp_path / "in", tmp_path / "out", files=3)
    assert "made" not in json.loads((tmp_path / "out" / RUN).read_text())
    for path in (tmp_path / "out" / "data").glob("*"):
        pq.read_table(path)  # what is there is whole


def test_a_column_without_values_has_the_type_of_the_others(tmp_path):
    pq.write_table(pa.table({"a": pa.nulls(2), "b": [1, 2]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": ["x"], "b": [3]}), tmp_path / "2.parquet")
    dm.export.resplit(tmp_path / "*.parquet", tmp_path / "out", files=1)
    assert everything(tmp_path / "out").to_pydict() == {"a": [None, None, "x"], "b": [1, 2, 3]}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (pa.table({"a": [1], "b": ["1"]}), "column 'b' is int64 in .*1.parquet and string in"),
        (pa.table({"a": [1]}), "differ in columns: b"),
        (pa.table({"b": [1], "a": [1]}), "their order"),
    ],
)
def test_files_that_do_not_go_together(tmp_path, other, said):
    pq.write_table(pa.table({"a": [1], "b": [1]}), tmp_path / "1.parquet")
    pq.write_table(other, tmp_path / "2.parquet")
    with pytest.raises(ValueError, match=said):
        dm.export.resplit(tmp_path / "*.parquet", tmp_path / "out")


def test_what_can_not_be_meant(tmp_path):
    write(tmp_path / "in", [5])
    with pytest.raises(ValueError, match="size='large' is no number of bytes"):
        dm.export.resplit(tmp_path / "in", tmp_path / "out", size="large")
    with pytest.raises(ValueError, match="files=0"):
        dm.export.resplit(tmp_path / "in", tmp_path / "out", files=0)
    with pytest.raises(FileNotFoundError):
        dm.export.resplit(tmp_path / "nowhere", tmp_path / "out")
    for out in ("in", "in/out", "."):
        with pytest.raises(ValueError, match="another folder"):
            dm.export.resplit(tmp_path / "in", tmp_path / out)
    (tmp_path / "lines.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(ValueError, match=r"lines\.jsonl is not Parquet"):
        dm.export.resplit(tmp_path / "lines.jsonl", tmp_path / "out")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(dm.ReadError, match=r"bad\.parquet"):
        dm.export.resplit(tmp_path / "bad.parquet", tmp_path / "out")


def test_what_is_there_is_not_overwritten_unasked(tmp_path):
    write(tmp_path / "in", [50])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        dm.export.resplit(tmp_path / "in", tmp_path / "out")
    dm.export.resplit(tmp_path / "in", tmp_path / "out", files=4, overwrite=True)
    dm.export.resplit(tmp_path / "in", tmp_path / "out", files=2, overwrite=True)
    assert len(parts(tmp_path / "out")) == 2
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


SCRIPT = """
import sys, pyarrow as pa, datamerge as dm
made = dm.export.resplit(sys.argv[1], sys.argv[2], size="8MiB", files=2)
print(made.rows, len(made.sizes), pa.default_memory_pool().max_memory())
"""


def test_one_huge_row_group_is_streamed(tmp_path):
    rng = np.random.default_rng(0)
    texts = pa.array([rng.bytes(2048).hex() for _ in range(20_000)])
    path = tmp_path / "one.parquet"
    pq.write_table(pa.table({"text": texts}), path, row_group_size=len(texts), use_dictionary=False)
    whole = texts.nbytes
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "DASK_SCHEDULER": "synchronous"},
    ).stdout
    count, files, most = map(int, said.split())
    assert count == 20_000 and files > 4
    assert most < 0.9 * whole
    assert everything(tmp_path / "out")["text"].combine_chunks().equals(texts)
