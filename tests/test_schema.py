"""Recognising, reading and writing the schemas of data sets."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from dask.tokenize import tokenize
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from datamerge.schema import (
    RecordError,
    Schema,
    SchemaError,
    denormaliser,
    fold_extras,
    normaliser,
    recognise,
    unfold_extras,
)
from datamerge.schema.words import CONTENT_KEYS, ROLE_KEYS, SLOTS

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("DATAMERGE_DATA", ROOT.parent / "shared" / "data")) / "sft"
TYPES = sorted(SLOTS)


def read(record: Any, **overrides: Any) -> list[Any]:
    """Recognise a record by itself and read it."""
    return normaliser(recognise([record], source="s", **overrides))(record)


def said(record: Any, **overrides: Any) -> list[tuple[str, str]]:
    """Role and content of a record's turns."""
    [(roles, contents, _, _, _)] = read(record, **overrides)
    return list(zip(roles, contents, strict=True))


def said_messages(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in pairs]


HI = [("user", "Hi"), ("assistant", "Hello.")]
HI_MESSAGES = said_messages(*HI)
HI_FROM = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]

# Records as well-known data sets have them: type, record, turns, what stays in meta.
KNOWN: dict[str, tuple[str, Any, list[tuple[str, str]], dict[str, Any]]] = {
    "sharegpt52k": ("sharegpt", {"id": "a_0", "conversations": HI_FROM}, HI, {"id": "a_0"}),
    "openhermes": (
        "sharegpt",
        {
            "conversations": [{"from": "system", "value": "Be kind."}, *HI_FROM],
            "source": "x",
            "model": None,
            "skip_prompt_formatting": False,
        },
        [("system", "Be kind."), *HI],
        {"source": "x", "model": None, "skip_prompt_formatting": False},
    ),
    "slimorca": (
        "sharegpt",
        {"conversations": [{**turn, "weight": 0.0} for turn in HI_FROM]},
        HI,
        {},
    ),
    "tools beside": (
        "sharegpt",
        {"conversations": HI_FROM, "system": "Call.", "tools": '[{"name": "f"}]'},
        [("system", "Call."), *HI],
        {"tools": '[{"name": "f"}]'},
    ),
    "ultrachat": (
        "messages",
        {"prompt": "Hi", "prompt_id": "7", "messages": HI_MESSAGES},
        HI,
        {"prompt": "Hi", "prompt_id": "7"},
    ),
    "ultrachat, first release": (
        "messages",
        {"id": "0", "data": ["Hi", "Hello."]},
        HI,
        {"id": "0"},
    ),
    "no_robots": (
        "messages",
        {"prompt": "Hi", "prompt_id": "7", "messages": HI_MESSAGES, "category": "Chat"},
        HI,
        {"prompt": "Hi", "prompt_id": "7", "category": "Chat"},
    ),
    "lmsys": (
        "messages",
        {"conversation_id": "c", "model": "m", "conversation": HI_MESSAGES, "turn": 1},
        HI,
        {"conversation_id": "c", "model": "m", "turn": 1},
    ),
    "oasst": (
        "messages",
        {"thread": [{"role": "prompter", "text": "Hi"}, {"role": "assistant", "text": "Hello."}]},
        HI,
        {},
    ),
    "glaive": (
        "messages",
        {
            "system": "SYSTEM: You may call.",
            "chat": "USER: Rate?\n\n\nASSISTANT: <functioncall> {} <|endoftext|>\n\n\n"
            'FUNCTION RESPONSE: {"rate": 2}\n\n\nASSISTANT: It is 2. <|endoftext|>\n\n',
        },
        [
            ("system", "SYSTEM: You may call."),
            ("user", "Rate?"),
            ("assistant", "<functioncall> {}"),
            ("tool", '{"rate": 2}'),
            ("assistant", "It is 2."),
        ],
        {},
    ),
    "messages in a CSV": (
        "messages",
        {"messages": json.dumps(HI_MESSAGES), "n": "1"},
        HI,
        {"n": "1"},
    ),
    "a bare list": ("messages", HI_MESSAGES, HI, {}),
    "alpaca": (
        "alpaca",
        {"instruction": "Add.", "input": "2, 2", "output": "4", "text": "Below is ..."},
        [("user", "Add.\n\n2, 2"), ("assistant", "4")],
        {"text": "Below is ..."},
    ),
    "gpteacher": (
        "alpaca",
        {"instruction": "Hi", "input": "", "response": "Hello.", "example_input": "x"},
        HI,
        {"example_input": "x"},
    ),
    "dolly": (
        "alpaca",
        {"instruction": "Who?", "context": "Ann came.", "response": "Ann", "category": "qa"},
        [("user", "Who?\n\nAnn came."), ("assistant", "Ann")],
        {"category": "qa"},
    ),
    "llama-factory history": (
        "alpaca",
        {"instruction": "b", "output": "B", "system": "s", "history": [["a", "A"]]},
        [("system", "s"), ("user", "a"), ("assistant", "A"), ("user", "b"), ("assistant", "B")],
        {},
    ),
    "gsm8k": ("question_answer", {"question": "Hi", "answer": "Hello."}, HI, {}),
    "metamath": (
        "question_answer",
        {"type": "x", "query": "Hi", "original_question": "H", "response": "Hello."},
        HI,
        {"type": "x", "original_question": "H"},
    ),
    "openorca": (
        "question_answer",
        {"id": "1", "system_prompt": "Be.", "question": "Hi", "response": "Hello."},
        [("system", "Be."), *HI],
        {"id": "1"},
    ),
    "openorca, empty system": (
        "question_answer",
        {"system_prompt": "", "question": "Hi", "response": "Hello."},
        HI,
        {},
    ),
    "capitals": ("question_answer", {"Question": "Hi", "Answer": "Hello."}, HI, {}),
    "flan": (
        "prompt_completion",
        {"inputs": "Hi", "targets": "Hello.", "task": "t"},
        HI,
        {"task": "t"},
    ),
    "trl": (
        "prompt_completion",
        {"prompt": HI_MESSAGES[:1], "completion": HI_MESSAGES[1:]},
        HI,
        {},
    ),
    "trl prompts": ("messages", {"prompt": HI_MESSAGES[:1]}, HI[:1], {}),
    "hh": (
        "preference",
        {
            "chosen": "\n\nHuman: Hi\n\nAssistant: Hello.",
            "rejected": "\n\nHuman: Hi\n\nAssistant: No",
        },
        HI,
        {"rejected": "\n\nHuman: Hi\n\nAssistant: No"},
    ),
    "full-hh": (
        "preference",
        {"prompt": "\n\nHuman: Hi\n\nAssistant:", "chosen": " Hello.", "rejected": " No"},
        HI,
        {"rejected": " No"},
    ),
    "ultrafeedback": (
        "preference",
        {
            "prompt": "Hi",
            "chosen": HI_MESSAGES,
            "rejected": HI_MESSAGES[:1],
            "score_chosen": 8.5,
        },
        HI,
        {"prompt": "Hi", "rejected": HI_MESSAGES[:1], "score_chosen": 8.5},
    ),
    "orca dpo": (
        "preference",
        {"system": "", "question": "Hi", "chosen": "Hello.", "rejected": "No"},
        HI,
        {"rejected": "No"},
    ),
    "trl preference": (
        "preference",
        {"prompt": HI_MESSAGES[:1], "chosen": HI_MESSAGES[1:], "rejected": HI_MESSAGES[1:]},
        HI,
        {"rejected": HI_MESSAGES[1:]},
    ),
    "instructionwild": ("instruction", {"instruction": "Hi"}, HI[:1], {}),
    "prompts": ("instruction", {"prompt": "Hi", "n": 1}, HI[:1], {"n": 1}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_data_sets_are_recognised_and_read(name):
    type, record, turns, meta = KNOWN[name]
    assert recognise([record], source="s").type == type
    assert said(record) == turns
    assert json.loads(read(record)[0][4]) == meta


@pytest.mark.parametrize(
    "record",
    [
        {"text": "Rain.", "url": "u"},
        {"content": "Rain.", "url": "u"},
        {"prompt": "Write.", "text": "Rain.", "url": "u"},
        "Rain.",
    ],
)
def test_documents(record):
    [(roles, contents, extras, text, meta)] = read(record)
    assert (roles, contents, extras, text) == (None, None, None, "Rain.")
    assert recognise([record], source="s").kind == "text"
    if isinstance(record, dict):
        assert json.loads(meta) == {k: v for k, v in record.items() if v != "Rain."}


def test_each_instance_is_a_row():
    record = {
        "id": "seed_task_0",
        "instruction": "Is it?",
        "instances": [{"input": "a", "output": "A"}, {"input": "", "output": "B", "why": "c"}],
    }
    rows = read(record)
    assert [row[1] for row in rows] == [["Is it?\n\na", "A"], ["Is it?", "B"]]
    assert [json.loads(row[4]) for row in rows] == [
        {"id": "seed_task_0"},
        {"id": "seed_task_0", "instance": {"why": "c"}},
    ]


def examples_in_docs() -> list[tuple[str, str]]:
    text = (ROOT / "docs" / "schemas.md").read_text()
    return re.findall(r"^### (\w+)\n+```json\n(.*?)\n```", text, re.M | re.S)


def test_examples_in_docs_are_what_they_say():
    found = examples_in_docs()
    assert {type for type, _ in found} == set(TYPES)
    for type, text in found:
        record = json.loads(text)
        assert recognise([record], source="s").type == type
        assert read(record)


# Real data


def records_of(name: str) -> list[Any]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no {path}: set DATAMERGE_DATA to the folder of real data")
    with (gzip.open if name.endswith(".gz") else open)(path, "rt", encoding="utf-8") as file:
        return json.load(file) if name.endswith(".json") else [json.loads(line) for line in file]


@pytest.mark.parametrize(
    ("name", "type", "rows"),
    [
        ("gpteacher_codegen.json", "alpaca", 4535),
        ("gpteacher_roleplay.json", "alpaca", 1923),
        ("gpteacher_toolformer.json", "alpaca", 7673),
        ("gsm8k_train.jsonl", "question_answer", 7473),
        ("hh_harmless_test.jsonl.gz", "preference", 2312),
        ("instructionwild_seed_prompts_ch.jsonl", "instruction", 429),
        ("instructionwild_seed_prompts_en.jsonl", "instruction", 429),
        ("seed_tasks.jsonl", "instances", 175),
    ],
)
def test_real_data_is_read_without_overrides_and_written_back(name, type, rows):
    records = records_of(name)
    schema = recognise(records[:100], source=name)
    assert schema.type == type
    normalise, write = normaliser(schema), denormaliser(schema)
    found = [(record, row) for record in records for row in normalise(record)]
    assert len(found) == rows
    for record, row in found:
        assert write(*row) == record | ({"input": ""} if type == "alpaca" else {}) | {
            key: value for key, value in record.items() if key == "input" and value.strip()
        }


def test_no_word_of_a_real_transcript_is_lost():
    for record in records_of("hh_harmless_test.jsonl.gz"):
        for side in ("chosen", "rejected"):
            [(roles, contents, *_)] = read(record, which=side)
            markers = {"user": "Human:", "assistant": "Assistant:"}
            words = [
                w
                for r, c in zip(roles, contents, strict=True)
                for w in (markers[r] + " " + c).split()
            ]
            assert words == record[side].split()


# Recognition


def test_odd_records_in_the_sample_do_no_harm():
    odd = [None, 3, {}, {"messages": 5}, {"other": 1}, "text", [1]]
    schema = recognise([*odd, *[{"messages": HI_MESSAGES}] * 8], source="s")
    assert schema.type == "messages"


def test_the_first_record_does_not_decide():
    records = [{"text": "x"}, *[{"instruction": "a", "output": "b"}] * 3]
    assert recognise(records, source="s").type == "alpaca"


@pytest.mark.parametrize(
    ("columns", "type"),
    [
        (("messages",), "messages"),
        (("id", "instruction", "input", "output"), "alpaca"),
        (("text", "url"), "text"),
        (("id", "source", "messages", "meta"), "datamerge"),
    ],
)
def test_a_table_without_rows_goes_by_its_columns(columns, type):
    assert recognise([dict.fromkeys(columns)], source="s").type == type


def test_an_empty_sample_is_taken_for_chats_or_what_was_asked():
    assert recognise([], source="s") == Schema.usual("messages")
    assert recognise([], source="s", type="alpaca") == Schema.usual("alpaca")
    assert recognise([], source="s", field_text="body").field("text") == "body"
    assert recognise([{}], source="s", type="text").type == "text"


def test_optional_fields_that_come_later_are_read():
    schema = recognise([{"conversations": HI_FROM}], source="s")
    [(roles, *_)] = normaliser(schema)({"conversations": HI_FROM, "system": "Be."})
    assert roles == ["system", "user", "assistant"]


def test_an_optional_field_of_another_kind_is_left_to_meta():
    record = {"instruction": "a", "output": "b", "system": {"os": "x"}, "history": "none"}
    assert said(record) == [("user", "a"), ("assistant", "b")]
    assert json.loads(read(record)[0][4]) == {"system": {"os": "x"}, "history": "none"}


def test_schema_is_a_value():
    one = recognise([{"messages": HI_MESSAGES}], source="a", roles={"x": "user"})
    two = recognise([{"messages": HI_MESSAGES}], source="b", roles={"user": ["x"]})
    assert one == two
    assert hash(one) == hash(two)
    assert pickle.loads(pickle.dumps(one)) == one
    assert tokenize(one) == tokenize(two)


# Errors that help


def test_the_error_shows_keys_nearest_schema_and_the_override_to_write():
    records = [{"instruction": "Add.", "reply": "Four.", "lang": "en"}] * 9 + [
        {"instruction": "Add."}
    ]
    with pytest.raises(SchemaError) as error:
        recognise(records, source="sums", type="alpaca")
    text = str(error.value)
    assert "'sums'" in text
    assert "reply (9, string)" in text
    assert "which lacks output" in text
    assert "      field_output: reply\n" in text
    assert (
        "dm.read(..., type='alpaca', field_instruction='instruction', field_output='reply')" in text
    )


def test_following_the_advice_works():
    tried = [
        [{"name": "x", "summary": "A longer text."}],
        [{"convos": [{"who": "Ann", "said": "Hi there."}, {"who": "Bob", "said": "Hello, Ann."}]}],
        [{"Prompt text": "Hi", "ideal": {"a": 1}, "Reply text": "Hello."}],
        [{"chosen": "b", "worse": "a", "prompt_text": "q"}],
        [{"messages": 5}, {"messages": 6}, {"messages": HI_MESSAGES}],
    ]
    for records in tried:
        with pytest.raises(SchemaError) as error:
            recognise(records, source="s")
        call = str(error.value).rsplit("dm.read(..., ", 1)[1].rstrip(")")
        overrides = eval(f"dict({call})")
        schema = recognise(records, source="s", **overrides)
        assert normaliser(schema)(records[-1])


def test_messages_whose_role_is_nowhere():
    records = [{"messages": [{"a": "x", "b": "a longer text"}]}]
    for overrides in ({}, {"type": "messages"}, {"field_messages": "messages"}):
        with pytest.raises(SchemaError, match=r"mappings: \{role: a, content: b\}"):
            recognise(records, source="s", **overrides)


@pytest.mark.parametrize(
    ("overrides", "match"),
    [
        ({"typ": "text"}, "did you mean 'type'"),
        ({"type": "sharegtp"}, "did you mean 'sharegpt'"),
        ({"field_text": "txt"}, "did you mean 'text'"),
        ({"field_text": 3}, "name of a field"),
        ({"type": "text", "field_messages": "text"}, "type text has no field_messages"),
        ({"which": "best"}, "'chosen' or 'rejected'"),
        ({"roles": ["user"]}, "roles is a mapping"),
        ({"message_property_mappings": "role"}, "is a mapping"),
        ({"type": "alpaca"}, "type alpaca does not fit"),
    ],
)
def test_wrong_overrides(overrides, match):
    with pytest.raises(SchemaError, match=re.escape(match)):
        recognise([{"text": "a"}], source="s", **overrides)


def test_records_that_are_no_records():
    with pytest.raises(SchemaError, match="none of them an object"):
        recognise([1, None, [2]], source="s")


# Overrides


@pytest.mark.parametrize(
    ("type", "record"),
    [
        ("chat_template", {"conversations": HI_FROM}),
        ("sharegpt", {"messages": HI_MESSAGES}),
        ("openai", {"messages": HI_MESSAGES}),
        ("ChatML", {"log": HI_MESSAGES}),
        ("qa", {"question": "Hi", "answer": "Hello."}),
        ("dpo", {"prompt": "Hi", "chosen": "Hello.", "rejected": "No"}),
    ],
)
def test_words_for_types(type, record):
    assert said(record, type=type) == HI


def test_completion_means_plain_text():
    assert recognise([{"text": "a"}], source="s", type="completion").type == "text"
    assert read({"body_text": "a", "text": "b"}, type="pretraining", field="body_text")[0][3] == "a"


def test_type_wins_over_the_usual_order():
    record = {"instruction": "a", "output": "b", "text": "c"}
    assert read(record, type="text")[0][3] == "c"
    assert said(record, type="instruction") == [("user", "a")]


def test_fields_named_by_the_user():
    record = {"chat_log": [{"who": "Alice", "line": "Hi", "mood": "ok"}], "head": "Be.", "fn": [1]}
    [(roles, contents, extras, _, meta)] = read(
        record,
        field_messages="chat_log",
        field_system="head",
        field_tools="fn",
        message_property_mappings={"role": "who", "content": "line", "feeling": "mood"},
        roles={"user": ["Alice"]},
    )
    assert roles == ["system", "user"]
    assert contents == ["Be.", "Hi"]
    assert extras == [None, '{"feeling":"ok"}']
    assert json.loads(meta) == {"tools": [1]}


@pytest.mark.parametrize(
    "roles",
    [
        {"user": ["A"], "assistant": ["B", "C"]},
        {"A": "user", "B": "assistant", "C": "assistant"},
        {"user": "A", "assistant": ["B"], "C": "assistant"},
    ],
)
def test_roles_in_either_direction(roles):
    record = {"messages": said_messages(("A", "a"), ("B", "b"), ("C", "c"), ("user", "d"))}
    assert [role for role, _ in said(record, roles=roles)] == [
        *("user", "assistant", "assistant", "user")
    ]


def test_roles_can_be_swapped():
    record = {"messages": HI_MESSAGES}
    swapped = [("assistant", "Hi"), ("user", "Hello.")]
    assert said(record, roles={"user": ["assistant"], "assistant": ["user"]}) == swapped
    assert said(record, roles={"user": "assistant", "assistant": "user"}) == swapped


def test_field_words_of_a_sibling_schema():
    assert said({"q": "Hi", "a": "Hello."}, type="qa", field_prompt="q", field_output="a") == HI


@pytest.mark.parametrize(("side", "answer"), [("chosen", "Hello."), ("rejected", "No")])
def test_which_side_of_a_pair(side, answer):
    record = {"prompt": "Hi", "chosen": "Hello.", "rejected": "No", "score": 1}
    [(_, contents, _, _, meta)] = read(record, which=side)
    other = "rejected" if side == "chosen" else "chosen"
    assert contents == ["Hi", answer]
    assert json.loads(meta) == {other: record[other], "score": 1}


# Messages in detail


@pytest.mark.parametrize(
    ("word", "role"),
    [
        *[(w, "user") for w in ("human", "user", "prompter", "Human", " USER ")],
        *[
            (w, "assistant")
            for w in ("gpt", "assistant", "chatgpt", "bing", "bard", "model", "Bot")
        ],
        *[(w, "system") for w in ("system", "System")],
        *[(w, "tool") for w in ("tool", "function", "observation", "function_response")],
        *[(w, "assistant") for w in ("function_call", "function-call")],
        *[(w, w) for w in ("narrator", "Narrator", "критик")],
    ],
)
def test_words_for_roles(word, role):
    assert said({"conversations": [{"from": word, "value": "x"}]}) == [(role, "x")]


@pytest.mark.parametrize("word", ["function_call", "observation", "tool_response", "developer"])
def test_words_that_say_more_come_back_in_sharegpt(word):
    record = {"conversations": [*HI_FROM, {"from": word, "value": "x"}]}
    assert denormaliser("sharegpt")(*read(record)[0]) == record


def test_dialects_may_be_mixed():
    turns = [
        {"role": "user", "content": "a", "from": None, "value": None},
        {"from": "gpt", "value": "b"},
        {"role": "human", "value": "c"},
        {"from": "gpt", "content": "d"},
    ]
    assert said({"conversations": turns}) == [
        *(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    ]


def test_tool_calls_survive():
    record = {
        "messages": [
            {"role": "user", "content": "Rate?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "2", "tool_call_id": "1", "name": "f"},
            {"role": "assistant", "content": "Two.", "reasoning_content": "r", "weight": 1},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    [row] = read(record)
    assert row[1] == ["Rate?", "", "2", "Two."]
    assert denormaliser("messages")(*row) == record


def test_parts_are_joined_and_restored():
    image = {"type": "image_url", "image_url": {"url": "u"}}
    parts = [{"type": "text", "text": "Look."}, image, {"type": "text", "text": "What is it?"}]
    record = {"messages": [{"role": "user", "content": parts}]}
    [(roles, contents, extras, text, meta)] = read(record)
    write = denormaliser("messages")
    assert contents == ["Look.\nWhat is it?"]
    assert write(roles, contents, extras, text, meta) == record
    changed = write(roles, ["What is this?"], extras, text, meta)["messages"][0]["content"]
    assert changed == [{"type": "text", "text": "What is this?"}, image]


def test_a_system_field_that_the_turns_repeat_is_said_once():
    record = {"messages": said_messages(("system", "Be."), *HI), "system": "Be."}
    assert said(record) == [("system", "Be."), *HI]


def test_arrays_of_a_frame_in_hand_are_lists():
    numpy = pytest.importorskip("numpy")
    turns = numpy.array(HI_MESSAGES, dtype=object)
    assert said({"messages": turns}) == HI


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"messages": 5}, "messages is int, expected list"),
        ({"messages": None}, "messages is null"),
        ({}, "messages is null"),
        ({"messages": []}, "no turns"),
        ({"messages": [], "system": "Be."}, "no turns"),
        ({"messages": "[1"}, "messages is no JSON"),
        ({"messages": "hello"}, "messages is string, expected list"),
        ({"messages": [*HI_MESSAGES, 7]}, "messages[2] is int, expected object"),
        ({"messages": ["a", 7]}, "messages[1] is int, expected string"),
        ({"messages": [{"role": "user"}]}, "messages[0].content is null"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content is null"),
        (
            {"messages": [{"role": "user", "content": 5}]},
            "messages[0].content is int, expected string",
        ),
        ({"messages": [{"role": None, "content": "x"}]}, "messages[0].role is null"),
        (
            {"messages": [{"role": ["user"], "content": "x"}]},
            "messages[0].role is list, expected string",
        ),
        ({"messages": [{"role": "  ", "content": "x"}]}, "messages[0].role is empty"),
        (
            {"messages": [{"role": "user", "content": [5]}]},
            "messages[0].content[0] is int, expected object",
        ),
        ({"messages": HI_MESSAGES, "system": 5}, "system is int, expected string"),
        ({"messages": said_messages(("user", "\ud800"))}, "lone surrogate U+D800"),
        ({"messages": said_messages(("x\udfff", "a"))}, "lone surrogate U+DFFF"),
        ({"messages": HI_MESSAGES, "n": "\ud800"}, "n cannot be kept as JSON"),
        (5, "record is int, expected object"),
        (None, "record is null"),
        ("Hi", "record is string, expected object"),
    ],
)
def test_odd_records_say_where(record, reason):
    with pytest.raises(RecordError, match=re.escape(reason)):
        normaliser(Schema.usual("messages"))(record)


@pytest.mark.parametrize(
    ("type", "record", "reason"),
    [
        (
            "sharegpt",
            {"conversations": [*HI_FROM, {"from": "gpt", "value": 3}]},
            "conversations[2].value is int, expected string",
        ),
        ("alpaca", {"instruction": "a"}, "no field 'output'"),
        ("alpaca", {"instruction": "a", "output": None}, "output is null"),
        ("alpaca", {"instruction": None, "input": "a", "output": "b"}, "instruction is null"),
        (
            "alpaca",
            {"instruction": "a", "input": 5, "output": "b"},
            "input is int, expected string",
        ),
        (
            "alpaca",
            {"instruction": "a", "output": "b", "history": [["c"]]},
            "history[0] is no pair",
        ),
        (
            "alpaca",
            {"instruction": "a", "output": "b", "history": [["c", None]]},
            "history[0][1] is null",
        ),
        ("instances", {"instruction": "a", "instances": []}, "no instances"),
        (
            "instances",
            {"instruction": "a", "instances": [{"input": "x"}]},
            "instances[0].output is null",
        ),
        ("question_answer", {"question": "a", "answer": 4}, "answer is int, expected string"),
        ("prompt_completion", {"prompt": "a", "completion": []}, "no turns"),
        (
            "preference",
            {"chosen": "b", "rejected": "c"},
            "chosen has no turns and there is no prompt",
        ),
        ("text", {"text": None}, "text is null"),
        ("text", {"body": "x"}, "no field 'text'"),
        ("datamerge", {"messages": HI_MESSAGES, "meta": "5"}, "meta is int, expected object"),
    ],
)
def test_odd_records_of_other_schemas(type, record, reason):
    with pytest.raises(RecordError, match=re.escape(reason)) as error:
        normaliser(Schema.usual(type))(record)
    assert pickle.loads(pickle.dumps(error.value)).reason == error.value.reason


# Transcripts


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("Human: a\n\nAssistant: b", [("user", "a"), ("assistant", "b")]),
        (
            "\n\nHuman: a\n\nHuman: b\n\nAssistant:",
            [("user", "a"), ("user", "b"), ("assistant", "")],
        ),
        ("\n\nHuman:a \n\n\nAssistant:  b\n", [("user", "a \n"), ("assistant", " b\n")]),
        ("Be kind.\n\nHuman: a", [("system", "Be kind."), ("user", "a")]),
        ("\n\nHuman: a\nHuman: b", [("user", "a\nHuman: b")]),
        (
            "\n\nHuman: ```\n\nAssistant: x\n```",
            [("user", "```"), ("assistant", "x\n```")],
        ),
    ],
)
def test_transcripts(text, turns):
    record = {"chosen": text, "rejected": "\n\nHuman: a\n\nAssistant: c"}
    assert said(record) == turns


# Meta


def test_types_in_meta_are_kept():
    record = {
        "text": "x",
        "n": 1,
        "f": 1.5,
        "b": True,
        "z": None,
        "l": [1, {"a": "é"}],
        "big": 10**30,
    }
    [(*_, meta)] = read(record)
    del record["text"]
    assert json.loads(meta) == record
    assert denormaliser("text")(None, None, None, "x", meta) == {"text": "x", **record}


def test_values_of_tables_that_json_has_no_word_for():
    import datetime
    import decimal

    record = {
        "text": "x",
        "day": datetime.date(2024, 2, 29),
        "sum": decimal.Decimal("1.10"),
        "raw": b"\xff",
        "nan": float("nan"),
        "by": {1: "a"},
    }
    [(*_, meta)] = read(record)
    expected = {"day": "2024-02-29", "sum": "1.10", "raw": "/w==", "nan": None, "by": {"1": "a"}}
    assert json.loads(meta) == expected


# Our own output


def test_own_output_is_read_again():
    record = {
        "id": "a#1",
        "source": "a",
        "messages": HI_MESSAGES,
        "meta": fold_extras('{"lang":"en","id":"mine"}', [None, '{"weight":0}']),
        "drop_reason": None,
        "score": 0.5,
    }
    [(roles, contents, extras, text, meta)] = read(record)
    assert list(zip(roles, contents, strict=True)) == HI
    assert extras == [None, '{"weight":0}']
    assert json.loads(meta) == {
        "lang": "en",
        "id": "mine",
        "datamerge": {"id": "a#1", "source": "a", "score": 0.5},
    }
    again = denormaliser("datamerge")(roles, contents, extras, text, meta, "b#0", "b")
    [(*_, meta_again)] = read(again)
    assert json.loads(meta_again)["datamerge"] == {
        "id": "b#0",
        "source": "b",
        "datamerge": {"id": "a#1", "source": "a", "score": 0.5},
    }


def test_own_output_may_hold_chats_and_documents():
    chat = {"id": "a", "source": "s", "messages": HI_MESSAGES, "text": None, "meta": "{}"}
    document = {"id": "b", "source": "s", "messages": None, "text": "x", "meta": "{}"}
    schema = recognise([chat, document], source="s")
    assert schema.kind == "both"
    normalise = normaliser(schema)
    assert normalise(chat)[0][:4] == (["user", "assistant"], ["Hi", "Hello."], None, None)
    assert normalise(document)[0][:4] == (None, None, None, "x")
    chats = recognise([{k: v for k, v in chat.items() if k != "text"}], source="s")
    assert chats.kind == "messages"
    with pytest.raises(RecordError, match="a plain text among chats"):
        normaliser(chats)(document)


def test_a_frame_of_ours_in_hand_is_read_again():
    turns = [{**HI_MESSAGES[0], "extra": None}, {**HI_MESSAGES[1], "extra": '{"weight":0}'}]
    [(_, _, extras, _, _)] = read({"id": "a", "source": "s", "messages": turns, "meta": "{}"})
    assert extras == [None, '{"weight":0}']


def test_fold_and_unfold():
    meta = fold_extras("{}", [None, '{"a":1}', None, '{"b":null}'])
    assert json.loads(meta) == {"message_fields": {"1": {"a": 1}, "3": {"b": None}}}
    assert unfold_extras(meta, 4) == ("{}", [None, '{"a":1}', None, '{"b":null}'])
    assert fold_extras('{"x":1}', None) == '{"x":1}'
    assert unfold_extras('{"x":1}', 3) == ('{"x":1}', None)
    assert unfold_extras('{"message_fields":5}', 3) == ('{"message_fields":5}', None)
    assert json.loads(fold_extras('{"message_fields":5}', ['{"a":1}'])) == {
        "message_fields_": 5,
        "message_fields": {"0": {"a": 1}},
    }
    left = '{"message_fields":{"9":{"a":1}}}'
    assert unfold_extras(left, 3) == (left, None)


# Writing back


def test_alpaca_gets_its_two_fields_back_even_when_the_text_has_changed():
    record = {"instruction": "Add\n\nthese\n", "input": "\n2\n\n2", "output": "4"}
    [(roles, contents, extras, text, meta)] = read(record)
    write = denormaliser("alpaca")
    assert write(roles, contents, extras, text, meta) == record
    changed = [contents[0].replace("Add", "Please add").rstrip(), contents[1]]
    written = write(roles, changed, extras, text, meta)
    assert "\n\n".join((written["instruction"], written["input"])) == changed[0]
    assert written["input"].split() == ["2", "2"]
    shortened = write(roles, ["Add", "4"], extras, text, meta)
    assert (shortened["instruction"], shortened["input"]) == ("Add", "")


@pytest.mark.parametrize("type", [type for type in TYPES if type not in ("text", "datamerge")])
def test_a_document_is_no_chat(type):
    with pytest.raises(RecordError, match="plain text"):
        denormaliser(type)(None, None, None, "Rain.", "{}")


@pytest.mark.parametrize(
    ("type", "roles", "reason"),
    [
        ("text", ["user", "assistant"], "a chat cannot be written"),
        ("alpaca", ["user", "tool", "assistant"], "this row has user, tool, assistant"),
        ("alpaca", ["user"], "alpaca holds the turns"),
        ("question_answer", ["user", "assistant"] * 2, "question_answer holds the turns"),
        ("instances", ["user", "assistant"] * 2, "instances holds the turns"),
        ("instruction", ["user", "assistant"], "instruction holds the turns user"),
        ("prompt_completion", ["user"], "ends with an answer"),
        ("preference", ["user", "assistant"], "needs its other side"),
    ],
)
def test_what_a_schema_cannot_say(type, roles, reason):
    with pytest.raises(RecordError, match=re.escape(reason)):
        denormaliser(type)(roles, ["x"] * len(roles), None, None, "{}")


def test_a_transcript_cannot_hold_its_own_markers():
    meta = json.dumps({"rejected": "\n\nHuman: a\n\nAssistant: b"})
    with pytest.raises(RecordError, match="marker"):
        denormaliser("preference")(["user", "assistant"], ["a\n\nHuman: b", "c"], None, None, meta)


def test_names_that_are_taken():
    write = denormaliser("alpaca")
    meta = '{"output":5,"output_":6,"id":"mine"}'
    record = write(["user", "assistant"], ["a", "b"], None, None, meta, id="s#0", source="s")
    assert record == {
        "datamerge_id": "s#0",
        "source": "s",
        "instruction": "a",
        "input": "",
        "output": "b",
        "output_": 5,
        "output__": 6,
        "id": "mine",
    }


def test_what_alpaca_cannot_say_of_a_message_is_kept_beside():
    extras = [None, None, '{"tool_calls":[{"id":"1"}],"content":null}']
    row = (["system", "user", "assistant"], ["s", "a", ""], extras, None, '{"n":1}')
    record = denormaliser("alpaca")(*row)
    assert record["message_fields"] == {"2": {"tool_calls": [{"id": "1"}], "content": None}}
    assert read(record) == [row]


def test_unknown_schema_to_write():
    with pytest.raises(SchemaError, match="no schema 'parquet'"):
        denormaliser("parquet")


# Properties

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
SLOT_KEYS = {key for slots in SLOTS.values() for slot in slots for key in slot.keys}
MESSAGE_KEYS = [
    *CONTENT_KEYS,
    *ROLE_KEYS,
    "output",
    "type",
    "tool_calls",
    "message_fields",
    "extra",
]
words = st.sampled_from(sorted(SLOT_KEYS) + MESSAGE_KEYS)
TRICKY = (
    *("user", "gpt", "text", "\n\nHuman: a\n\nAssistant: b", "[]", "[[", "\ud800", "{}", "\n\n"),
    *('[{"role":"user","content":"x"}]', "USER: a\n\nASSISTANT: b"),
    *('{"message_fields":{"0":{"a":1}}}', "Human:"),
)
strings = st.text() | st.sampled_from(TRICKY)
json_values = st.recursive(
    scalars | strings | st.integers(2**62, 2**70),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(words | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=25,
)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(TYPES), json_values | st.dictionaries(words, json_values, max_size=6))
@example("messages", {"messages": [{"role": "user", "content": [[]]}]})
@example("datamerge", {"messages": [{"role": "user", "content": "x", "extra": 5}], "meta": "{}"})
@example("text", {"text": "a", "big": 2**70, "lone": "\ud800"})
def test_any_json_value_gives_rows_or_a_record_error(type, value):
    schema = Schema.usual(type)
    try:
        rows = normaliser(schema)(value)
    except RecordError as error:
        str(error).encode()
        return
    assert rows
    for roles, contents, extras, text, meta in rows:
        assert isinstance(json.loads(meta), dict)
        meta.encode()
        if text is not None:
            assert (roles, contents, extras) == (None, None, None)
            text.encode()
            continue
        assert roles
        assert len(roles) == len(contents) == len(extras or roles)
        "".join([*roles, *contents]).encode()
        assert all(extra is None or isinstance(json.loads(extra), dict) for extra in extras or ())


@settings(max_examples=300, deadline=None)
@given(st.lists(json_values | st.dictionaries(words, json_values, max_size=6), max_size=4))
def test_any_sample_gives_a_schema_or_a_schema_error(records):
    try:
        schema = recognise(records, source="s")
    except SchemaError as error:
        assert "'s'" in str(error)
        return
    for record in records:
        try:
            normaliser(schema)(record)
        except RecordError:
            continue


def test_very_deep_values():
    value: Any = "x"
    for _ in range(900):
        value = [value]
    for record in ({"text": "a", "deep": value}, {"messages": value}, value):
        for type in TYPES:
            try:
                normaliser(Schema.usual(type))(record)
            except RecordError:
                continue


plain_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
texts = plain_text | st.sampled_from(["a\n\nb", "\n\n", " x ", "\n\nHuman: a", "Assistant:", "\n"])
any_role = st.sampled_from(["user", "assistant", "system", "tool", "narrator"])
kept_values = st.none() | st.booleans() | st.integers(-9, 9) | texts
metas = st.dictionaries(
    st.sampled_from(["lang", "id", "source", "n", "message_id", "score"]), kept_values, max_size=3
)
extra_fields = st.dictionaries(
    st.sampled_from(["weight", "name", "tool_calls", "x"]),
    kept_values.filter(lambda v: v is not None),
    max_size=2,
)
exchanges = st.integers(1, 3).map(lambda n: ["user", "assistant"] * n)
role_lists = (
    st.lists(any_role, min_size=1, max_size=6)
    | exchanges
    | exchanges.map(lambda roles: ["system", *roles])
    | st.just(["user"])
)


@st.composite
def chats(draw):
    roles = draw(role_lists)
    contents = [draw(texts) for _ in roles]
    extras = [json.dumps(draw(extra_fields)) if draw(st.booleans()) else None for _ in roles]
    extras = [None if extra == "{}" else extra for extra in extras]
    return roles, contents, extras if any(extras) else None, None, json.dumps(draw(metas))


def same(row: Any) -> Any:
    """A row with its JSON parsed."""
    roles, contents, extras, text, meta = row
    others = [json.loads(extra or "{}") for extra in extras or [None] * len(roles or ())]
    meta = {key: value for key, value in json.loads(meta).items() if key != "datamerge"}
    return roles, contents, others, text, meta


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from([type for type in TYPES if type not in ("text", "preference")]),
    chats(),
    st.booleans(),
)
def test_what_is_written_reads_the_same(type, row, plain):
    if plain:
        row = (*row[:2], None, *row[3:])
    schema = Schema.usual(type)
    try:
        record = denormaliser(type)(*row)
    except RecordError:
        assume(False)
    [again] = normaliser(schema)(json.loads(json.dumps(record)))
    assert same(again) == same(row)


@settings(max_examples=400, deadline=None)
@given(
    chats(),
    st.booleans(),
    st.sampled_from(["chosen", "rejected"]),
    st.sampled_from(["No", "\n\nHuman: a\n\nAssistant: b", HI_MESSAGES, HI_MESSAGES[1:]]),
)
def test_a_pair_that_is_written_reads_the_same(row, plain, which, other):
    roles, contents, extras, _, meta = row
    extras = None if plain else extras
    side = "rejected" if which == "chosen" else "chosen"
    meta = json.dumps(json.loads(meta) | {side: other})
    schema = Schema("preference", Schema.usual("preference").fields, which=which)
    try:
        record = denormaliser(schema)(roles, contents, extras, None, meta)
    except RecordError:
        assume(False)
    [again] = normaliser(schema)(record)
    assert same(again) == same((roles, contents, extras, None, meta))


@given(texts.filter(bool), metas)
def test_a_document_that_is_written_reads_the_same(text, meta):
    row = (None, None, None, text, json.dumps(meta))
    for type in ("text", "datamerge"):
        [again] = normaliser(Schema.usual(type))(denormaliser(type)(*row))
        assert same(again) == same(row)
