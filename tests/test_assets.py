"""The bundled sample holds what its answer key says, and the phrase lists are sound."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import datamerge

ASSETS = Path(datamerge.__file__).parent / "assets"
SAMPLE = ASSETS / "sample"
FILES = ("sharegpt.jsonl", "openai.jsonl", "alpaca.json", "preference.jsonl.gz")
LISTS = ("refusals", "slop")

Row = tuple[str, int]
Turns = list[tuple[str, str]]


@cache
def records(file: str) -> list[Any]:
    """Every record of a file; a line that is not JSON stays a string."""
    text = _text(file)
    return json.loads(text) if file == "alpaca.json" else [_loads(x) for x in text.splitlines()]


def _text(file: str) -> str:
    raw = (SAMPLE / file).read_bytes()
    return (gzip.decompress(raw) if file.endswith(".gz") else raw).decode()


def _loads(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return line


def chat(file: str, row: int) -> Turns:
    """The turns of a record as (role, words), with the roles named alike."""
    record = records(file)[row]
    if file == "sharegpt.jsonl":
        roles = {"human": "user", "gpt": "assistant"}
        return [(roles.get(t["from"], t["from"]), t["value"]) for t in record["conversations"]]
    if file == "openai.jsonl":
        return [(m["role"], _words(m["content"])) for m in record["messages"]]
    if file == "alpaca.json":
        prompt = f"{record['instruction']}\n\n{record['input']}".rstrip("\n")
        return [("user", prompt), ("assistant", record["output"])]
    parts = re.split(r"\n\n(Human|Assistant): ", record["chosen"])[1:]
    roles = {"Human": "user", "Assistant": "assistant"}
    return [(roles[who], what) for who, what in zip(parts[::2], parts[1::2], strict=True)]


def _words(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return content or ""


def fold(text: str) -> str:
    return " ".join(text.replace("’", "'").replace("‘", "'").casefold().split())


def folded(row: Row) -> Turns:
    return [(role, fold(words)) for role, words in chat(*row)]


def answers(row: Row) -> str:
    return "\n".join(words for role, words in chat(*row) if role == "assistant")


def whole(row: Row) -> str:
    return "\n".join(words for _, words in chat(*row))


PLANTED: list[dict] = json.loads((SAMPLE / "planted.json").read_text(encoding="utf-8"))


def planted(*kinds: str) -> dict[Row, str]:
    return {(p["file"], p["row"]): p["detail"] for p in PLANTED if p["kind"] in kinds}


def originals(kind: str) -> dict[Row, Row]:
    found = [p for p in PLANTED if p["kind"] == kind]
    return {(p["file"], p["row"]): (p["of"]["file"], p["of"]["row"]) for p in found}


def readable() -> list[Row]:
    broken = planted("malformed", "wrong_type")
    rows = [(file, row) for file in FILES for row in range(len(records(file)))]
    return [row for row in rows if row not in broken]


@cache
def phrases(name: str) -> list[str]:
    lines = (ASSETS / "phrases" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#") and line != ""]


@cache
def pattern(name: str) -> re.Pattern[str]:
    """Any phrase of a list as whole words."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, map(fold, phrases(name))))})(?!\w)")


# --- the sample as a whole


def test_the_sample_is_small_and_has_enough_rows() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 600_000
    assert sum(len(records(file)) for file in FILES) >= 330
    assert all(len(records(file)) >= 60 for file in FILES)


def test_the_gzip_has_no_time_in_it() -> None:
    assert (SAMPLE / "preference.jsonl.gz").read_bytes()[4:8] == b"\0\0\0\0"


def test_the_answer_key_points_at_records_that_exist_and_says_nothing_twice() -> None:
    keys = [(p["file"], p["row"], p["kind"]) for p in PLANTED]
    assert len(set(keys)) == len(keys)
    assert all(0 <= row < len(records(file)) for file, row, _ in keys)
    assert all(0 <= p["of"]["row"] < len(records(p["of"]["file"])) for p in PLANTED if p["of"])


def test_a_position_is_the_byte_a_line_begins_at_or_the_row_in_an_array() -> None:
    for entry in [*PLANTED, *(p["of"] for p in PLANTED if p["of"])]:
        file, row = entry["file"], entry["row"]
        if file == "alpaca.json":
            assert entry["position"] == row
        else:
            rest = _text(file).encode()[entry["position"] :].decode()
            assert _loads(rest.splitlines()[0]) == records(file)[row]


def test_the_table_in_the_readme_has_the_counts_of_the_answer_key() -> None:
    table = (SAMPLE / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|(.*?)\| (\d+) \| [^|]*\|$", table, re.MULTILINE)
    counts = Counter((p["kind"], p["file"]) for p in PLANTED)
    assert {kind for kind, _, _ in rows} == {p["kind"] for p in PLANTED}
    for kind, cells, total in rows:
        per_file = [int(cell.strip() or 0) for cell in cells.split("|")]
        assert per_file == [counts[kind, file] for file in FILES]
        assert sum(per_file) == int(total)


def test_the_readme_says_how_many_records_a_file_has() -> None:
    table = (SAMPLE / "README.md").read_text(encoding="utf-8")
    for file in FILES:
        assert re.search(rf"^\| `{re.escape(file)}` .* \| {len(records(file))} \|$", table, re.M)


# --- broken records


def test_the_malformed_lines_and_no_others_are_not_json() -> None:
    found = {(f, i) for f in FILES for i, r in enumerate(records(f)) if isinstance(r, str)}
    assert found == set(planted("malformed"))


def test_one_record_has_a_number_for_its_conversation() -> None:
    ((file, row),) = planted("wrong_type")
    assert isinstance(records(file)[row]["conversations"], int)


def test_every_other_record_is_a_chat_with_words_in_it() -> None:
    for row in readable():
        assert chat(*row), row
        assert all(isinstance(words, str) for _, words in chat(*row)), row
        assert whole(row).strip(), row


def test_a_preference_pair_shares_its_prompt_and_differs_in_the_answer() -> None:
    for record in records("preference.jsonl.gz"):
        prompt, _, answer = record["chosen"].rpartition("\n\nAssistant: ")
        other_prompt, _, other = record["rejected"].rpartition("\n\nAssistant: ")
        assert prompt.startswith("\n\nHuman: ")
        assert prompt == other_prompt
        assert answer != other


# --- duplicates


def test_exact_copies_are_equal_but_for_case_and_space() -> None:
    details = planted("exact")
    for row, original in originals("exact").items():
        assert folded(row) == folded(original)
        assert (chat(*row) == chat(*original)) == (details[row] == "same")


def test_no_other_rows_are_equal() -> None:
    copies = originals("exact")
    seen: dict[str, Row] = {}
    for row in readable():
        if row not in copies:
            assert seen.setdefault(repr(folded(row)), row) == row


def test_near_copies_are_alike_and_no_other_rows_are() -> None:
    near = originals("near")
    rows = [row for row in readable() if row not in originals("exact")]
    sets = {row: _shingles(whole(row)) for row in rows}
    for one, two in itertools.combinations(rows, 2):
        if near.get(one) == two or near.get(two) == one:
            assert 0.5 < _jaccard(sets[one], sets[two]) < 1, (one, two)
        else:
            assert _jaccard(sets[one], sets[two]) < 0.2, (one, two)


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))}


def _jaccard(one: set, two: set) -> float:
    return len(one & two) / len(one | two)


# --- what filters and transforms should find


@pytest.mark.parametrize(("kind", "name"), [("refusal", "refusals"), ("slop", "slop")])
def test_a_phrase_list_hits_the_planted_rows_and_no_others(kind: str, name: str) -> None:
    hits = {row for row in readable() if pattern(name).search(fold(answers(row)))}
    assert hits == set(planted(kind))
    for row, phrase in planted(kind).items():
        assert phrase in map(fold, phrases(name))
        assert phrase in fold(answers(row))


def test_rows_in_other_scripts_are_planted_as_other_languages() -> None:
    scripts = {"ARABIC": "ar", "HEBREW": "he", "DEVANAGARI": "hi", "CJK": "zh"}
    found = {}
    for row in readable():
        letters = Counter(
            unicodedata.name(c, "?").split()[0] for c in whole(row) if c.isalpha()
        ).most_common(1)
        if letters and letters[0][0] in scripts:
            found[row] = scripts[letters[0][0]]
    languages = planted("language")
    assert found == {row: code for row, code in languages.items() if code in scripts.values()}
    assert set(planted("rtl")) == {row for row, code in found.items() if code in {"ar", "he"}}
    assert {"de", "es", "fr"} == set(languages.values()) - set(found.values())


def test_rows_full_of_other_small_words_are_planted_as_other_languages() -> None:
    """A rough guard: German, French and Spanish rows show in their small words."""
    small = re.compile(r"\b(?:der|und|nicht|ist|les|une|est|pour|los|una|que|para)\b")
    languages = planted("language")
    for row in readable():
        if len(small.findall(whole(row).casefold())) > 4:
            assert languages.get(row) in {"de", "fr", "es"}, row


def test_turns_are_out_of_order_where_planted_and_nowhere_else() -> None:
    found = {}
    for row in readable():
        turns = chat(*row)
        spoken = [role for role, _ in turns if role != "system"]
        if any(role == "system" for role, _ in turns[1:]):
            found[row] = "late_system"
        elif spoken[0] == "assistant":
            found[row] = "starts_with_assistant"
        elif any(a == b == "user" for a, b in itertools.pairwise(spoken)):
            found[row] = "repeated_role"
        elif spoken[-1] == "user":
            found[row] = "no_reply"
        elif not turns[-1][1].strip():
            found[row] = "empty_reply"
    assert found == planted("turns")


def test_odd_characters_stand_where_planted_and_nowhere_else() -> None:
    marks = {
        "mojibake": re.compile("â€|Ã[^\\s]"),
        "unicode": re.compile("[a-z][\u0300-\u036f]"),
        "control": re.compile("[\u0000-\u0008\u200b]"),
        "emoji": re.compile("[\U0001f300-\U0001faff]"),
        "script": re.compile("<script>"),
    }
    for kind, mark in marks.items():
        assert {row for row in readable() if mark.search(whole(row))} == set(planted(kind)), kind


def test_tools_parts_and_history_stand_where_planted() -> None:
    messages = {
        ("openai.jsonl", i): record["messages"]
        for i, record in enumerate(records("openai.jsonl"))
        if isinstance(record, dict)
    }
    tools = {row for row, turns in messages.items() if any(m.get("tool_calls") for m in turns)}
    parts = {
        row for row, turns in messages.items() if any(isinstance(m["content"], list) for m in turns)
    }
    history = {
        ("alpaca.json", i) for i, record in enumerate(records("alpaca.json")) if "history" in record
    }
    assert tools == set(planted("tools"))
    assert parts == set(planted("parts"))
    assert history == set(planted("history"))


def test_the_score_has_another_type_in_every_file() -> None:
    kinds = {type(records(file)[row]["score"]) for file, row in planted("clash")}
    assert kinds == {int, str, float, dict}


# --- the phrase lists


@pytest.mark.parametrize("name", LISTS)
def test_phrases_are_lower_case_trimmed_and_never_empty(name: str) -> None:
    found = phrases(name)
    assert len(found) > 150
    assert [p for p in found if p != fold(p) or not re.search(r"\w", p)] == []
    assert [p for p in found if p != unicodedata.normalize("NFC", p)] == []


@pytest.mark.parametrize("name", LISTS)
def test_no_phrase_is_there_twice_or_within_another(name: str) -> None:
    found = [fold(phrase) for phrase in phrases(name)]
    assert [phrase for phrase, n in Counter(found).items() if n > 1] == []
    for phrase in found:
        inside = [p for p in found if p != phrase and p in phrase]
        assert not [p for p in inside if re.search(rf"(?<!\w){re.escape(p)}(?!\w)", phrase)], phrase


def test_the_lists_share_no_phrase() -> None:
    assert not set(phrases("refusals")) & set(phrases("slop"))


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry for your loss.",
        "I'm sorry, the shop is closed on Mondays.",
        "I cannot find my keys.",
        "Unfortunately, I am unable to attend the meeting on Friday.",
        "As a virtual assistant, I managed calendars for four executives.",
        "She works as an AI researcher in Zurich.",
        "Language models can be prompted in many ways.",
    ],
)
def test_ordinary_sentences_are_no_refusals(text: str) -> None:
    assert not pattern("refusals").search(fold(text))


@pytest.mark.parametrize(
    "text",
    [
        "As an AI\nLanguage  Model, I see no colours.",
        "I’m sorry, but I can’t do that.",
        "Als KI-Sprachmodell habe ich keine Meinung.",
        "作为一个人工智能语言模型，我没有个人观点。",
    ],
)
def test_refusals_are_found_across_spaces_quotes_and_languages(text: str) -> None:
    assert pattern("refusals").search(fold(text))
