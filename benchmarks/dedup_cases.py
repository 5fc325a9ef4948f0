"""The jobs of dedup.py: on what, with which tools, and in which columns they are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dedup_data import EDGES, Inputs

MINILM_ROWS = 100_000
SLOW_ROWS = 200_000
SAMPLE_ROWS = 20_000
GROWTH = (50_000, 100_000, 200_000, 400_000, 700_000)
# What exhaustive peers do of all pairs of 700,000 rows; the rest is reckoned from it.
SHARE = 1 / 32

NEAR = ("removed", "recall", "precision", "over")
NEAR_PAIRS = ("pairs", "pair recall", "pair precision", *NEAR)
FAST_PEERS = ("gaoya", "rensa", "rensa matrix")
SAME = "gaoya, same shingles"
SLOW_PEERS = ("datasketch", "text-dedup", "datatrove", "data-juicer")


@dataclass(frozen=True)
class Case:
    """``only_slow`` cases, and the tools in ``slow``, run with --slow alone."""

    name: str
    title: str
    kind: str
    source: Callable[[Inputs, int | None], Path]
    tools: Sequence[str]
    columns: Sequence[str]
    slow: Sequence[str] = ()
    options: dict[str, Any] = field(default_factory=dict)
    once: bool = False
    only_slow: bool = False


def texts(kind: str, most: int | None = None) -> Callable[[Inputs, int | None], Path]:
    return lambda inputs, rows: inputs.texts(kind, _least(rows, most))


def vectors(kind: str, most: int | None = None) -> Callable[[Inputs, int | None], Path]:
    return lambda inputs, rows: inputs.vectors(kind, _least(rows, most))


def graph(kind: str) -> Callable[[Inputs, int | None], Path]:
    return lambda inputs, rows: inputs.graph(kind, min(EDGES, 5 * rows) if rows else EDGES)


def _least(*numbers: int | None) -> int | None:
    return min((number for number in numbers if number), default=None)


def _near(name: str, kind: str, ngram: int, title: str, **more: Any) -> Case:
    given: dict[str, Any] = {
        "source": texts(kind),
        "tools": (
            "datamerge jaccard",
            "datamerge jaccard, floor 0.75",
            "datamerge minhash",
            *FAST_PEERS,
        ),
        "columns": NEAR,
    }
    options = {"ngram": ngram, "threshold": 0.8} | more.pop("options", {})
    return Case(name, title, "near", **(given | more), options=options)


def _sampled(name: str, kind: str, ngram: int) -> Case:
    return _near(
        name,
        kind,
        ngram,
        f"Near duplicates, pairs of the first 20,000 {kind}",
        source=texts(kind, SAMPLE_ROWS),
        tools=("datamerge jaccard", "datamerge minhash", *FAST_PEERS, SAME, "datasketch"),
        slow=("text-dedup", "datatrove", "data-juicer"),
        columns=NEAR_PAIRS,
        options={"save pairs": True},
        once=True,
    )


PAIRS = ("found", "recall", "precision", "share")
SEMANTIC = ("removed", "pairs", "pair recall", "resolved", "precision")

CASES = [
    _near(
        "answers",
        "answers",
        5,
        "Near duplicates: answers, word 5-grams, 0.8",
        slow=(SAME, *SLOW_PEERS),
    ),
    _near(
        "lines",
        "lines",
        2,
        "Near duplicates: lines, word 2-grams, 0.8",
        slow=(SAME, "datasketch"),
    ),
    _near(
        "lines-200k",
        "lines",
        2,
        "Near duplicates: the first 200,000 lines, word 2-grams, 0.8",
        source=texts("lines", SLOW_ROWS),
        slow=SLOW_PEERS,
        only_slow=True,
    ),
    _sampled("answers-pairs", "answers", 5),
    _sampled("lines-pairs", "lines", 2),
    Case(
        "minilm",
        "All pairs at 0.9: MiniLM vectors of 100,000 lines, 384 numbers each",
        "pairs",
        vectors("minilm", MINILM_ROWS),
        (
            "datamerge kernel",
            "datamerge semantic",
            "faiss flat",
            "faiss IVF",
            "faiss HNSW",
            "torch bfloat16",
            "numpy",
        ),
        PAIRS,
        slow=["usearch"],
        options={"threshold": 0.9, "save pairs": True},
    ),
    Case(
        "static",
        "All pairs at 0.9: static vectors of all distinct lines, 128 numbers each",
        "pairs",
        vectors("static"),
        ("datamerge kernel", "faiss flat", "faiss IVF", "torch bfloat16", "numpy"),
        PAIRS,
        slow=("faiss HNSW", "usearch"),
        options={"threshold": 0.9, "save pairs": True},
        once=True,
    ),
    Case(
        "semantic-200k",
        "Semantic duplicates: the first 200,000 lines, text to survivors, static table, 0.9",
        "semantic",
        texts("lines", SLOW_ROWS),
        ("datamerge semantic", "semhash"),
        SEMANTIC,
        slow=("datamerge semantic, floor 0.85",),
        options={"threshold": 0.9, "save pairs": True},
    ),
    Case(
        "semantic",
        "Semantic duplicates: all lines, text to survivors, static table, 0.9",
        "semantic",
        texts("lines"),
        ("datamerge semantic",),
        SEMANTIC,
        slow=("semhash",),
        options={"threshold": 0.9, "save pairs": True},
        once=True,
    ),
    Case(
        "exact-copies",
        "Exact duplicates: 182,723 answers",
        "exact",
        texts("copies"),
        ("datamerge exact", "polars", "duckdb", "pandas"),
        ("kept", "should stay", "wrong"),
    ),
    Case(
        "exact-lines",
        "Exact duplicates: lines",
        "exact",
        texts("lines"),
        ("datamerge exact", "polars", "duckdb", "pandas"),
        ("kept", "should stay", "wrong"),
    ),
    *(
        Case(
            f"decide-{kind}",
            f"Who stays: ten million pairs of three million rows, {kind}",
            "decide",
            graph(kind),
            (
                "datamerge witness",
                "datamerge witness, again",
                "datamerge components",
                "scipy components",
            ),
            ("kept", "removed", "both kept", "no witness"),
        )
        for kind in ("random", "clustered")
    ),
]

GROWING = {
    "datamerge jaccard": ("near", {"ngram": 2, "threshold": 0.8}),
    "datamerge minhash": ("near", {"ngram": 2, "threshold": 0.8}),
    "datamerge semantic": ("semantic", {"threshold": 0.9}),
}
NAMES = [case.name for case in CASES] + ["growth"]
