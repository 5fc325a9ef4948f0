"""What people really have on disk: each odd input gives its documented result."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dask
import pytest
from reading import alive, malformed, positions, raw_of, read, rows

import datamerge as dm


@pytest.fixture(autouse=True)
def _workdir(tmp_path: Path) -> Any:
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def written(tmp_path: Path, text: str | bytes, name: str = "a.jsonl") -> str:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


@pytest.mark.parametrize(
    "name",
    ["a.jsonl", "a.json", "a.csv", "a.txt", "a.jsonl.gz", "a.json.zst", "a.txt.bz2", "a.csv.xz"],
)
def test_an_empty_file_has_no_rows(tmp_path: Path, name: str) -> None:
    df = read(written(tmp_path, b"", name))
    assert len(df) == 0 and {"id", "source", "meta"} <= set(df)


@pytest.mark.parametrize("text", ["\n", "\ufeff", " \r\n\n", "\ufeff\n"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.txt"])
def test_a_blank_file_has_no_rows(tmp_path: Path, name: str, text: str) -> None:
    assert len(read(written(tmp_path, text, name))) == 0


def test_an_empty_folder_and_a_missing_path_are_errors_that_name_them(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"empty: no data files \(.*\.jsonl.*\) found there"
    ):
        dm.read(str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match=r"absent\.jsonl: no such file or folder"):
        dm.read(str(tmp_path / "absent.jsonl"))
    with pytest.raises(FileNotFoundError, match=r"absent/\*\.jsonl: no file matches"):
        dm.read(str(tmp_path / "absent" / "*.jsonl"))
    with pytest.raises(FileNotFoundError, match="write hf://datasets/org/name"):
        dm.read("org/name")


PEAK = """
import resource, sys
sys.path[:0] = {path!r}
import dask, reading
dask.config.set({{"scheduler": "sync", "datamerge.workdir": {workdir!r}}})
reading.read([{{"text": "a"}}])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
df = reading.read({file!r}, blocksize={blocksize!r})
print(len(df), len(df["text"].iloc[0]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "b.json"])
@pytest.mark.parametrize("blocksize", ["1GiB", "64KiB"])
def test_a_record_of_50_mb_on_one_line(tmp_path: Path, name: str, blocksize: str) -> None:
    text = "0123456789 swords " * (50_000_000 // 18)
    record = json.dumps({"text": text, "n": 1})
    whole = f"[{record}]" if name == "b.json" else record + '\n{"text": "b"}\n'
    path = written(tmp_path, whole, name)
    script = PEAK.format(path=sys.path, workdir=str(tmp_path), file=path, blocksize=blocksize)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    found, length, peak = map(int, done.stdout.split())
    assert (found, length) == (1 if name == "b.json" else 2, len(text))
    # The bytes, the pieces they are read in, and the string: not a copy for each block.
    assert peak * 1024 < 7 * len(record)


def test_a_malformed_record_of_50_mb_keeps_its_bytes(tmp_path: Path) -> None:
    data = b'{"text": "' + b"x" * 50_000_000 + b"\xff"
    [(at, (reason, raw))] = malformed(read(written(tmp_path, data))).items()
    assert (at, raw) == (0, data)
    assert reason == f"invalid UTF-8 at byte {len(data) - 1}: invalid start byte"


def test_nulls_in_every_field(tmp_path: Path) -> None:
    lines = ['{"messages": null, "text": null, "n": null}', "null", "{}", '{"messages": []}']
    good = {"messages": [{"role": "user", "content": "Hi"}], "n": None}
    df = read(written(tmp_path, "\n".join([json.dumps(good)] * 5 + lines)))
    assert [json.loads(meta) for meta in alive(df)["meta"]] == [{"n": None}] * 5
    assert [reason for reason, _ in malformed(df).values()] == [
        "messages is null",
        "record is null",
        "messages is null",
        "no turns",
    ]


def test_roles_never_seen_stay_as_they_are(tmp_path: Path) -> None:
    turns = [{"role": "Zaphod ✨", "content": "Hi"}, {"role": "USER", "content": "Hello"}]
    df = read(written(tmp_path, json.dumps({"messages": turns})))
    assert [turn["role"] for turn in df["messages"].iloc[0]] == ["Zaphod ✨", "user"]


def test_emoji_right_to_left_text_and_markup_are_text(tmp_path: Path) -> None:
    texts = [
        "👩‍👩‍👧 🏳️‍🌈",
        "\u202eשלום עולם\u202c",
        "<script>alert('x')</script>",
        "a\u0000b",
        "\ufeffx",
    ]
    records = [json.dumps({"text": text}, ensure_ascii=n % 2) for n, text in enumerate(texts)]
    assert read(written(tmp_path, "\n".join(records)))["text"].tolist() == texts


def test_lone_surrogates_are_malformed_wherever_they_are(tmp_path: Path) -> None:
    lines = [
        '{"text": "fine \\ud83d\\ude00"}',
        '{"text": "bad \\ud83d"}',
        '{"text": "fine", "note": ["\\udc00"]}',
        '{"text": "fine", "\\udc00": 1}',
        '{"text": "a number 12345678901234567890123 too \\ud800"}',
    ]
    df = read(written(tmp_path, "\n".join(lines)))
    assert alive(df)["text"].tolist() == ["fine 😀"]
    found = list(malformed(df).values())
    assert [raw.decode() for _, raw in found] == lines[1:]
    assert [reason[-30:] for reason, _ in found] == [
        f"a lone surrogate U+{code} is no text"[-30:] for code in ("D83D", "DC00", "DC00", "D800")
    ]


def test_a_surrogate_in_json_within_a_string_is_malformed(tmp_path: Path) -> None:
    turns = '[{"role": "user", "content": "12345678901234567890 \\ud800"}]'
    good = json.dumps({"messages": '[{"role": "user", "content": "Hi"}]'})
    df = read(written(tmp_path, "\n".join([good, good, json.dumps({"messages": turns})])))
    assert len(alive(df)) == 2 and len(malformed(df)) == 1


def test_nan_and_infinity_become_null_and_a_number_past_floats_is_malformed(tmp_path: Path) -> None:
    lines = ['{"text": "a", "x": NaN, "y": [-Infinity, 1.5]}', '{"text": "b", "x": 1e999}']
    df = read(written(tmp_path, "\n".join(lines)))
    assert json.loads(alive(df)["meta"].iloc[0]) == {"x": None, "y": [None, 1.5]}
    assert [reason for reason, _ in malformed(df).values()] == [
        "invalid JSON: the number 1e999 is too large"
    ]


BIG = [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**30, -(10**400), 10**4299]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "b.json"])
def test_integers_of_any_size_survive(tmp_path: Path, name: str) -> None:
    records = [json.dumps({"text": "x", "n": n, "m": [{"k": -n}]}) for n in BIG]
    text = f"[{','.join(records)}]" if name == "b.json" else "\n".join(records)
    df = read(written(tmp_path, text, name), blocksize=200)
    metas = [json.loads(meta) for meta in df["meta"]]
    assert metas == [{"n": n, "m": [{"k": -n}]} for n in BIG]


def test_an_integer_beyond_all_bounds_is_malformed_not_changed(tmp_path: Path) -> None:
    line = '{"text": "x", "n": ' + "9" * 5000 + "}"
    [(reason, raw)] = malformed(read(written(tmp_path, line + '\n{"text": "y"}'))).values()
    assert reason.startswith("invalid JSON: ") and raw == line.encode()


def test_integers_beside_messages_survive_too(tmp_path: Path) -> None:
    turn = {"role": "user", "content": "Hi", "seed": 2**70}
    df = read(written(tmp_path, json.dumps({"messages": [turn]})))
    assert json.loads(df["messages"].iloc[0][0]["extra"]) == {"seed": 2**70}


def test_of_duplicate_keys_the_last_counts(tmp_path: Path) -> None:
    df = read(written(tmp_path, '{"text": "first", "text": "last", "n": 1, "n": 2}'))
    assert (df["text"].iloc[0], df["meta"].iloc[0]) == ("last", '{"n":2}')


DEPTHS = [100, 300, 1020, 1030, 5000, 200_000]
COUNT = """
import sys
sys.path[:0] = {path!r}
import reading
for file in {files!r}:
    df = reading.read(file, type="text")
    print(len(df), len(reading.alive(df)))
"""


@pytest.mark.parametrize("field", ["text", "n", "messages"])
def test_deep_nesting_is_kept_or_malformed_never_a_crash(tmp_path: Path, field: str) -> None:
    files = []
    for depth in DEPTHS:
        deep = "[" * depth + "]" * depth
        lines = ['{"text": "a"}', f'{{"text": "b", "{field}": {deep}}}', "{" * depth, deep]
        files.append(written(tmp_path, "\n".join(lines), f"{depth}.jsonl"))
    script = COUNT.format(path=sys.path, files=files)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    kept = ["4 1" if depth > 100 or field == "text" else "4 2" for depth in DEPTHS]
    assert (done.returncode, done.stdout.splitlines()) == (0, kept), done.stderr[-500:]


def test_a_deep_array_is_scanned_without_recursion(tmp_path: Path) -> None:
    path = written(tmp_path, '[{"text": "a"},' + "[" * 100_000 + "]" * 100_000 + "]", "a.json")
    df = read(path)
    assert positions(alive(df)) == [0] and list(malformed(df)) == [1]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt", "b.json"])
@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be"])
def test_a_utf16_file_is_an_error_that_says_so(tmp_path: Path, name: str, codec: str) -> None:
    text = "\ufeff" * (codec == "utf-16-be") + (
        '[{"text": "a"}]' if name == "b.json" else "text\nb\n"
    )
    path = written(tmp_path, text.encode(codec), name)
    with pytest.raises(dm.ReadError, match="the file is UTF-16; convert it to UTF-8 first"):
        dm.read(path)
    [(reason, raw)] = malformed(read(path, on_error="quarantine")).values()
    assert "UTF-16" in reason and raw == text.encode(codec)


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.txt.gz", "a.csv", "a.jsonl.gz"])
def test_a_large_utf16_file_is_set_aside_as_a_whole(tmp_path: Path, name: str) -> None:
    """Behind its beginning, bytes that end in a line feed would look like rows."""
    data = "".join(f"text {n}\n" for n in range(500)).encode("utf-16")
    path = written(tmp_path, gzip.compress(data) if name.endswith("gz") else data, name)
    good = written(tmp_path, '{"text": "a"}\n', "b.jsonl")
    df = read(path, on_error="quarantine", blocksize=100, type="text", name="bad")
    [(reason, _)] = malformed(df).values()
    assert "UTF-16" in reason and len(df) == 1
    with pytest.raises(dm.ReadError, match="UTF-16"):
        read(path, blocksize=100, type="text")
    assert len(read(good)) == 1


def test_what_cannot_be_read_is_an_error_or_one_malformed_record(tmp_path: Path) -> None:
    good = written(tmp_path, '{"text": "a"}\n{"text": "b"}\n', "1.jsonl")
    bad = written(tmp_path, b"this is no gzip stream", "2.jsonl.gz")
    with pytest.raises(dm.ReadError, match=r"2\.jsonl\.gz: gzip stream is corrupt"):
        dm.read(good, bad)
    df = read(str(tmp_path / "*.jsonl*"), on_error="quarantine")
    assert len(alive(df)) == 2
    [(reason, raw)] = malformed(df).values()
    assert "2.jsonl.gz: gzip stream is corrupt" in reason and raw == b"this is no gzip stream"


def test_a_file_that_goes_bad_after_planning_is_an_error_that_names_it(tmp_path: Path) -> None:
    files = [written(tmp_path, '{"text": "a"}', f"{n}.jsonl") for n in range(8)]
    lazy = dm.read(str(tmp_path / "*.jsonl"), blocksize=1)
    Path(files[7]).unlink()
    with pytest.raises(dm.ReadError, match=r"7\.jsonl"):
        lazy.compute()


def test_wrong_options_are_errors() -> None:
    with pytest.raises(ValueError, match="allowed: 'raise', 'quarantine'"):
        dm.read([], on_error="ignore")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one byte"):
        dm.read([], blocksize=0)
    with pytest.raises(ValueError, match="sample_by"):
        dm.read([], sample_by="word")  # type: ignore[arg-type]


def test_files_of_different_schemas_are_not_one_source(tmp_path: Path) -> None:
    written(tmp_path, '{"text": "a"}', "1.jsonl")
    written(tmp_path, '{"instruction": "a", "output": "b"}', "2.jsonl")
    with pytest.raises(dm.schema.SchemaError, match=r"1\.jsonl: text; 2\.jsonl: alpaca"):
        dm.read(str(tmp_path))


def test_every_line_of_a_mixed_file_is_a_row(tmp_path: Path) -> None:
    """Conservation, on a file that has a bit of everything."""
    lines = ['{"text": "a"}', "", "nonsense", "  ", '{"text": 1}', "[]", '"bare"', "7", '{"x": 1}']
    path = written(tmp_path, "\r\n".join(lines * 50))
    df = read(path, type="text")
    assert len(df) == 7 * 50 and len(alive(df)) == 2 * 50
    for size in (1, 50, 333):
        assert rows(read(path, type="text", blocksize=size)) == rows(df)
    data = Path(path).read_bytes()
    dead = df[df["drop_reason"].notna()]
    for at, meta in zip(positions(dead), dead["meta"], strict=True):
        raw = raw_of(json.loads(meta))
        assert data[at : at + len(raw)] == raw
