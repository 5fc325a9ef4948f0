"""Shingles, the set-similarity join and MinHash against plain Python and brute force."""

from __future__ import annotations

import multiprocessing
import os
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datamerge as dm
from datamerge import recipe
from datamerge.dedup import Bands, DuplicatesWarning, evidence
from datamerge.dedup.compared.digest import normalised
from datamerge.dedup.compared.texts import has_text
from datamerge.dedup.wording import (
    _list_kernels,
    _signature_kernels,
    groups,
    minima,
    postings,
    prefixes,
    probe,
    setjoin,
    signatures,
)
from datamerge.dedup.wording.shingles import PLAIN, Sets, Shingling
from datamerge.dedup.wording.signatures import Permutations, Sketch

pytestmark = pytest.mark.filterwarnings("ignore::datamerge.dedup.DuplicatesWarning")

DATA = Path(os.environ.get("DATAMERGE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def _workdir(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def frame(texts: Sequence[str], name: str = "web") -> pd.DataFrame:
    """A partition, as `dm.read` makes it, in pandas hands."""
    columns = {
        "id": [f"{name}#{i}" for i in range(len(texts))],
        "source": [name] * len(texts),
        "text": list(texts),
        "meta": [None] * len(texts),
        "drop_reason": [None] * len(texts),
        "drop_detail": [None] * len(texts),
    }
    return pd.DataFrame(columns, dtype="string[pyarrow]")


def arrow(texts: Sequence[str]) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


def plain_shingles(text: str, n: int, unit: str) -> frozenset[tuple[str, ...]]:
    """The definition: of the normalised text, all runs of n; one of all where they are fewer."""
    (whole,) = normalised(arrow([text])).to_pylist()
    units = [word for word in whole.split(" ") if word] if unit == "word" else list(whole)
    if len(units) <= n:
        return frozenset([tuple(units)]) if units else frozenset()
    return frozenset(tuple(units[i : i + n]) for i in range(len(units) - n + 1))


def jaccard(a: frozenset, b: frozenset) -> float:
    return len(a & b) / len(a | b)


def brute(texts: Sequence[str], n: int, unit: str, floor: float) -> dict[tuple[int, int], float]:
    """Every pair of rows that reach the floor."""
    sets = {i: plain_shingles(t, n, unit) for i, t in enumerate(texts)}
    sets = {i: s for i, s in sets.items() if s}
    scores = {(i, j): jaccard(sets[i], sets[j]) for i, j in combinations(sets, 2)}
    return {pair: score for pair, score in scores.items() if score >= floor}


def number(key: str) -> int:
    return int(key.rpartition("#")[2])


def spread(dups) -> dict[tuple[int, int], float]:
    """The pairs of a finder, with those of a class spread out to all its rows."""
    evidence = dups._evidence
    ids = [number(key) for key in evidence.id.to_pylist()]
    members: dict[int, list[int]] = {}
    for row, first in enumerate(evidence.same.tolist()):
        members.setdefault(first, []).append(ids[row])
    found = {tuple(sorted(p)): 1.0 for rows in members.values() for p in combinations(rows, 2)}
    listed = zip(evidence.left, evidence.right, evidence.score.tolist(), strict=True)
    for left, right, score in listed:
        for i in members[evidence.same[left]]:
            for j in members[evidence.same[right]]:
                assert (min(i, j), max(i, j)) not in found
                found[min(i, j), max(i, j)] = score
    return found


any_text = st.text(max_size=30) | st.text(
    st.sampled_from("aAbÉé\u0301ß \t\n\x0b\x1c\x1f\x85\xa0\u3000—你İKﬁ\U0001f600"), max_size=30
)


@given(st.lists(any_text, max_size=8), st.integers(1, 6), st.sampled_from(["word", "character"]))
@settings(max_examples=400, deadline=None)
def test_shingles_are_the_plain_definition(texts, n, unit):
    texts = [t for t in texts if has_text(arrow([t]))[0]]
    # With something before them, so that the text does not begin where the buffer does.
    whole = arrow(["before", *texts])
    sets = Shingling(n, unit).sets(whole[1:])
    found = [sets.hashes[a:b] for a, b in zip(sets.starts[:-1], sets.starts[1:], strict=True)]
    plain = [plain_shingles(text, n, unit) for text in texts]
    for hashes, shingles in zip(found, plain, strict=True):
        assert len(hashes) == len(shingles) > 0
        assert (hashes[1:] > hashes[:-1]).all()
    for i, j in combinations(range(len(texts)), 2):
        assert len(np.intersect1d(found[i], found[j])) == len(plain[i] & plain[j])
        assert (sets.digest[i] == sets.digest[j]).all() == (plain[i] == plain[j])


def test_long_texts_and_repeated_words():
    texts = ["spam " * 5000, " ".join(map(str, range(5000))), "a b " * 3000]
    sets = Shingling(3, "word").sets(arrow(texts))
    assert np.diff(sets.starts).tolist() == [1, 4998, 2]


def test_plain_characters_need_no_normalising():
    plain = [chr(c) for first, last in PLAIN for c in range(first, last + 1)]
    assert normalised(arrow(plain)).to_pylist() == plain
    # None of them ever joins with the character before it.
    for code in range(0x110000):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            assert chr(int(parts[1], 16)) not in plain
    assert not any(unicodedata.combining(c) for c in plain)


words = st.lists(st.sampled_from("abcdefgh"), min_size=0, max_size=14).map(" ".join)
corpora = st.lists(words, max_size=25)


@given(
    texts=corpora,
    threshold=st.sampled_from([0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 1.0]) | st.floats(0.3, 1),
    below=st.sampled_from([0, 0.05, 0.2]),
    n=st.integers(1, 3),
    unit=st.sampled_from(["word", "character"]),
)
@settings(max_examples=100, deadline=None)
def test_join_equals_brute_force(texts, threshold, below, n, unit, tmp_path_factory):
    floor = max(threshold - below, 0.1)
    with dask.config.set({"datamerge.workdir": str(tmp_path_factory.mktemp("work"))}):
        found = dm.dedup.jaccard(
            frame(texts), threshold=threshold, floor=floor, text="text", ngram=n, unit=unit
        )
        assert spread(found) == brute(texts, n, unit, floor)


@pytest.mark.parametrize("floor", [0.3, 0.5, 0.75, 0.8])
def test_join_equals_brute_force_on_longer_texts_in_many_stripes(floor, monkeypatch):
    monkeypatch.setattr(postings, "LOOKUPS_A_STRIPE", 100)
    monkeypatch.setattr(prefixes, "SHINGLES_A_STRIPE", 700)
    monkeypatch.setattr(prefixes, "SLOTS_A_SHARE", 400)
    texts = near_texts(np.random.default_rng(3), families=40, size=5, longest=120)
    found = dm.dedup.jaccard(frame(texts), threshold=0.9, floor=floor, text="text", ngram=2)
    expected = brute(texts, 2, "word", floor)
    assert len(expected) > 100
    assert spread(found) == expected


def near_texts(
    random: np.random.Generator, families: int, size: int, longest: int, words: int = 3000
) -> list[str]:
    """Families of texts that differ from their first in some words, shuffled."""
    texts = []
    for _ in range(families):
        first = random.integers(0, words, random.integers(5, longest))
        for _ in range(size):
            other = first.copy()
            changed = random.random(len(first)) < random.choice([0, 0.02, 0.05, 0.1, 0.2])
            other[changed] = random.integers(0, words, changed.sum())
            texts.append(" ".join(f"w{x}" for x in other))
    return [texts[i] for i in random.permutation(len(texts))]


def test_values_that_share_their_leading_bits_are_told_apart():
    """Slots are sorted by their leading bits alone: the rest must decide who shares a list."""
    values = np.array([8, 9, 10, 9, 8, 11, 8], np.uint64)  # all alike but for the last bits
    bits = np.uint64(4)
    keys = np.sort(values >> bits << bits | np.arange(7, dtype=np.uint64))
    numbers = np.arange(7, dtype=np.int32)
    rows, _, ends = _list_kernels.sharing(keys, values, 4, numbers, numbers)
    assert [part.tolist() for part in np.split(rows, ends[:-1])] == [[0, 4, 6], [1, 3]]


# MinHash


def plain_signatures(sets: Sets, permutations: Permutations) -> np.ndarray:
    """The same arithmetic on whole arrays."""
    factor, add = permutations.functions()
    short = (sets.hashes >> np.uint64(32)).astype(np.uint32)
    values = factor * short[:, None] + add
    return np.minimum.reduceat(values, sets.starts[:-1])


@pytest.mark.parametrize("num_perm", [1, 7, 128])
def test_signatures_are_those_of_whole_arrays(num_perm):
    texts = near_texts(np.random.default_rng(0), families=30, size=3, longest=200)
    sets = Shingling(3, "word").sets(arrow(texts))
    permutations = Permutations(num_perm, seed=5)
    found = permutations.found(sets)
    assert found.dtype == np.uint32
    assert (found == plain_signatures(sets, permutations)).all()
    assert (found != Permutations(num_perm, seed=6).found(sets)).any()


def test_agreement_of_signatures_estimates_jaccard():
    random = np.random.default_rng(1)
    for share in (0.2, 0.5, 0.8):
        differences = []
        for trial in range(40):
            union = np.sort(random.integers(0, 1 << 63, 400, dtype=np.uint64))
            inner = random.permutation(400)
            shared, left = int(400 * share), int(400 * (1 - share) / 2)
            a, b = (np.sort(union[np.r_[inner[:shared], part]]) for part in
                    (inner[shared : shared + left], inner[shared + left :]))  # fmt: skip
            sets = Sets(np.concatenate([a, b]), np.array([0, len(a), len(a) + len(b)]), a)
            found = Permutations(256, trial).found(sets)
            differences.append((found[0] == found[1]).mean() - share)
        # 40 * 256 places: the standard error of the mean is below 0.005.
        assert abs(np.mean(differences)) < 0.02


def test_minhash_finds_true_pairs_and_as_many_as_the_curve_says():
    texts = near_texts(np.random.default_rng(7), families=400, size=4, longest=60)
    floor = 0.5
    true = brute_of_families(texts, floor)
    bands = Bands(8, 6)
    found = dm.dedup.minhash(
        frame(texts), threshold=0.8, floor=floor, text="text", ngram=1,
        num_perm=48, bands=8, rows=6, seed=3,
    )  # fmt: skip
    pairs = spread(found)
    assert all(true[pair] == score for pair, score in pairs.items())
    near = {pair: s for pair, s in true.items() if s < 1}
    hit = sum(pair in pairs for pair in near)
    expected = sum(bands.found(s) for s in near.values())
    assert 200 < expected < 0.95 * len(near)
    # The texts of a family are missed or found together, so the spread is wider than binomial.
    deviation = np.sqrt(sum(bands.found(s) * bands.missed(s) for s in near.values()))
    assert abs(hit - expected) < 8 * deviation


def brute_of_families(texts: Sequence[str], floor: float) -> dict[tuple[int, int], float]:
    sets = [plain_shingles(text, 1, "word") for text in texts]
    vocabulary: dict[tuple[str, ...], list[int]] = {}
    for row, shingles in enumerate(sets):
        for shingle in shingles:
            vocabulary.setdefault(shingle, []).append(row)
    near = {p for rows in vocabulary.values() for p in combinations(rows, 2)}
    scores = {(i, j): jaccard(sets[i], sets[j]) for i, j in near}
    return {pair: score for pair, score in scores.items() if score >= floor}


@given(texts=corpora, floor=st.floats(0.5, 1))
@settings(max_examples=40, deadline=None)
def test_bands_of_one_row_miss_nothing_that_shares_a_place(texts, floor, tmp_path_factory):
    """Three hundred bands of one row: a pair at 0.5 is missed once in 2 ** 300."""
    with dask.config.set({"datamerge.workdir": str(tmp_path_factory.mktemp("work"))}):
        found = dm.dedup.minhash(
            frame(texts), threshold=1.0, floor=floor, text="text", ngram=2,
            num_perm=300, bands=300, rows=1,
        )  # fmt: skip
        assert spread(found) == brute(texts, 2, "word", floor)


def test_unverified_scores_are_the_agreement_of_signatures():
    texts = near_texts(np.random.default_rng(2), families=50, size=4, longest=60)
    found = dm.dedup.minhash(
        frame(texts), threshold=0.7, floor=0.3, text="text", ngram=1, verify=False
    )
    sets = Shingling(1, "word").sets(arrow(texts))
    drawn = Permutations(128, 0).found(sets)
    pairs = found.pairs
    assert len(pairs) > 50
    for pair in pairs.itertuples():
        a, b = drawn[number(pair.id)], drawn[number(pair.other)]
        assert pair.score == (a == b).mean()
    detail = found.mark()["drop_detail"].dropna()
    assert detail.str.startswith("estimated jaccard ").all()
    assert len(detail)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("num_perm", [16, 128])
def test_bands_fit_the_threshold(threshold, num_perm):
    bands = Bands.for_threshold(threshold, num_perm)
    assert bands.bands * bands.rows <= num_perm
    assert bands.rows == 1 or bands.missed(threshold) <= 0.01
    tighter = Bands(num_perm // (bands.rows + 1), bands.rows + 1)
    assert tighter.missed(threshold) > 0.01
    curve = bands.curve()
    assert curve["found"].is_monotonic_increasing
    assert curve["found"].iloc[[0, -1]].tolist() == [0, 1]


# Both finders on frames

FINDERS = [dm.dedup.jaccard, dm.dedup.minhash]
finders = pytest.mark.parametrize("finder", FINDERS, ids=["jaccard", "minhash"])


def marks(df) -> dict[str, str | None]:
    df = df.compute() if hasattr(df, "compute") else df
    details = [None if pd.isna(d) else d for d in df["drop_detail"]]
    return dict(zip(df["id"], details, strict=True))


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


@finders
@pytest.mark.parametrize("scheduler", ["threads", "processes", "synchronous"])
def test_partitions_and_schedulers_make_no_difference(finder, scheduler, request):
    texts = near_texts(np.random.default_rng(4), families=20, size=4, longest=40)
    pdf = frame(texts)
    expected = marks(finder(pdf, threshold=0.7, text="text", ngram=1).mark())
    assert any(expected.values())
    for cuts in (1, 5) if scheduler == "synchronous" else (3,):
        df = dd.from_pandas(pdf, npartitions=cuts, sort=False)
        pool = request.getfixturevalue("processes") if scheduler == "processes" else None
        with dask.config.set({"scheduler": scheduler, "pool": pool}):
            found = finder(df, threshold=0.7, text="text", ngram=1)
            assert marks(found.mark()) == expected
    shuffled = finder(pdf[::-1], threshold=0.7, text="text", ngram=1)
    assert marks(shuffled.mark()) == expected


@given(texts=corpora, threshold=st.sampled_from([0.4, 0.6, 0.8]), cuts=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_witness_rule(texts, threshold, cuts, tmp_path_factory):
    """No two kept rows reach the threshold; every removed row reaches it with a kept one."""
    true = brute(texts, 2, "word", threshold)
    pdf = frame(texts)
    df = dd.from_pandas(pdf, npartitions=cuts, sort=False) if texts else pdf
    with dask.config.set({"datamerge.workdir": str(tmp_path_factory.mktemp("work"))}):
        decided = dm.dedup.jaccard(df, threshold=threshold, text="text", ngram=2).decisions()
    gone = {number(r.id): (number(r.witness), r.score) for r in decided.itertuples()}
    kept = [i for i in range(len(texts)) if i not in gone]
    assert not any(pair in true for pair in combinations(kept, 2))
    for row, (witness, score) in gone.items():
        assert witness not in gone
        assert true[min(row, witness), max(row, witness)] == score


@finders
def test_detail_and_reason(finder):
    df = dm.read(["the cat sat on the mat", "The cat sat  on the red mat"], name="cats")
    marked = finder(df, threshold=0.5, ngram=2).mark().compute()
    assert marked["drop_detail"].tolist()[1] == "jaccard 0.571429 to cats#0"
    assert marked["drop_reason"].tolist()[1] == f"{finder.__name__}_duplicate"


@finders
def test_at_moves_down_to_the_floor(finder):
    certain = {"bands": 128, "rows": 1} if finder is dm.dedup.minhash else {}
    texts = ["a b c d e f g h i j", "a b c d e f g h i x", "a b c d e f g y z x"]
    found = finder(frame(texts), threshold=0.9, floor=0.5, text="text", ngram=1, **certain)
    assert found.decisions().empty
    assert found.at(0.8).decisions()["id"].tolist() == ["web#1"]
    assert found.at(0.5).decisions()["id"].tolist() == ["web#1", "web#2"]
    with pytest.raises(ValueError, match="floor"):
        found.at(0.4)


@finders
@pytest.mark.parametrize("texts", [[], ["x"], ["", " ", "\t\n"], ["", "x", "\x85"]])
def test_nothing_to_compare(finder, texts):
    found = finder(frame(texts), threshold=0.5, text="text")
    assert found.pairs.empty
    assert len(found.mark()) == len(texts)
    if texts:
        df = dd.from_pandas(frame(texts), npartitions=2, sort=False)
        assert finder(df, threshold=0.5, text="text").decisions().empty


@finders
def test_dead_rows_take_no_part(finder):
    df = dm.read([{"text": t} for t in ("a b c", "a b c d", "a b c")], name="web")
    df = dm.filters.length(df, min=4, unit="words", text="text", reason="short")
    assert finder(df, threshold=0.5, text="text", ngram=1).decisions().empty


@finders
def test_a_clique_of_equal_sets_is_one_class(finder):
    """20,000 equal texts, and 20,000 whose sets of shingles are equal though the texts differ."""
    texts = ["one and the same"] * 20_000 + [f"{'x ' * (n % 50)}x y" for n in range(20_000)]
    with pytest.warns(DuplicatesWarning):
        found = finder(frame(texts), threshold=0.8, text="text", ngram=1)
        gone = found.mark()["drop_reason"].notna()
    assert gone.sum() == 39_998
    assert len(found.pairs) == 39_998


@finders
def test_a_clique_of_near_equal_texts(finder):
    """1,500 texts of one template: all pairs, none twice, and one stays."""
    core = " ".join(f"w{i}" for i in range(100))
    texts = [f"{core} number {n}" for n in range(1_500)]
    found = finder(frame(texts), threshold=0.9, text="text", ngram=3)
    with pytest.warns(DuplicatesWarning):
        assert found.mark()["drop_reason"].isna().sum() == 1
    assert len(found.pairs) == 1_500 * 1_499 // 2
    assert set(found.pairs["score"]) == {99 / 101}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"threshold": 0.5, "floor": 0.6}, "floor <= threshold"),
        ({"threshold": 0.5, "floor": 0}, "0 < floor"),
        ({"threshold": 1.5}, "threshold <= 1"),
        ({"threshold": float("nan")}, "threshold"),
        ({"ngram": 0}, "at least one word"),
        ({"unit": "token"}, "one of word, character"),
        ({"text": "nothing"}, "neither a view nor a column"),
    ],
)
@finders
def test_bad_arguments(finder, arguments, told):
    with pytest.raises(ValueError, match=told):
        finder(frame(["a"]), **arguments)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"num_perm": 0}, "at least one place"),
        ({"bands": 3}, "both bands and rows"),
        ({"bands": 20, "rows": 7}, "do not fit"),
        ({"bands": 0, "rows": 7}, "do not fit"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_bands(arguments, told):
    with pytest.raises(ValueError, match=told):
        dm.dedup.minhash(frame(["a"]), **arguments)


@finders
def test_in_a_recipe(finder, tmp_path):
    (tmp_path / "web.jsonl").write_text('{"text": "a b c"}\n{"text": "a b c d"}\n')
    name = f"dedup.{finder.__name__}"
    loaded = recipe.loads(
        f"sources: [{tmp_path / 'web.jsonl'}]\n"
        f"steps:\n  - {name}: {{threshold: 0.6, ngram: 1, keep: longest}}\n"
    )
    assert next(iter(marks(recipe.frame(loaded)).values())).startswith("jaccard 0.75")


@finders
def test_real_answers(finder):
    """The first thousand answers, by brute force over those that share a shingle."""
    path = DATA / "bench" / "alpaca_eval_60.parquet"
    if not path.exists():
        pytest.skip("the real data is not beside the checkout")
    texts = pq.read_table(path, columns=["output"])["output"].to_pylist()[:6000:6]
    texts += [text[: len(text) * 9 // 10] for text in texts[::7]]
    found = spread(finder(frame(texts), threshold=0.8, floor=0.6, text="text", ngram=3))
    sets = [plain_shingles(text, 3, "word") for text in texts]
    by_shingle: dict[tuple[str, ...], list[int]] = {}
    for row, shingles in enumerate(sets):
        for shingle in shingles:
            by_shingle.setdefault(shingle, []).append(row)
    near = {pair for rows in by_shingle.values() for pair in combinations(rows, 2)}
    true = {(i, j): jaccard(sets[i], sets[j]) for i, j in near}
    true = {pair: score for pair, score in true.items() if score >= 0.6}
    assert len(true) > 100
    assert found.items() <= true.items()
    missed = [score for pair, score in true.items() if pair not in found]
    assert not missed if finder is dm.dedup.jaccard else all(score < 0.8 for score in missed)


# Groups of near-equal texts


def template(random: np.random.Generator, rows: int, changed: int, words: int = 40) -> list[str]:
    """Texts of one template, at most so many of their words exchanged."""
    whole = [f"w{random.integers(1 << 40)}" for _ in range(words)]
    texts = []
    for _ in range(rows):
        text = list(whole)
        for place in random.integers(0, words, random.integers(0, changed + 1)):
            text[place] = f"x{random.integers(1 << 40)}"
        texts.append(" ".join(text))
    return texts


def handed_over(monkeypatch) -> list:
    """What finders hand over from now on, out of their folder."""
    seen = []
    save = evidence.save

    def keep(folder, rows, same, pairs, about):
        dense = pairs.dense
        if dense is not None:
            held = {name: np.array(array) for name, array in dense.arrays.items()}
            dense = replace(dense, arrays=held)
        found = replace(pairs, found=np.array(pairs.found), dense=dense)
        seen.append((numbers_of(rows), same, found))
        save(folder, rows, same, pairs, about)

    monkeypatch.setattr(evidence, "save", keep)
    return seen


def in_groups(pairs) -> dict[tuple[int, int], float]:
    """The pairs inside of groups, by item, from what groups carry."""
    dense = pairs.dense
    if dense is None:
        return {}
    starts, hashes = dense.arrays["starts"], dense.arrays["hashes"]
    sets = [frozenset(hashes[a:b].tolist()) for a, b in pairwise(starts)]
    assert dense.measure == "jaccard" and len(set(dense.item.tolist())) == len(dense.item)
    return {
        (int(dense.item[i]), int(dense.item[j])): jaccard(sets[i], sets[j])
        for i, j in combinations(range(len(sets)), 2)
        if dense.group[i] == dense.group[j]
    }


def numbers_of(rows) -> list[int]:
    """The numbers in the ids."""
    return [number(key) for key in rows.told(np.arange(len(rows)))["id"].to_pylist()]


def covered(ids, same, pairs) -> tuple[dict, dict]:
    """The listed pairs and those in groups, by the numbers in the ids; classes spread out."""
    members: dict[int, list[int]] = {}
    for row, first in enumerate(same.tolist()):
        members.setdefault(first, []).append(ids[row])
    listed = {(int(p["left"]), int(p["right"])): float(p["score"]) for p in pairs.found}
    assert len(listed) == len(pairs.found)
    both = []
    for found in (listed, in_groups(pairs)):
        spread_out = {}
        for (left, right), score in found.items():
            for i in members[int(pairs.number[left])]:
                for j in members[int(pairs.number[right])]:
                    spread_out[min(i, j), max(i, j)] = score
        both.append(spread_out)
    return both[0], both[1]


@pytest.fixture
def few_pairs(monkeypatch):
    """Groups are made from a few pairs on."""
    monkeypatch.setattr(setjoin, "LEAST_BUDGET", 30)
    monkeypatch.setattr(setjoin, "PAIRS_A_SET", 0)
    monkeypatch.setattr(groups, "LEAST_MEMBERS", 3)


@pytest.mark.parametrize("changed", [1, 2, 5])
@pytest.mark.parametrize("floor", [0.5, 0.75, 0.9])
@pytest.mark.parametrize("ngram", [1, 3])
def test_groups_and_listed_pairs_are_all_pairs(changed, floor, ngram, few_pairs, monkeypatch):
    random = np.random.default_rng(5)
    texts = [text for _ in range(3) for text in template(random, 40, changed)]
    texts += near_texts(random, families=10, size=3, longest=60)
    seen = handed_over(monkeypatch)
    found = dm.dedup.jaccard(frame(texts), threshold=0.95, floor=floor, text="text", ngram=ngram)
    found._find()
    listed, inside = covered(*seen[0])
    assert not listed.keys() & inside.keys()
    assert all(score >= floor for score in inside.values())
    expected = {pair: s for pair, s in brute(texts, ngram, "word", floor).items() if s < 1}
    assert listed | inside == expected
    if changed == 1 and ngram == 1:
        assert len(inside) > len(listed)


@pytest.mark.parametrize("verify", [True, False])
def test_groups_of_minhash_hold_true_pairs(verify, few_pairs, monkeypatch):
    random = np.random.default_rng(6)
    texts = [text for _ in range(3) for text in template(random, 40, 2)]
    seen = handed_over(monkeypatch)
    dm.dedup.minhash(frame(texts), threshold=0.8, text="text", ngram=1, verify=verify)._find()
    listed, inside = covered(*seen[0])
    assert not listed.keys() & inside.keys()
    true = {pair: s for pair, s in brute(texts, 1, "word", 0.75).items() if s < 1}
    assert len(inside) > 0.9 * len(true)
    assert inside.items() <= true.items()
    if verify:
        assert listed.items() <= true.items()


@given(
    texts=st.lists(st.sampled_from("abcd") | st.just("e f g h i j k l m n"), max_size=40).map(
        lambda tails: [f"e f g h i j k l m n {tail} {n % 7}" for n, tail in enumerate(tails)]
    ),
    floor=st.sampled_from([0.3, 0.5, 0.6, 0.7, 0.75, 0.8]),
    ngram=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_groups_change_no_pair(texts, floor, ngram, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setjoin, "LEAST_BUDGET", 3)
        patch.setattr(setjoin, "PAIRS_A_SET", 0)
        patch.setattr(groups, "LEAST_MEMBERS", 2)
        patch.setattr(setjoin.groups, "dense", lambda join, group: group)
        seen = []
        patch.setattr(evidence, "save", lambda folder, rows, same, pairs, about: seen.append(
            (rows, same, pairs.number, np.array(pairs.found), pairs.dense)))  # fmt: skip
        with dask.config.set({"datamerge.workdir": str(tmp_path_factory.mktemp("work"))}):
            dm.dedup.jaccard(
                frame(texts), threshold=0.9, floor=floor, text="text", ngram=ngram
            )._find()
    _, same, numbers, found, group = seen[0]
    distinct = np.flatnonzero(same == np.arange(len(same)))
    true = brute([texts[i] for i in distinct], ngram, "word", floor)
    true = {(int(distinct[i]), int(distinct[j])): s for (i, j), s in true.items()}
    of_row = dict(zip(numbers.tolist(), range(len(numbers)), strict=True))
    listed = {
        tuple(sorted((int(numbers[p["left"]]), int(numbers[p["right"]])))): float(p["score"])
        for p in found
    }
    inside = set()
    if group is not None:
        inside = {
            pair for pair in combinations(sorted(of_row), 2)
            if group[of_row[pair[0]]] == group[of_row[pair[1]]] >= 0
        }  # fmt: skip
    assert inside <= true.keys()
    assert not inside & listed.keys()
    assert listed == {pair: s for pair, s in true.items() if pair not in inside}
    assert group is not None or len(true) <= 3


def test_too_many_pairs_say_what_to_do(few_pairs, monkeypatch):
    """Texts that are alike, but not enough for groups."""
    monkeypatch.setattr(setjoin, "MOST_PAIRS", 100)
    texts = template(np.random.default_rng(8), 60, 12)
    with pytest.raises(ValueError, match=r"more than 100 pairs of the .* higher threshold="):
        dm.dedup.jaccard(frame(texts), threshold=0.5, text="text", ngram=1).pairs  # noqa: B018


def test_partitions_and_stripes_make_no_difference_to_groups(few_pairs, monkeypatch):
    texts = [t for _ in range(2) for t in template(np.random.default_rng(9), 50, 3)]
    seen = handed_over(monkeypatch)
    pdf = frame(texts)
    dm.dedup.jaccard(pdf, threshold=0.8, text="text", ngram=1)._find()
    monkeypatch.setattr(postings, "LOOKUPS_A_STRIPE", 50)
    monkeypatch.setattr(probe, "PAIRS_A_WRITE", 20)
    monkeypatch.setattr(prefixes, "SLOTS_A_SHARE", 100)
    df = dd.from_pandas(pdf[::-1], npartitions=3, sort=False)
    dm.dedup.jaccard(df, threshold=0.8, text="text", ngram=1)._find()
    (_, same, one), (_, same_again, other) = seen
    assert (same == same_again).all() and len(one.found)
    order = [np.argsort(found, order=["left", "right"]) for found in (one.found, other.found)]
    assert (one.found[order[0]] == other.found[order[1]]).all()
    assert (one.dense.item == other.dense.item).all()
    assert (one.dense.group == other.dense.group).all()


# Compared against earlier rows


@finders
@pytest.mark.parametrize("grouped", [False, True])
def test_old_rows_are_not_compared_with_each_other(finder, grouped, monkeypatch):
    if grouped:
        monkeypatch.setattr(setjoin, "LEAST_BUDGET", 30)
        monkeypatch.setattr(setjoin, "PAIRS_A_SET", 0)
        monkeypatch.setattr(groups, "LEAST_MEMBERS", 3)
    random = np.random.default_rng(11)
    texts = [text for _ in range(3) for text in template(random, 30, 9)]
    texts = [texts[i] for i in random.permutation(len(texts))]
    old = frame(texts[:50])
    new = frame(texts)[50:]
    seen = []
    monkeypatch.setattr(evidence, "save", lambda folder, rows, same, pairs, about: seen.append(
        (rows, numbers_of(rows), pairs.number, np.array(pairs.found), pairs.dense)))  # fmt: skip
    certain = {"num_perm": 300, "bands": 300, "rows": 1} if finder is dm.dedup.minhash else {}
    finder(new, threshold=0.9, floor=0.6, text="text", ngram=1, against=old, **certain)._find()
    rows, ids, numbers, found, dense = seen[0]
    assert rows.olds == 50 and (dense is not None) == grouped
    group = np.full(len(numbers), -1)
    if grouped:
        group[dense.item] = dense.group
    expected = {}
    sets = [plain_shingles(texts[ids[row]], 1, "word") for row in numbers]
    for i, j in combinations(range(len(numbers)), 2):
        both_old = numbers[i] < rows.olds and numbers[j] < rows.olds
        score = jaccard(sets[i], sets[j])
        if score >= 0.6 and not both_old and not group[i] == group[j] >= 0:
            expected[i, j] = score
    assert {tuple(sorted((int(p["left"]), int(p["right"])))): float(p["score"]) for p in found} == (
        expected
    )
    assert len(expected) > 100


# Signatures on whole arrays


def namespaces() -> list:
    return [np, pytest.param("array_api_strict"), pytest.param("cupy", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("namespace", namespaces())
@pytest.mark.parametrize("at_once", [1, 5_000, 1 << 24])
def test_minima_of_any_namespace_are_those_of_the_kernel(namespace, at_once, monkeypatch):
    xp = pytest.importorskip(namespace) if isinstance(namespace, str) else namespace
    if namespace == "cupy" and minima.on_gpu() is None:
        pytest.skip("no GPU can be used from here")
    monkeypatch.setattr(minima, "ELEMENTS_AT_ONCE", at_once)
    random = np.random.default_rng(12)
    sizes = np.concatenate([[0, 1, 1], random.integers(0, 9, 60), [70]])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    hashes = random.integers(0, 1 << 64, starts[-1], dtype=np.uint64)
    factor, add = Permutations(33, 4).functions()
    expected = np.empty((len(sizes), 33), np.uint32)
    _signature_kernels.signatures(hashes, starts, factor, add, expected)
    assert (minima.minima(xp, hashes, starts, factor, add) == expected).all()


@pytest.mark.parametrize("most", [800, 0])
def test_signatures_where_a_device_has_little_memory(most, monkeypatch):
    """Halves at a time; and what never fits is the processor's."""
    random = np.random.default_rng(13)
    sizes = random.integers(0, 9, 3000)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    hashes = random.integers(0, 1 << 64, starts[-1], dtype=np.uint64)
    sets = Sets(hashes, starts, np.zeros((3000, 2), np.uint64))
    drawn = Permutations(16, 3)
    expected = drawn.found(sets)
    original, tried = signatures.minima, []

    def small(xp, hashes, starts, factor, add):
        tried.append(len(starts) - 1)
        if len(starts) - 1 > most:
            raise MemoryError
        return original(xp, hashes, starts, factor, add)

    monkeypatch.setattr(signatures, "on_gpu", lambda: np)
    monkeypatch.setattr(signatures, "minima", small)
    assert (drawn.found(sets) == expected).all()
    assert tried == [3000, 1500, 750, 750, 1500, 750, 750]


def test_the_ledger_tells_that_a_device_had_little_memory(monkeypatch, tmp_path):
    def small(xp, hashes, starts, factor, add):
        raise MemoryError

    rows = [f"one two three four {n % 9} {n % 40}" for n in range(120)]

    def steps(out: str) -> list[dict[str, Any]]:
        with dask.config.set({"datamerge.workdir": str(tmp_path / f"work of {out}")}):
            dups = dm.dedup.minhash(dm.read(rows, name="rows"), threshold=0.6, ngram=2)
            return dm.write(dups.mark(), tmp_path / out).to_dict()["steps"]

    (expected,) = steps("enough")
    monkeypatch.setattr(signatures, "on_gpu", lambda: np)
    monkeypatch.setattr(signatures, "minima", small)
    (found,) = steps("little")
    told = found.pop("short_of_memory")
    assert found == expected and found["sources"]["rows"]["removed"] > 50
    assert told == {
        "minhash_duplicate": {"shingle": {"devices": ["CuPy"], "often": 0, "rows_on_cpu": 120}}
    }


@pytest.mark.parametrize("texts", [[], ["a"], ["a b c d e", "a b c d f", "x y"]])
def test_sketches_are_the_same_by_either_way(texts, monkeypatch):
    """As where there is a GPU: signatures on whole arrays, in blocks; and signatures kept."""
    sets = Shingling(2, "word").sets(arrow(texts))
    sketch = Sketch(Permutations(16, 1), 5, 3, keep_signatures=False)
    expected = sketch.of(sets)["bands"]
    assert expected.shape == (5, len(texts))
    kept = replace(sketch, keep_signatures=True).of(sets)
    monkeypatch.setattr(signatures, "on_gpu", lambda: np)
    monkeypatch.setattr(signatures, "SETS_AT_ONCE", 2)
    assert (sketch.of(sets)["bands"] == expected).all()
    assert (kept["bands"] == expected).all()
    assert (kept["signatures"] == Permutations(16, 1).found(sets)).all()


def test_bands_and_what_they_miss_are_shown():
    found = dm.dedup.minhash(frame(["a b", "a c"]), threshold=0.8, text="text", bands=20, rows=5)
    missed = 100 * Bands(20, 5).missed(0.8)
    assert f"20 bands of 5 rows, which miss {missed:.2g}% of the pairs at 0.8" in repr(found)
    assert "bands" not in repr(dm.dedup.jaccard(frame(["a b"]), text="text"))
