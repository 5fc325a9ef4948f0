"""The ledger as one sees it: the same numbers as the tally's, every band, examples, any content."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from frames import BACKENDS, make_frame
from pages import HOSTILE, Page

import datamerge as dm
from datamerge.explore.flow import run
from datamerge.explore.flow.outcomes import OUTCOMES, SOURCES, flow_of
from datamerge.explore.flow.picture import svg
from datamerge.explore.html.numbers import percent

SAMPLE = Path(dm.__path__[0]) / "assets" / "sample"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dm.Tally:
    df = dm.read(
        *(str(SAMPLE / name) for name in ("sharegpt.jsonl", "openai.jsonl", "alpaca.json"))
    )
    df = df.pipe(dm.tokens.count).pipe(dm.filters.language, ["en"])
    df = df.pipe(dm.filters.phrases, "refusals").pipe(dm.filters.length, min=15, unit="words")
    return dm.write(df.repartition(npartitions=3), tmp_path_factory.mktemp("run") / "out")


def cells(html: str, caption: str) -> dict[str, list[str]]:
    """A table of the page: what stands in each row, by its name; the head is named ''."""
    found = re.search(rf"<table><caption>{caption}</caption>(.*?)</table>", html, re.S)[1]
    rows = re.findall("<tr>(.*?)</tr>", found, re.S)
    read = [[Page(cell).text for cell in re.findall("<t[hd].*?</t[hd]>", row)] for row in rows]
    return {"": read[0]} | {row[0]: row[1:] for row in read[1:]}


def test_the_tables_say_what_the_tally_says(written):
    html = written._repr_html_()
    for caption, of in (("Rows by source", None), ("Tokens by source", "tokens")):
        table = cells(html, caption)
        for name, counts in {**written.sources, "all sources": written.total}.items():
            numbers = counts if of is None else counts["tokens"]
            told = [numbers["read"], numbers["kept"]]
            told += [counts["malformed"]] if of is None else []
            told += [numbers["removed"].get(reason, 0) for reason in written.total["removed"]]
            assert table[name] == [f"{number:,}" for number in told]
    steps = cells(html, "Rows by step")
    for number, step in enumerate(written.steps, 1):
        flows = step["sources"].values()
        expected = [f"{sum(flow[key] for flow in flows):,}" for key in ("in", "removed", "out")]
        assert steps[f"{number}. {step['step']}"][:3] == expected


def test_the_picture_tells_every_number(written):
    titles = re.findall("<g[^>]*><title>(.*?)</title>", written._repr_html_())
    told = {
        f"{name}: {outcome} {rows:,}"
        for name, counts in written.sources.items()
        for outcome, rows in {
            "kept": counts["kept"],
            "malformed": counts["malformed"],
            **counts["removed"],
        }.items()
        if rows
    }
    assert set(titles) == told
    assert len(told) > 8


def test_the_bands_are_as_wide_as_their_rows(written):
    flow = flow_of(written.sources, written.total)
    whole = sum(flow.rows.values())
    assert whole == written.total["read"]
    bands = re.findall(r'<path d="M\d+ ([\d.]+)C.*?V([\d.]+)C.*? ([\d.]+)Z"', svg(flow))
    heights = sorted(float(lower) - float(upper) for upper, _, lower in bands)
    rows = sorted(count for count in flow.rows.values() if count)
    assert len(heights) == len(rows)
    assert heights[-1] / rows[-1] == pytest.approx(300 / whole, rel=0.02)


def test_examples_are_a_click_away_and_say_why(written):
    html = written._repr_html_()
    for reason, rows in written.total["removed"].items():
        shown = min(rows, run.EACH)
        opened = html.split(f">{reason}: {shown} of ")[1].split("</details><details")[0]
        assert opened.count("dm-witness") >= shown
    assert "<mark>" in html
    assert f">malformed: {written.total['malformed']} of" in html


def test_folder_tally_and_frame_are_told_alike(written):
    of_folder = dm.explore.ledger(written.path)
    assert of_folder.tally == written
    assert of_folder._repr_html_() == dm.explore.ledger(written)._repr_html_()
    assert repr(of_folder) == str(written)
    with pytest.raises(FileNotFoundError, match="not the output of a finished run"):
        dm.explore.ledger(Path(written.path) / "data")


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_frame_is_told_without_writing(backend):
    dead = {n: "language" if n % 2 else "phrases" for n in range(0, 40, 3)}
    df = make_frame([f"text {n}" for n in range(40)], dead=dead, source=["a", "b"] * 20)
    told = dm.explore.ledger(BACKENDS[backend](df))
    assert told.tally.total["read"] == 40
    assert told.tally.total["removed"] == df["drop_reason"].value_counts().to_dict()
    for name, entry in told.tally.sources.items():
        assert entry["kept"] == (df["drop_reason"].isna() & (df["source"] == name)).sum()
    assert told._repr_html_() == dm.explore.ledger(df)._repr_html_()
    assert "phrases: 3 of 7 rows" in told._repr_html_()


def test_steps_of_a_lazy_frame_are_told():
    df = dm.read(["Rain.", "Es regnet schon wieder so sehr."], name="notes")
    told = dm.explore.ledger(df.pipe(dm.filters.language, ["en"], text="chat"))
    assert cells(told._repr_html_(), "Rows by step")["1. filters.language"][:3] == ["2", "1", "1"]


def test_a_frame_without_marks_is_refused():
    with pytest.raises(ValueError, match="lacks id, source"):
        dm.explore.ledger(make_frame(["a"])[["text", "drop_reason"]])


def test_a_folder_that_is_gone_is_told_and_the_numbers_stay(tmp_path):
    df = dm.filters.phrases(make_frame(["As an AI, no.", "Rain."]), ["as an ai"])
    tally = dm.write(df, tmp_path / "run")
    for part in (tmp_path / "run" / "removed").iterdir():
        part.write_bytes(b"no longer Parquet")
    html = tally._repr_html_()
    assert "Examples could not be read: ArrowInvalid" in html
    assert cells(html, "Rows by source")["all sources"][:2] == ["2", "1"]


# Examples


def test_examples_are_the_first_of_each_reason(written):
    found = run.examples(written.path, written.total["removed"], each=2)
    parts = sorted((Path(written.path) / "removed").glob("*.parquet"))
    import pandas as pd

    everything = pd.concat([pd.read_parquet(part) for part in parts])
    for reason, rows in found.items():
        plain = everything[everything["drop_reason"] == reason].head(2)
        assert rows["id"].tolist() == plain["id"].tolist()
    assert set(found) == {reason for reason, rows in written.total["removed"].items() if rows}


def test_no_more_is_read_than_a_limit(written, monkeypatch):
    monkeypatch.setattr(run, "GROUPS", 1)
    found = run.examples(written.path, {"nowhere": 5, **written.total["removed"]})
    assert "nowhere" not in found
    assert sum(map(len, found.values())) <= run.EACH * len(written.total["removed"])


def test_a_malformed_record_without_end_is_not_read_to_it(tmp_path, monkeypatch):
    (tmp_path / "malformed").mkdir()
    long, fine = '{"id":"a#0","raw":"' + "x" * 5000 + '"}', '{"id":"a#1","reason":"r","raw":"y"}'
    (tmp_path / "malformed" / "part-00000.jsonl").write_text(f"{long}\n{fine}\n")
    monkeypatch.setattr(run, "LINE", 1000)
    first, second = run.malformed(str(tmp_path))
    assert first["id"] is None
    assert len(first["raw"]) == 1000
    assert second == {"id": "a#1", "reason": "r", "raw": "y"}


# Any content, any size


def tally_of(sources: list[str], reasons: list[str], rows: int = 7) -> dm.Tally:
    gone = dict.fromkeys(reasons, rows)
    entry = {"read": rows * (len(reasons) + 1), "kept": rows, "removed": gone, "malformed": 0}
    total = {key: value * len(sources) for key, value in entry.items() if key != "removed"}
    total["removed"] = dict.fromkeys(reasons, rows * len(sources))
    entry, total = ({**each, "tokens": each} for each in (entry, total))
    flow = {name: {"in": 1, "removed": 1, "out": 0} for name in sources}
    steps = [{"step": r, "arguments": {r: r}, "reason": r, "sources": flow} for r in reasons]
    return dm.Tally("/nowhere", dict.fromkeys(sources, entry), total, steps)


def test_no_element_and_no_attribute_comes_from_names():
    words = [f"word{n}" for n in range(len(HOSTILE))]
    benign = Page(tally_of(words, words)._repr_html_())
    hostile = Page(tally_of(HOSTILE, HOSTILE)._repr_html_())
    assert {each for each in hostile.shape - benign.shape if each[0] != "path"} <= {
        ("span", "class", "dm-unseen"),
        ("span", "", None),
    }
    assert not hostile.open
    assert not hostile.others
    assert hostile.named("script") == 0


def test_a_ledger_stays_under_a_megabyte():
    names = ["\x00n" * 300 + str(n) for n in range(300)]
    html = tally_of(names, names)._repr_html_()
    assert len(html.encode()) < 1_000_000
    assert "smaller sources are not shown" in html


def test_many_sources_and_reasons_are_put_together():
    tally = tally_of([f"s{n}" for n in range(40)], [f"r{n}" for n in range(30)])
    flow = flow_of(tally.sources, tally.total)
    assert len(flow.sources) == SOURCES
    assert len(flow.outcomes) == OUTCOMES + 1
    assert sum(flow.rows.values()) == tally.total["read"]
    assert "31 other sources" in svg(flow)
    assert "17 other reasons" in svg(flow)


def test_a_source_called_like_an_outcome_is_no_trouble():
    tally = tally_of(["kept", "malformed", "removed:"], ["kept", "malformed", ""])
    flow = flow_of(tally.sources, tally.total)
    assert sum(flow.rows.values()) == tally.total["read"]
    assert flow.of_outcome("kept") == tally.total["kept"]
    assert tally._repr_html_()


def test_nothing_read_is_no_picture():
    assert "No rows were read." in tally_of(["a"], [], rows=0)._repr_html_()
    assert "No rows were read." in tally_of([], [])._repr_html_()


def test_a_picture_of_its_own_holds_its_colours(written):
    alone = svg(flow_of(written.sources, written.total), alone=True)
    assert alone.startswith("<svg ")
    assert "prefers-color-scheme: dark" in alone
    assert 'xmlns="http://www.w3.org/2000/svg"' in alone


@pytest.mark.parametrize("part", range(0, 1001, 7))
def test_shares_never_lie(part):
    words = percent(part, 1000)
    assert (words == "0%") == (part == 0)
    assert (words == "100%") == (part == 1000)
