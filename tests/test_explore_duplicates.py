"""The explorer of duplicates without a browser: counts, clusters, decisions, texts, messages."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator

import dask
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from frames import make_frame, marks, on_dask
from hypothesis import given, settings
from hypothesis import strategies as st

import datamerge as dm
from datamerge.dedup.deciding import by_hand
from datamerge.dedup.deciding.by_hand import Made
from datamerge.explore.pairs.made import changed
from datamerge.explore.pairs.page import page
from datamerge.explore.pairs.rows import Rows, Take
from datamerge.explore.pairs.view import View
from datamerge.explore.pairs.words import MOST_CHARACTERS, beside

pytest.importorskip("anywidget", reason="no anywidget (the extra notebook)")
ipywidgets = pytest.importorskip("ipywidgets", reason="no ipywidgets (the extra notebook)")

UNSEEN = "\u202e\u2066\x00\x1b[31m\u200b"
HOSTILE = f"<img src=x onerror=alert(1)></script>{UNSEEN}"


@pytest.fixture(autouse=True)
def _workdir(tmp_path) -> Iterator[None]:
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def rows(n: int) -> pd.DataFrame:
    """Documents and chats, many of them nearly alike."""
    said = "the quick brown fox jumps over a lazy dog and runs far away"
    words = said.split()
    texts = [" ".join(words[: 8 + i % 5] + [str(i % 7)] * (1 + i % 2)) for i in range(n)]
    chats = [[("user", text), ("assistant", "Yes.")] if i % 3 else text
             for i, text in enumerate(texts)]  # fmt: skip
    return make_frame(chats, source=[("a", "b", "c")[i % 3] for i in range(n)])


def found(df, **options):
    return dm.dedup.jaccard(df, **{"threshold": 0.8, "floor": 0.3, "ngram": 1} | options)


class Wire:
    """In the place of a comm: keeps what would be sent, in whatever environment tests run."""

    comm_id = "wire"

    def __init__(self):
        self.sent = []

    def send(self, data=None, metadata=None, buffers=None):
        self.sent.append(data)

    def on_msg(self, heard):
        pass

    def close(self, *_, **__):
        pass


def told(widget, ask, about=None):
    """The answer a page would get, as it goes over the wire, and its size in bytes."""
    widget.comm = wire = Wire()
    widget._handle_custom_msg({"ask": ask, "about": about, "from": "me", "number": 1}, [])
    answers = [data["content"] for data in wire.sent if data.get("method") == "custom"]
    (answer,) = answers
    assert answer["to"] == "me" and answer["number"] == 1
    return json.loads(json.dumps(answer)), max(len(json.dumps(data)) for data in wire.sent)


# ---- counts and clusters --------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["first", "longest", ["b", "c"]])
def test_counts_are_those_of_the_summary(keep):
    df = rows(60)
    dups = dm.dedup.exact(df) | found(df)
    widget = dm.explore.duplicates(dups, keep=keep)
    assert widget.finder == "jaccard" and widget.threshold == 0.8
    for at in (0.8, 0.3, 0.55, 1.0):
        answer, _ = told(widget, "counts", {"threshold": at, "finder": "jaccard"})
        summary = dups.at(jaccard=at).summary(keep=keep)
        counts = answer["counts"]
        assert {s["name"]: (s["live"], s["removed"]) for s in counts["sources"]} == {
            name: (row.live, row.removed) for name, row in summary.iterrows()
        }
        assert counts["removed"] == summary["removed"].sum() and counts["live"] == 60
        assert widget.duplicates.thresholds == {"exact": 1.0, "jaccard": at}


@pytest.mark.parametrize("by", ["size", "score", "doubt"])
def test_clusters_are_those_of_the_table(by):
    df = rows(60)
    dups = dm.dedup.exact(df) | found(df, threshold=0.7)
    widget = dm.explore.duplicates(dups)
    table = dups.clusters(by=by)
    listed, start = [], 0
    while True:
        answer, _ = told(widget, "clusters", {"by": by, "start": start})
        for cluster in answer["clusters"]:
            whole, _ = told(widget, "cluster", {"row": cluster["row"]})
            assert whole["count"] + 1 == cluster["size"]
            listed.append([whole["head"]["id"], *(one["id"] for one in whole["members"])])
        start += len(answer["clusters"])
        if start >= answer["count"]:
            break
    expected = table.groupby("cluster", sort=True)["id"].agg(list).tolist()
    assert [cluster[:26] for cluster in expected] == listed
    scores = table["score"].dropna()
    assert len(scores) == len(dups.decisions())


def test_a_source_that_nearly_vanishes_is_told_of():
    df = make_frame(
        ["same text"] * 60 + [f"text of its own number {i}" for i in range(40)],
        source=["lost"] * 40 + ["kept"] * 60,
    )
    widget = dm.explore.duplicates(dm.dedup.exact(df))
    (counts,) = [told(widget, "counts")[0]["counts"]]
    level = {one["name"]: one["level"] for one in counts["sources"]}
    assert level == {"kept": 1 if 20 > 60 / 3 else 0, "lost": 2} and counts["vanishing"] == 1
    many = make_frame(["a"] * 400, source=[f"s{i % 20}" for i in range(400)])
    counts = told(dm.explore.duplicates(dm.dedup.exact(many)), "counts")[0]["counts"]
    assert len(counts["sources"]) == 12 and counts["others"] == 8 and counts["vanishing"] == 20


def test_the_histogram_is_that_of_the_pairs():
    df = rows(60)
    dups = found(df)
    (finder,) = dm.explore.duplicates(dups)._about["finders"]
    assert finder["bins"] == dups.histogram(60)["pairs"].tolist()
    assert sum(finder["bins"]) == finder["pairs"] and finder["floor"] == 0.3


# ---- traits ---------------------------------------------------------------------------------


def test_traits_can_be_watched_linked_and_laid_out():
    import traitlets

    dups = found(rows(40))
    one, two = dm.explore.duplicates(dups), dm.explore.duplicates(dups)
    heard = []
    one.observe(lambda change: heard.append((change["name"], change["new"])), ["threshold"])
    one.threshold = 0.5
    assert heard == [("threshold", 0.5)] and one.duplicates.threshold == 0.5
    link = traitlets.link((one, "threshold"), (two, "threshold"))
    told(one, "counts", {"threshold": 0.6})
    assert two.threshold == 0.6 and repr(two).startswith("Duplicates at jaccard 0.6: ")
    link.unlink()
    for given_, held in ((0.1, 0.3), (7, 1.0), (float("nan"), 1.0)):
        one.threshold = given_
        assert one.threshold == held
    ipywidgets.VBox([one, two])


def test_selection_is_a_cluster():
    import traitlets

    dups = found(rows(40), threshold=0.7)
    widget = dm.explore.duplicates(dups)
    clusters = dups.clusters().groupby("cluster")["id"].agg(tuple).tolist()
    heard = []
    widget.observe(lambda change: heard.append(change["new"]), "selection")
    for cluster in clusters:
        widget.selection = [cluster[-1]]
        assert widget.selection == cluster
    assert heard == clusters
    opened, _ = told(widget, "clusters", {"around": True})
    assert [one["open"] for one in opened["clusters"]].count(True) == 1
    with pytest.raises(traitlets.TraitError, match="nothing was found of a row with the id 'no'"):
        widget.selection = ["no"]
    widget.selection = ()
    told(widget, "cluster", {"row": opened["clusters"][0]["row"], "open": True})
    assert widget.selection == clusters[0]


IN_HAND = {
    "list": list,
    "tuple": tuple,
    "generator": iter,
    "array": np.array,
    "arrow": pa.array,
    "Series": pd.Series,
    "missing values": lambda ids: pd.Series([None, *ids], dtype="string[pyarrow]"),
    "Index": pd.Index,
    "frame": lambda ids: pd.DataFrame({"text": "x", "id": ids}),
    "one id": lambda ids: ids[0],
}


@pytest.mark.parametrize(
    ("form", "numbers"),
    [(form, numbers) for form in IN_HAND for numbers in (False, True)
     if not (numbers and form == "missing values")],
)  # fmt: skip
def test_a_cluster_is_selected_by_whatever_one_has_in_hand(form, numbers):
    df = make_frame(["a b c d", "x", "A b c d", "y", "p q r s", "p q r S", "p Q r s"])
    df = df.assign(id=range(100, 107)) if numbers else df
    ids = df["id"].tolist()
    widget = dm.explore.duplicates(dm.dedup.exact(df))
    widget.selection = IN_HAND[form](ids[5:])
    assert widget.selection == tuple(ids[4:])
    # The first that is in a cluster; what was compared and is in none, or was not, is passed over.
    widget.selection = IN_HAND[form]([ids[2], ids[5], ids[1]])
    assert widget.selection == (ids[0], ids[2])


def test_what_can_not_be_selected():
    import traitlets

    df = make_frame(["a b c d", "x y", "a b c e", "a b c x"])
    widget = dm.explore.duplicates(found(df, threshold=0.6))
    widget.threshold = 1.0
    widget.selection = ["s#0"]  # pairs were found, but none at this threshold
    assert widget.selection == ()
    widget.threshold = 0.5
    assert widget.selection == ()
    widget.selection = ["s#2"]
    held = widget.selection
    assert held == ("s#0", "s#2", "s#3")
    for wrong, said in [
        (["no", "s#1"], "id 'no' or of 1 others"),
        (5, "id 5"),
        ([True], "id True"),
        ([None], "id None"),
        ([1.5], "id 1.5"),
        (pd.DataFrame({"a": [1]}), "without a column id"),
        (on_dask(df, 2)["id"], "compute"),
        (on_dask(df, 2), "compute"),
        (b"s#0", "not a bytes"),
        (object(), "not a object"),
    ]:
        with pytest.raises(traitlets.TraitError, match=said):
            widget.selection = wrong
        assert widget.selection == held
    for nothing in ((), [], pd.Series([], dtype="string[pyarrow]"), df[:0]):
        widget.selection = ["s#2"]
        widget.selection = nothing
        assert widget.selection == ()


def test_selections_are_watched_and_linked():
    import traitlets

    dups = found(rows(40), threshold=0.7)
    one, two = dm.explore.duplicates(dups), dm.explore.duplicates(dups.at(0.5))
    clusters = dups.clusters().groupby("cluster")["id"].agg(tuple).tolist()
    heard = []
    one.observe(lambda change: heard.append(change["new"]), "selection")
    link = traitlets.link((one, "selection"), (two, "selection"))
    row = one._view.rows_with(clusters[-1][:1]).tolist()[0]
    told(one, "cluster", {"row": row, "open": True})
    assert heard == [clusters[-1]]
    assert clusters[-1][0] in two.selection  # with what is alike at the lower threshold
    link.unlink()
    # Who is told that the page opens a cluster may open another one.
    one.selection = ()
    one.observe(lambda _: setattr(one, "selection", [clusters[0][1]]), "selection")
    told(one, "cluster", {"row": row, "open": True})
    assert one.selection == clusters[0]
    answer, _ = told(one, "clusters", {"around": True})
    assert [c["id"] for c in answer["clusters"] if c["open"]] == [clusters[0][0]]


def test_decisions_are_watched_and_linked(tmp_path):
    import traitlets

    dups = found(make_frame(["a b c", "a b c d", "a b c e"]), threshold=0.6)
    one = dm.explore.duplicates(dups, tmp_path / "one.jsonl")
    two = dm.explore.duplicates(dups, tmp_path / "two.parquet")
    heard = []
    one.observe(lambda change: heard.append(change["new"]), "decisions")
    traitlets.link((one, "decisions"), (two, "decisions"))
    told(two, "decide", {"decision": "keep", "row": 1})
    one.decide("remove", "s#2")
    both = (("keep", "s#1", None), ("remove", "s#2", None))
    assert heard == [both[:1], both] and two.decisions == both
    assert by_hand.read(one.path) == by_hand.read(two.path) == two._view.made
    two.undo()
    assert one.decisions == both[:1] and len(by_hand.read(one.path)) == 1
    counts = [told(widget, "counts")[0]["counts"] for widget in (one, two)]
    assert counts[0] == counts[1]


def test_another_finder_has_another_threshold():
    import traitlets

    df = rows(40)
    dups = found(df) | found(df, ngram=2, threshold=0.9)
    widget = dm.explore.duplicates(dups)
    widget.threshold = 0.5
    widget.finder = "jaccard_2"
    assert widget.threshold == 0.9
    widget.threshold = 0.6
    widget.finder = "jaccard"
    assert widget.threshold == 0.5
    assert widget.duplicates.thresholds == {"jaccard": 0.5, "jaccard_2": 0.6}
    with pytest.raises(traitlets.TraitError, match="no finder 'x'"):
        widget.finder = "x"


# ---- decisions ------------------------------------------------------------------------------

CHOICES = st.lists(
    st.tuples(st.sampled_from(["keep", "remove", "distinct", "undo"]), st.integers(0, 7),
              st.integers(0, 7)),
    max_size=12,
)  # fmt: skip


@given(CHOICES)
@settings(max_examples=40, deadline=None)
def test_every_decision_is_on_disk_at_once_and_counts(tmp_path_factory, choices):
    folder = tmp_path_factory.mktemp("made")
    with dask.config.set({"datamerge.workdir": str(folder)}):
        df = make_frame(["a b c d", "a b c d e", "a b c d f", "A b c d", "x y", "x Y", "z", "Z"])
        dups = found(df, threshold=0.6)
        path = folder / "made.parquet"
        widget = dm.explore.duplicates(dups, path)
        states = [()]
        for decision, one, other in choices:
            if decision == "undo":
                widget.undo()
                states = states[:-1] or [()]
            elif decision == "distinct" and one == other:
                continue
            else:
                widget.decide(decision, f"s#{one}", *([f"s#{other}"] * (decision == "distinct")))
                states.append(widget.decisions)
            assert widget.decisions == states[-1]
            made = by_hand.read(path if path.exists() else None)
            assert tuple((m.decision, m.id, m.other) for m in made) == widget.decisions
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            replayed = len(dups.decisions(decisions=path if path.exists() else None))
            gone = widget.mark()["drop_reason"].notna().sum()
        assert told(widget, "counts")[0]["counts"]["removed"] == replayed == gone


def test_the_page_decides_and_takes_back():
    dups = found(make_frame(["a b c", "a b c d", "a b c e"]), threshold=0.6)
    widget = dm.explore.duplicates(dups)
    told(widget, "clusters")  # they stay listed as they are
    counts, _ = told(widget, "decide", {"decision": "distinct", "row": 1, "other": 0})
    assert counts["counts"]["removed"] == 1 and widget.decisions == (("distinct", "s#1", "s#0"),)
    assert told(widget, "cluster", {"row": 0})[0]["members"][0]["verdict"] == "distinct"
    told(widget, "decide", {"decision": "distinct", "row": 1, "other": 0})
    assert widget.decisions == ()
    told(widget, "decide", {"decision": "keep", "row": 1})
    told(widget, "decide", {"decision": "remove", "row": 1})
    assert widget.decisions == (("remove", "s#1", None),)
    assert told(widget, "undo")[0]["done"] and widget.decisions == (("keep", "s#1", None),)
    listed, _ = told(widget, "decisions", {"drop": 0})
    assert listed["count"] == 0 and widget.decisions == () and listed["undo"] == 4
    for _ in range(4):
        told(widget, "undo")
    assert not told(widget, "undo")[0]["done"]


def test_decisions_go_on_where_they_were(tmp_path):
    dups = found(make_frame(["a b c", "a b c d", "a b c e"]), threshold=0.6)
    first = dm.explore.duplicates(dups)
    first.decisions = [("keep", "s#1")]
    assert first.path.parent == tmp_path / "work" / "decisions"
    dm.workdir.clean()
    again = dm.explore.duplicates(dups)
    assert again.path == first.path and again.decisions == (("keep", "s#1", None),)
    again.path = tmp_path / "elsewhere.parquet"
    again.decide("remove", "s#2")
    assert len(by_hand.read(first.path)) == 1 and len(by_hand.read(again.path)) == 2
    frame = pd.DataFrame({"decision": ["remove"], "id": ["s#0"]})
    merged = dm.explore.duplicates(dups, frame)
    assert merged.decisions == (("keep", "s#1", None), ("remove", "s#0", None))
    assert len(by_hand.read(merged.path)) == 2
    (tmp_path / "bad.jsonl").write_text('{"decision": "?"}')
    with pytest.raises(ValueError, match=r"bad\.jsonl, decision 1 is '\?'"):
        dm.explore.duplicates(dups, tmp_path / "bad.jsonl")


def test_decisions_that_make_no_sense_change_nothing(tmp_path):
    import traitlets

    dups = found(make_frame(["a b c", "a b c d"]), threshold=0.6)
    widget = dm.explore.duplicates(dups, tmp_path / "made.jsonl")
    widget.decide("keep", "s#0")
    for wrong in ([("kep", "s#0")], [("keep", "s#0"), ("remove", "s#0")], [5], [("distinct", "x")]):
        with pytest.raises(traitlets.TraitError):
            widget.decisions = wrong
    assert widget.decisions == (("keep", "s#0", None),)
    wrong = [("keep", 99), ("drop", 0), ("distinct", 0), ("keep", True), ("keep", None)]
    for decision, row in wrong:
        about = {"decision": decision, "row": row}
        assert "counts" not in told(widget, "decide", about)[0]
    assert len((tmp_path / "made.jsonl").read_text().splitlines()) == 1


def test_what_can_not_be_written_has_not_been_decided(tmp_path):
    dups = found(make_frame(["a b c", "a b c d"]), threshold=0.6)
    widget = dm.explore.duplicates(dups, tmp_path / "made.jsonl")
    (tmp_path / "made.jsonl").mkdir()
    answer, _ = told(widget, "decide", {"decision": "keep", "row": 0})
    assert "Error" in answer["error"] and widget.decisions == () and widget._view.made == ()


def test_no_file_of_decisions_is_written_over(tmp_path):
    dups = found(make_frame(["a b c", "a b c d"]), threshold=0.6)
    one = dm.explore.duplicates(dups, tmp_path / "made.jsonl")
    two = dm.explore.duplicates(dups, tmp_path / "made.jsonl")
    one.decide("keep", "s#0")
    with pytest.raises(OSError, match="changed by someone else"):
        two.decide("keep", "s#1")
    with pytest.raises(OSError, match="changed by someone else"):
        two.decisions = [("keep", "s#1")]
    assert two.decisions == () and "OSError" in told(two, "decide", {"decision": "keep", "row": 1})[
        0]["error"]  # fmt: skip
    (tmp_path / "other.jsonl").write_text('{"decision": "keep", "id": "x"}')
    with pytest.raises(FileExistsError, match="goes on with it"):
        two.path = tmp_path / "other.jsonl"
    assert [made.id for made in by_hand.read(one.path)] == ["s#0"]


def test_rows_compared_against_are_not_decided_about():
    dups = dm.dedup.exact(make_frame(["A", "b"]), against=make_frame(["a"]))
    widget = dm.explore.duplicates(dups)
    whole, _ = told(widget, "cluster", {"row": 0})
    assert whole["head"]["old"] and not whole["members"][0]["old"]
    assert "always stay" in told(widget, "decide", {"decision": "remove", "row": 0})[0]["error"]
    sides = told(widget, "pair", {"row": 0, "other": 1})[0]["sides"]
    assert sides == [[["only", "a"]], [["only", "A"]]]
    told(widget, "decide", {"decision": "distinct", "row": 1, "other": 0})
    assert widget.decisions == (("distinct", "s#0", "s#0", True),)
    assert told(widget, "counts")[0]["counts"]["removed"] == 0
    assert marks(widget.mark()) == [None, None]


@given(st.lists(st.tuples(st.sampled_from(["keep", "remove", "distinct"]), st.integers(0, 3),
                          st.integers(0, 3)), max_size=10))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_decisions_never_contradict_each_other(choices):
    made: tuple[Made, ...] = ()
    for decision, one, other in choices:
        if decision == "distinct" and one == other:
            continue
        new = Made(decision, one, other if decision == "distinct" else None)
        before, made = made, changed(made, new)
        assert (new in made) == (new not in before)
        by_hand.checked([m.record() for m in made], "test")
        assert changed(made, new) != made


# ---- texts ----------------------------------------------------------------------------------


def test_texts_are_read_from_the_partitions_that_hold_them(on_backend, monkeypatch):
    df = rows(40)
    dups = found(on_backend(df), threshold=0.6)
    held = Rows(dups)
    texts = {}
    for numbers in ([0, 3], [3, 5, 1], list(range(len(dups._stack)))):
        texts |= held.get(numbers)
    ids = dups._stack.id.to_pylist()
    for number, said in texts.items():
        row = df.set_index("id").loc[ids[number]]
        turns = row["messages"] if isinstance(row["messages"], list) else []
        expected = [(turn["role"], turn["content"]) for turn in turns]
        assert said == (expected or [(None, row["text"])])
    assert len(texts) == len(dups._stack)
    seen = []
    taking = Take.__call__
    monkeypatch.setattr(
        Take, "__call__",
        lambda self, part, number: seen.append(number) or taking(self, part, number),
    )  # fmt: skip
    held._held.clear()
    held.get([0])
    assert len(seen) == 1


def test_a_column_that_was_compared_is_shown_first():
    df = make_frame(["one", "two"], title=pd.array(["Same", "same"], dtype="string[pyarrow]"))
    dups = dm.dedup.exact(df, text="title")
    assert Rows(dups).get([0])[0] == [("title", "Same"), (None, "one")]


def test_saved_duplicates_take_texts_from_a_frame_that_is_given(tmp_path):
    df = rows(20)
    found(df).save(tmp_path / "saved")
    loaded = dm.dedup.load(tmp_path / "saved")
    bare, dressed = dm.explore.duplicates(loaded), dm.explore.duplicates(loaded, df=df)
    assert told(bare, "pair", {"row": 0, "other": 1})[0]["sides"] == [None, None]
    assert told(bare, "texts", {"rows": [0, 1]})[0]["texts"] == []
    assert told(dressed, "pair", {"row": 0, "other": 1})[0]["sides"][0]
    assert told(dressed, "texts", {"rows": [0, 1]})[0]["texts"][1][1].startswith("the quick")


WORDS = st.lists(st.sampled_from(["a", "b", "c", " ", "\n", "d,", "漢字", "\u202e"]), max_size=30)


@given(WORDS, WORDS)
@settings(max_examples=200, deadline=None)
def test_what_both_say_is_the_same_on_both_sides(one, other):
    left, right = "".join(one), "".join(other)
    sides = beside([("user", left)], [("user", right)])
    from datamerge.explore.html.escape import unmarked

    for side, text in zip(sides, (left, right), strict=True):
        assert side[0] == ("role", "user")
        assert "".join(words for _, words in side[1:]) == unmarked(text)
    shared = ["".join(w for kind, w in side if kind == "same") for side in sides]
    assert shared[0] == shared[1]
    if left == right:
        assert all(kind != "only" for side in sides for kind, _ in side)


def test_long_texts_are_shown_where_they_differ():
    words = " ".join(f"w{i}" for i in range(20_000))
    left, right = beside([(None, words)], [(None, words.replace("w9000 ", "X "))])
    assert ("only", "w9000") in left and ("only", "X") in right
    assert [kind for kind, _ in left] == ["hidden", "same", "only", "same", "hidden"]
    assert sum(len(text) for kind, text in left) < 2_000
    (same, hidden), _ = beside([(None, words)], [(None, words)])
    assert same[0] == "same" and len(same[1]) == MOST_CHARACTERS
    assert hidden[0] == "hidden"


# ---- what goes over the wire ----------------------------------------------------------------


def test_no_message_is_over_a_megabyte():
    long = "\U000e0041" * 30_000  # spelled out, each is ten characters
    n = 3_000
    ids = [f"{long[:2_000] if i < 60 else 'i' * 30}#{i}" for i in range(n)]
    texts = [long if i < 60 else f"\u200b{'a b ' * 5_000}" if i < 90 else "x" for i in range(n)]
    df = make_frame(texts, source=[long[:500] + str(i % 500) for i in range(n)]).assign(id=ids)
    widget = dm.explore.duplicates(dm.dedup.exact(df))
    assert len(json.dumps(widget.get_state(["_about", "_path", "threshold", "finder"]))) < 300_000
    numbers = range(len(widget._view.layers))
    head, other, *_ = [row for row in numbers if len(widget._view.id(row)) > 100]
    largest = told(widget, "clusters")[0]["clusters"][0]
    assert largest["size"] > 2_000
    asked = [
        ("counts", {"threshold": 0.5}),
        ("clusters", {"around": True}),
        ("cluster", {"row": largest["row"], "open": True}),
        ("cluster", {"row": largest["row"], "start": 2_000}),
        ("cluster", {"row": head, "open": True}),
        ("texts", {"rows": list(numbers)[::-1]}),
        ("pair", {"row": head, "other": other, "next": list(numbers)}),
        ("pair", {"row": head, "other": 2}),
    ]
    for ask, about in asked:
        assert 50 < told(widget, ask, about)[1] < 1_000_000, ask
    widget.decisions = [("keep", one) for one in ids]
    assert told(widget, "decisions")[1] < 1_000_000
    assert len(json.dumps(widget.get_state(["_about", "_changed"]))) < 300_000


def test_what_is_hostile_is_made_visible():
    df = make_frame([HOSTILE, HOSTILE.upper()], source=HOSTILE)
    dups = found(df, threshold=0.3)
    widget = dm.explore.duplicates(dups)
    hidden = set(UNSEEN.replace("[31m", ""))
    for ask, about in [("counts", {}), ("clusters", {}), ("cluster", {"row": 0}),
                       ("texts", {"rows": [0]}), ("pair", {"row": 0, "other": 1})]:  # fmt: skip
        said = json.dumps(told(widget, ask, about)[0], ensure_ascii=False)
        assert not set(said) & hidden and r"\\u202e" in said, ask
    html = str(page(dups))
    assert "<img" not in html and "&lt;img src=x" in html and not set(html) & hidden


@pytest.mark.parametrize("about", [None, 5, [1], {}, {"row": -1}, {"row": "0"}, {"row": 10**30},
                                   {"rows": 5}, {"start": -5}, {"by": "x", "start": 1.5},
                                   {"threshold": "1", "finder": 3}, {"drop": True}])  # fmt: skip
@pytest.mark.parametrize(
    "ask", ["counts", "clusters", "cluster", "texts", "pair", "decide", "decisions", "undo"]
)
def test_questions_that_make_no_sense_do_no_harm(ask, about):
    widget = dm.explore.duplicates(dm.dedup.exact(make_frame(["a", "A"])))
    assert "Error" not in told(widget, ask, about)[0].get("error", "")
    assert widget.decisions == ()


def test_other_messages_are_not_answered():
    widget = dm.explore.duplicates(dm.dedup.exact(make_frame(["a", "A"])))
    widget.comm = wire = Wire()
    for question in (None, 5, "counts", {}, {"ask": "__class__"}, {"ask": ["pair"]}):
        widget._handle_custom_msg(question, [])
    assert not wire.sent


# ---- the notebook's repr --------------------------------------------------------------------


def test_showing_what_is_not_computed_does_not_begin_the_search():
    dups = found(on_dask(rows(30), 3))
    bundle = dups._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "not computed yet" in bundle["text/html"] and "dups.pairs" in bundle["text/html"]
    assert "not computed yet" in repr(dups)
    len(dups.pairs)
    bundle = dups._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == repr(dups) and "rows would go" in bundle["text/html"]


def test_without_the_extra_there_is_a_page(monkeypatch):
    dups = found(rows(30), threshold=0.6)
    removed = len(dups.decisions())
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r"datamerge\[notebook\]"):
        dm.explore.duplicates(dups)
    bundle = dups._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    html = dups._repr_html_()
    assert f"<dt>rows would go</dt><dd>{removed:,}</dd>" in html
    assert dups.clusters()["id"][0] in html and "<svg" in html and "<script" not in html


def test_duplicates_of_nothing_can_be_looked_at():
    widget = dm.explore.duplicates(found(make_frame(["a", "b c"])))
    assert told(widget, "clusters")[0]["clusters"] == []
    assert told(widget, "counts")[0]["counts"]["removed"] == 0
    assert repr(widget) == "Duplicates at jaccard 0.8: 0 of 2 rows would go"
    with pytest.raises(TypeError, match=r"dm\.dedup finds them"):
        dm.explore.duplicates(make_frame(["a"]))


def test_counts_without_witnesses_are_those_of_the_decision():
    df = rows(50)
    view = View(found(df), (), "first")
    for at in (0.3, 0.5, 0.9):
        view.move("jaccard", at)
        assert view.counts()["removed"] == len(view.listed.decision.removed)
