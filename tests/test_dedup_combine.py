"""Several finders, rows compared against, saved duplicates and clusters: from frame to output."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import datamerge as dm
from datamerge import recipe
from datamerge.dedup.exact import Exact

pytestmark = pytest.mark.filterwarnings("ignore::datamerge.dedup.DuplicatesWarning")


@pytest.fixture(autouse=True)
def _workdir(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


LINES = ["a b c d e", "A b c  d e", "a b c d e f", "x y z", "x y z", "q"]


def frame(texts=LINES, name="web"):
    return dm.read([{"text": text} for text in texts], name=name)


def near(df, threshold=0.7, **options):
    return dm.dedup.jaccard(df, threshold=threshold, floor=0.3, ngram=1, **options)


def equal(df, **options):
    return dm.dedup.Duplicates(df, Exact("chat", "loose"), 1.0, **options)


def told(df):
    df = df.compute() if hasattr(df, "compute") else df
    rows = zip(df["id"], df["drop_reason"], df["drop_detail"], strict=True)
    return {key: (why, detail) for key, why, detail in rows if not pd.isna(why)}


def test_each_row_is_marked_by_the_first_finder_that_has_a_witness():
    df = frame()
    both = dm.dedup.exact(df) | near(df)
    assert told(both.mark()) == {
        "web#1": ("exact_duplicate", "same text as web#0"),
        "web#2": ("jaccard_duplicate", "jaccard 0.833333 to web#0"),
        "web#4": ("exact_duplicate", "same text as web#3"),
    }
    turned = near(df) | dm.dedup.exact(df)
    assert {why for why, _ in told(turned.mark()).values()} == {"jaccard_duplicate"}
    assert {why for why, _ in told(both.mark(reason="twice")).values()} == {"twice"}
    assert set(told(both.at(jaccard=0.9).mark())) == {"web#1", "web#4"}
    assert set(both.pairs["how"]) == {"exact", "jaccard"}
    assert repr(both) == (
        "<Duplicates: exact | jaccard; text='chat', threshold=1, floor=1; text='chat', "
        "threshold=0.7, floor=0.3; 6 rows compared, 5 pairs found, 3 rows would go>"
    )


def test_names_and_thresholds_of_finders_of_one_kind():
    df = frame()
    found = near(df) | near(df, 0.9) | dm.dedup.exact(df)
    assert found.thresholds == {"jaccard": 0.7, "jaccard_2": 0.9, "exact": 1.0}
    assert found.at(jaccard_2=0.5).thresholds["jaccard_2"] == 0.5
    with pytest.raises(ValueError, match=r"say which.*jaccard=…, jaccard_2=…, exact=…"):
        found.at(0.5)
    with pytest.raises(ValueError, match="no finder 'minhash'"):
        found.at(minhash=0.5)
    with pytest.raises(AttributeError, match="3 finders"):
        found.threshold  # noqa: B018
    with pytest.raises(ValueError, match="different frames"):
        near(df) | near(frame(["a"]))


def test_the_ledger_says_which_finder_removed_what_and_the_recipe_runs_again(tmp_path):
    df = frame()
    found = (dm.dedup.exact(df) | near(df)).mark(keep="longest")
    tally = dm.write(found, tmp_path / "out")
    assert tally.sources["web"]["removed"] == {"exact_duplicate": 1, "jaccard_duplicate": 2}
    (step,) = tally.steps
    assert step["step"] == "dedup.any_of"
    assert step["sources"]["web"] == {"in": 6, "removed": 3, "out": 3}
    for reason, how in (("exact_duplicate", "exact"), ("jaccard_duplicate", "jaccard")):
        assert set(pq.read_table(tmp_path / f"out/pairs/{reason}.parquet")["how"].to_pylist()) == {
            how
        }
    noted = yaml.safe_load((tmp_path / "out/recipe.yaml").read_text())
    source = tmp_path / "web.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in LINES))
    noted = {"sources": [{"path": str(source), "name": "web"}], "steps": noted["steps"]}
    again = recipe.frame(recipe.loads(yaml.safe_dump(noted))).compute()
    columns = ["text", "drop_reason"]
    assert again[columns].astype(str).values.tolist() == (
        found.compute()[columns].astype(str).values.tolist()
    )


def test_a_recipe_and_a_chain_are_one_expression(tmp_path):
    source = tmp_path / "web.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in LINES))
    near = "jaccard: {text: text, threshold: 0.7, ngram: 1}"
    checked = recipe.loads(
        f"sources: [{source}]\nsteps:\n  - dedup.any_of:\n      finders: [exact, {near}]\n"
        "      keep: longest"
    )
    df = dm.read(str(source))
    chain = dm.dedup.exact(df) | dm.dedup.jaccard(df, text="text", threshold=0.7, ngram=1)
    assert recipe.frame(checked)._name == chain.mark(keep="longest")._name


@pytest.mark.parametrize(
    ("finders", "message"),
    [
        ("[exat]", "no finder 'exat' (did you mean 'exact'?)"),
        ("[{exact: {normal: none}}]", "no argument 'normal' (did you mean 'normalise'?)"),
        ("[{exact: {normalise: some}}]", "it is one of"),
        ("[{jaccard: {threshold: high}}]", "threshold is 'high'; expected float"),
        ("[{jaccard: {threshold: 7}}]", "need 0 < floor"),
        ("[]", "a list of finders"),
        ("[{exact: {}, jaccard: {}}]", "is no finder"),
        ("{finders: [exact], against: nowhere}", "no finished output"),
    ],
)
def test_faults_of_a_combination_are_told_before_any_work(finders, message):
    with pytest.raises(recipe.RecipeError) as caught:
        recipe.loads(f"sources: [chats.jsonl]\nsteps:\n  - dedup.any_of: {finders}")
    assert "recipe:3" in str(caught.value)
    assert message in str(caught.value)


def test_rows_compared_against_stay_and_are_told_apart(tmp_path):
    dm.write(frame(["a b c d e", "q"]), tmp_path / "merged")
    df = frame(["a b c d e f", "a b c d e", "n", "N", "z"])
    for against in (str(tmp_path / "merged"), frame(["a b c d e", "q"])):
        place = against if isinstance(against, str) else "the frame compared against"
        found = equal(df, against=against) | near(df, against=against)
        assert told(found.mark(keep="longest")) == {
            "web#0": ("jaccard_duplicate", f"jaccard 0.833333 to web#0, in {place}"),
            "web#1": ("exact_duplicate", f"same text as web#0, in {place}"),
            "web#3": ("exact_duplicate", "same text as web#2"),
        }
        assert found.summary().loc["web"].tolist() == [5, 3, 0.6]
        assert found.pairs["against"].tolist() == [True, False, True, False, True]
        assert found.decisions()["against"].tolist() == [True, True, False]
        assert "with each other and with 2 more" in repr(found)
    alone = near(df)
    assert alone._layers[0][1].folder != near(df, against=df)._layers[0][1].folder
    tally = dm.write(found.mark(), tmp_path / "next")
    assert tally.total["read"] == 5 and tally.total["kept"] == 2
    lines = pq.read_table(tmp_path / "next/pairs/jaccard_duplicate.parquet").to_pylist()
    same = {"id": "web#0", "other": "web#0", "score": 5 / 6, "how": "jaccard", "against": True}
    assert same in lines


texts = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6).map(" ".join)


@given(
    lines=st.lists(texts, max_size=14),
    before=st.lists(texts, max_size=5),
    low=st.sampled_from([0.3, 0.5, 0.8]),
    high=st.sampled_from([0.8, 0.9, 1.0]),
    keep=st.sampled_from(["first", "longest", "shortest"]),
    rule=st.sampled_from(["witness", "components"]),
    whole=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_another_threshold_is_a_fresh_search_and_so_is_a_saved_one(
    lines, before, low, high, keep, rule, whole
):
    with tempfile.TemporaryDirectory() as folder:  # noqa: SIM117
        with dask.config.set({"datamerge.workdir": f"{folder}/work"}):
            df = frame(lines).compute()
            against = frame(before).compute() if before else None
            for one, other in ((low, high), (high, low)):
                moved = near(df, one, against=against).at(other)
                fresh = dm.dedup.jaccard(df, threshold=other, floor=other, ngram=1, against=against)
                if whole:
                    moved, fresh = (
                        equal(df, against=against) | moved,
                        equal(df, against=against) | fresh,
                    )
                moved.save(f"{folder}/saved")
                loaded = dm.dedup.load(f"{folder}/saved")
                options = {"keep": keep, "rule": rule}
                expected = fresh.decisions(**options)
                pd.testing.assert_frame_equal(moved.decisions(**options), expected)
                pd.testing.assert_frame_equal(loaded.decisions(**options), expected)


def test_saved_duplicates_need_no_work_directory_and_mark_a_frame(tmp_path):
    df = frame()
    found = dm.dedup.exact(df) | near(df)
    expected, pairs, shown = told(found.mark()), found.pairs, repr(found)
    found.save(tmp_path / "saved")
    found.save(tmp_path / "saved")  # its own folder may be written again
    shutil.rmtree(tmp_path / "work")
    loaded = dm.dedup.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(loaded.pairs, pairs)
    assert repr(loaded) == shown
    assert told(loaded.mark(df)) == expected
    pdf = df.compute().assign(q=[0, 5, 1, 0, 2, 0])
    assert set(told(loaded.mark(pdf, keep="q"))) == {"web#0", "web#2", "web#3"}
    assert loaded.at(jaccard=0.9).thresholds == {"exact": 1.0, "jaccard": 0.9}
    assert (loaded | loaded).thresholds.keys() == {"exact", "jaccard", "exact_2", "jaccard_2"}
    for call in (loaded.mark, lambda: loaded.decisions(keep="q")):
        with pytest.raises(ValueError, match="have no frame"):
            call()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    with pytest.raises(FileExistsError, match="something else"):
        found.save(tmp_path / "other")
    with pytest.raises(ValueError, match="no saved duplicates"):
        dm.dedup.load(tmp_path / "other")
    with pytest.raises(ValueError, match="no saved duplicates"):
        dm.dedup.load(tmp_path / "nowhere")


def spoilt(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-4])
    elif how == "pickle":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    else:
        values = np.load(path)
        np.save(path, values + 100)


@pytest.mark.parametrize("how", ["gone", "cut", "pickle", "outside"])
@pytest.mark.parametrize("name", ["starts", "neighbours", "scores", "rows", "about", "duplicates"])
def test_damaged_folders_are_refused(tmp_path, name, how):
    near(frame()).save(tmp_path / "saved")
    path = {
        "rows": tmp_path / "saved/jaccard/rows.arrow",
        "about": tmp_path / "saved/jaccard/about.json",
        "duplicates": tmp_path / "saved/duplicates.json",
    }.get(name, tmp_path / f"saved/jaccard/{name}.npy")
    if (how in ("pickle", "outside") and path.suffix != ".npy") or (name, how) == (
        "scores",
        "outside",
    ):
        path.write_bytes(b"{}")
    else:
        spoilt(path, how)
    with pytest.raises(ValueError, match=r"damaged|no saved"):
        dm.dedup.load(tmp_path / "saved")


def test_clusters_in_each_order():
    df = frame(
        ["a b c d e", "a b c d e f", "a b c d", "x y z", "x y z", "q r s t u v", "q r s t u"]
    )
    found = near(df, 0.6)
    assert list(found.clusters().columns) == [
        "cluster", "size", "id", "source", "kept", "score", "how",
    ]  # fmt: skip
    table = found.clusters()
    assert table["id"].str[-1].tolist() == list("0123465")[:5] + ["5", "6"]
    assert table["size"].tolist() == [3, 3, 3, 2, 2, 2, 2]
    assert table["kept"].tolist() == [True, False, False, True, False, True, False]
    heads = {by: found.clusters(by=by).query("kept")["id"].str[-1].tolist()
             for by in ("size", "score", "doubt")}  # fmt: skip
    assert heads == {"size": ["0", "3", "5"], "score": ["3", "0", "5"], "doubt": ["0", "5", "3"]}
    assert found.clusters(most=1)["cluster"].tolist() == [0, 0, 0]
    assert near(frame(["a"])).clusters().empty
    with pytest.raises(ValueError, match="by='best'"):
        found.clusters(by="best")
    with pytest.raises(ValueError, match="rule='best'"):
        found.decisions(rule="best")


def test_histogram_counts_every_pair_once():
    df = frame(["a b c d e", "a b c d e f", "a b c d", "x y z", "x y z w"])
    found = dm.dedup.exact(df) | near(df)
    table = found.histogram(7)
    assert table.groupby("how")["pairs"].sum().to_dict() == {
        "exact": 0,
        "jaccard": len(found.pairs),
    }
    assert table["low"].min() == 0.3 and table["high"].max() == 1


@pytest.mark.parametrize("ids", [[7, 3, 11, 2], ["b", "a", "d", "c"], None])
def test_plain_pandas_frames_with_any_ids(ids):
    pdf = pd.DataFrame({"text": ["a b c", "z", "a b c", "a b c d"], "q": [1, 2, 3, 4]})
    pdf = pdf if ids is None else pdf.assign(id=ids)
    ids = [0, 1, 2, 3] if ids is None else ids
    found = dm.dedup.exact(pdf, text="text") | near(pdf)
    decided = found.decisions(keep="q")
    assert dict(zip(decided["id"], decided["witness"], strict=True)) == {
        ids[0]: ids[3], ids[2]: ids[3]
    }  # fmt: skip
    marked = found.mark(pdf, keep="q")
    assert isinstance(marked, pd.DataFrame)
    assert marked["drop_reason"].notna().tolist() == [True, False, True, False]
    assert marked["drop_detail"].iloc[0] == f"jaccard 0.750000 to {ids[3]}"
    bare = pdf.drop(columns="q")
    assert found.mark(bare, keep="q")["drop_reason"].notna().tolist() == [True, False, True, False]


def test_a_column_is_read_of_the_rows_that_matter_alone(monkeypatch):
    from datamerge.dedup.deciding import keep

    pdf = frame(["a", "a", *map(str, range(100))]).compute().assign(q=range(102))
    df = dask.dataframe.from_pandas(pdf, npartitions=5, sort=False)
    read = []
    values = keep._Values.__call__

    def counted(self, part, number):
        found = values(self, part, number)
        read.append(len(found[0]))
        return found

    monkeypatch.setattr(keep._Values, "__call__", counted)
    assert set(told(dm.dedup.exact(df).mark(keep="q"))) == {"web#0"}
    assert sum(read) == 2 and len(read) == 5


def test_equal_texts_are_not_in_doubt():
    df = dm.read(["a b c d", "A b c d", "e f g h", "e f g i"], name="t")
    dups = dm.dedup.exact(df) | dm.dedup.jaccard(df, ngram=1, threshold=0.55)
    assert dups.clusters(by="doubt")["id"].tolist() == ["t#2", "t#3", "t#0", "t#1"]
