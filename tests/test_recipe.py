"""Recipes are checked in full before any work, and do what the same chain does."""

from __future__ import annotations

import json
from pathlib import Path

import dask
import pytest

import datamerge as dm
from datamerge import inspect, recipe
from datamerge.recipe import RecipeError
from datamerge.recipe.steps import known_steps

SAMPLE = Path(dm.__file__).parent / "assets" / "sample"


@pytest.fixture(autouse=True)
def _workdir(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def faults(text: str, **variables: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        recipe.loads(text, variables)
    return str(caught.value).splitlines()


def test_every_public_step_can_be_named():
    assert set(known_steps()) >= {
        "clean.turns", "clean.unicode", "dedup.exact", "dedup.jaccard", "dedup.minhash",
        "dedup.semantic", "filters.language",
        "filters.length", "filters.phrases", "filters.roles", "mix.shuffle", "mix.weights",
        "tokens.count",
    }  # fmt: skip
    for name in known_steps():
        room, _, function = name.partition(".")
        assert callable(getattr(getattr(dm, room), function))


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 1, "a recipe is a mapping"),
        ("- a", 1, "a recipe is a mapping"),
        ("sources: [", 1, "not valid YAML"),
        ("sources:\n  - a\nsources: [b]", 3, "'sources' stands here for the second time"),
        ("name: x\nsources: []", 2, "needs at least one source"),
        ("sources: [a]\nsteps: clean.unicode", 2, "expected a list"),
        ("sources: [a]\nseed: soon", 2, "expected a whole number"),
        ("sources: [a]\nsteps:\n  - filters.langage: en", 3, "did you mean 'filters.language'?"),
        ("sources: [a]\nsteps:\n  - filters.language: {kep: en}", 3, "did you mean 'keep'?"),
        ("sources: [a]\nsteps:\n  - filters.language: englisch", 3, "englisch"),
        ("sources: [a]\nsteps:\n  - filters.roles", 3, "needs 'drop'"),
        ("sources: [a]\nsteps:\n  - dedup.exact: {rule: witnes}", 3, "did you mean 'witness'?"),
        ("sources: [a]\nsteps:\n  - dedup.semantic: {threshold: high}", 3, "expected float"),
        ("sources: [a]\nsteps:\n  - dedup.semantic: {threshold: 1.5}", 3, "threshold"),
        ("sources: [a]\nsteps:\n  - {clean.unicode: , clean.turns: }", 3, "a step is a name"),
        ("sources: [a]\nsteps:\n  - mix.weights: {web: 3}", 3, "a fraction from 0 to 1"),
        ("sources: [a]\nsteps:\n  - filters.phrases: /no/such/list.txt", 3, "/no/such/list.txt"),
        ("sources:\n  - {path: a, wieght: 1}", 2, "did you mean 'weight'?"),
        ("sources:\n  - {path: a, weight: 120%}", 2, "a fraction from 0 to 1"),
        ("sources:\n  - {name: a}", 2, "needs a path"),
        ("sources:\n  - {path: a, on_error: quarantin}", 2, "did you mean 'quarantine'?"),
        ("sources:\n  - {path: a, blocksize: many}", 2, "many"),
        ("sources:\n  - {path: a, name: x}\n  - {path: b, name: x}", 3, "on line 2 already"),
        ("sources: [a]\noutput:\n  format: csv", 3, "parquet, jsonl"),
        ("sources: [a]\noutput:\n  schema: sharegtp", 3, "did you mean 'sharegpt'?"),
        ("sources: [a]\noutput:\n  upload: {private: true}", 3, "needs a repo_id"),
        ("sources: [a]\noutputs: {}", 2, "did you mean 'output'?"),
        ("sources:\n  - path: ${NOWHERE}/x", 2, "--set NOWHERE="),
    ],
)
def test_faults_name_line_and_cure(text, line, told):
    found = faults(text)
    assert any(one.startswith(f"recipe:{line}: ") and told in one for one in found), found


def test_all_faults_are_told_at_once():
    text = "foo: 1\nsources:\n  - {path: a, pth: b}\nsteps:\n  - nope\n  - dedup.exact: {x: 1}"
    assert [one.split(":")[1] for one in faults(text)] == ["1", "3", "5", "6"]


def test_weights_twice_is_a_fault():
    text = "sources:\n  - {path: a, weight: 50%}\nsteps:\n  - mix.weights: {a: 0.2}"
    assert "and in a mix.weights step" in faults(text)[0]


def test_variables(monkeypatch):
    text = "sources: ['${HERE}/x', '${THERE:-fallback}/y']"
    monkeypatch.setenv("HERE", "env")
    paths = [source.request["path"] for source in recipe.loads(text).sources]
    assert paths == ["env/x", "fallback/y"]
    paths = [s.request["path"] for s in recipe.loads(text, {"HERE": "given"}).sources]
    assert paths[0] == "given/x"


def test_notations_of_a_step_are_the_same():
    def arguments(step: str):
        return dict(recipe.loads(f"sources: [a]\nsteps: [{step}]").steps[0].arguments)

    assert arguments("{filters.language: [en]}") == arguments("{filters.language: {keep: [en]}}")
    assert arguments("{mix.weights: {a: 1}}") == arguments("{mix.weights: {weights: {a: 1}}}")
    assert arguments("clean.unicode") == arguments("{clean.unicode: {}}") == {}
    assert arguments("mix.shuffle") == {"seed": 0}


def test_seed_of_the_recipe_is_that_of_its_steps():
    text = "sources: [a]\nseed: 9\nsteps: [mix.shuffle, {mix.shuffle: {seed: 2}}]"
    assert [step.arguments["seed"] for step in recipe.loads(text).steps] == [9, 2]


def test_missing_file_is_said_before_any_work(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        recipe.run(recipe.loads(f"sources: [{tmp_path}/nowhere.jsonl]"), tmp_path / "out")


def test_steps_of_one_source_leave_the_others_alone(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "ein kurzer deutscher Satz für alle"}\n')
    (tmp_path / "b.jsonl").write_text('{"text": "ein kurzer deutscher Satz für viele"}\n')
    text = f"""
sources:
  - path: {tmp_path}/a.jsonl
    steps: [{{filters.language: {{keep: [en], text: chat}}}}, tokens.count]
  - path: {tmp_path}/b.jsonl
"""
    tally = recipe.run(recipe.loads(text), tmp_path / "out")
    assert tally.sources["a"]["removed"] == {"language": 1}
    assert tally.sources["b"]["kept"] == 1
    (step, _count) = tally.steps
    assert list(step["sources"]) == ["a"]


def test_a_source_can_say_how_it_is_read(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"no parquet")
    (tmp_path / "b.txt").write_text("one\ntwo\n\nthree\n")
    text = f"""
sources:
  - {{path: {tmp_path}/a.parquet, on_error: quarantine}}
  - {{path: {tmp_path}/b.txt, sample_by: paragraph, blocksize: 1kB}}
"""
    tally = recipe.run(recipe.loads(text), tmp_path / "out")
    assert (tally.sources["a"]["malformed"], tally.sources["b"]["kept"]) == (1, 2)


def test_run_writes_the_recipe_without_the_values_of_variables(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    text = "name: mine\nsources:\n  - {path: '${DATA}/a.jsonl', weight: 0}\noutput: {format: jsonl}"
    tally = recipe.run(recipe.loads(text, {"DATA": str(tmp_path)}), tmp_path / "out")
    assert tally.total["removed"] == {"weights": 2}
    noted = (tmp_path / "out" / "recipe.yaml").read_text()
    assert "${DATA}/a.jsonl" in noted and str(tmp_path) not in noted
    again = recipe.loads(noted.partition("\n")[2], {"DATA": str(tmp_path)})
    assert again.sources[0].weight == 0 and again.output["format"] == "jsonl"


def test_bundled_demo_finds_what_is_planted(tmp_path):
    demo = recipe.load(SAMPLE.parent / "demo.yaml")
    tally = recipe.run(demo, tmp_path / "out")
    planted = json.loads((SAMPLE / "planted.json").read_text())
    removed = inspect.removed(tmp_path / "out").to_pylist()
    reasons = {row["id"]: row["drop_reason"] for row in removed}

    def ids(*kinds: str) -> set[str]:
        return {
            f"{p['file'].partition('.')[0]}/{p['file']}#{p['position']}"
            for p in planted
            if p["kind"] in kinds
        }

    assert tally.total["malformed"] == len(ids("malformed", "wrong_type"))
    assert {k for k, r in reasons.items() if r == "language"} <= ids("language")
    assert ids("language") <= set(reasons)
    assert {k for k, r in reasons.items() if r == "phrases"} <= ids("refusal")
    assert ids("refusal") <= set(reasons)
    assert {k for k, r in reasons.items() if r == "slop"} <= ids("slop")
    copies = {k for k, r in reasons.items() if r in ("exact_duplicate", "semantic_duplicate")}
    originals = {
        f"{p['of']['file'].partition('.')[0]}/{p['of']['file']}#{p['of']['position']}"
        for p in planted
        if p["kind"] in ("exact", "near") and isinstance(p.get("of"), dict)
    }
    assert copies <= ids("exact", "near") | originals
    assert len(copies) > 35


def test_the_example_accounts_for_every_record(data, tmp_path):
    example = Path(dm.__file__).parents[1] / "examples" / "sft.yaml"
    tally = recipe.run(recipe.load(example, {"DATA": str(data / "sft")}), tmp_path / "out")
    assert tally.total["read"] == 24_949
    for entry in (*tally.sources.values(), tally.total):
        assert entry["read"] == entry["kept"] + sum(entry["removed"].values()) + entry["malformed"]
    chinese, english = (
        tally.sources[f"instructionwild_seed_prompts_{code}"] for code in ("ch", "en")
    )
    assert chinese["removed"]["language"] < 10 and english["removed"]["language"] < 10
    assert chinese["kept"] > 400 and english["kept"] > 400
    toolformer = tally.sources["gpteacher_toolformer"]["removed"]
    assert 500 < toolformer["semantic_duplicate"] < 7673 / 3
    removed = inspect.removed(tmp_path / "out").to_pylist()
    kept = {row["id"] for row in dm.read(tmp_path / "out").compute().to_dict("records")}
    assert len(kept) == tally.total["kept"]
    duplicates = [r for r in removed if r["drop_reason"].endswith("duplicate")]
    assert all("gpteacher" in r["drop_detail"] or "/" in r["drop_detail"] for r in duplicates)
