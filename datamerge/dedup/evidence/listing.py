"""The pairs of evidence as a table, and how their scores are spread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .kept import Evidence, load

BLOCK = 500_000  # pairs in hand at a time: two ids and a score each


def tables(found: Evidence, block: int = BLOCK) -> Iterator[pa.Table]:
    """The pairs as ``id, other, score, how``; at least one table, maybe without rows.

    Rows of one text point to the first of them, and rows of a dense group to its first. With
    rows compared against, these are the ``other``, and ``against`` tells so.
    """
    copies = found.copies
    for first in range(0, max(len(copies), 1), block):
        some = copies[first : first + block]
        yield _table(found, some, found.same[some], np.ones(len(some)), found.how_same)
    for left, right, score in found.graph.listed(block):
        new = np.where(left < found.olds, right, left)
        yield _table(found, new, left + right - new, score, found.how)
        found.graph.let_go()
    if found.groups is not None and len(found.groups):
        yield _of_groups(found)


def _table(
    found: Evidence, row: np.ndarray, other: np.ndarray, score: np.ndarray, how: str
) -> pa.Table:
    columns = {
        "id": found.id.take(pa.array(row)),
        "other": found.id.take(pa.array(other)),
        "score": score,
        "how": pa.array([how], pa.large_string()).take(pa.array(np.zeros(len(row), np.int8))),
    }
    if found.about["old"]:
        columns["against"] = pa.array(other < found.olds)
    return pa.table(columns)


def _of_groups(found: Evidence) -> pa.Table:
    """The members of each group with its first one."""
    assert found.groups is not None
    groups, scorer = found.groups, found.groups.scorer()
    rows, firsts, scores = [], [], []
    for begin, end in zip(groups.starts[:-1].tolist(), groups.starts[1:].tolist(), strict=True):
        places, score = scorer.reaching(begin, begin + 1, end, np.full(end - begin - 1, -2.0))
        rows.append(groups.member[places])
        firsts.append(np.full(len(places), groups.member[begin]))
        scores.append(score)
    row, first = np.concatenate(rows), np.concatenate(firsts)
    new = row >= found.olds  # pairs of two old rows were not sought
    return _table(found, row[new], first[new], np.concatenate(scores)[new], found.how)


def of_all(found: Sequence[Evidence]) -> Iterator[pa.Table]:
    """The tables of several finders, all with the same columns."""
    against = any(one.about["old"] for one in found)
    for one in found:
        for table in tables(one):
            if against and "against" not in table.column_names:
                table = table.append_column("against", pa.array(np.zeros(len(table), bool)))
            yield table


def export(folders: Sequence[str], file: BinaryIO) -> None:
    """Write the pairs of these folders as Parquet, block by block."""
    tables = of_all([load(folder) for folder in folders])
    first = next(tables)
    with pq.ParquetWriter(file, first.schema, compression="zstd", write_statistics=False) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def histogram(found: Evidence, bins: int) -> pd.DataFrame:
    """How many listed pairs there are in each of so many equal steps from the floor to 1."""
    low = float(found.about["floor"])
    edges = np.linspace(min(low, 1.0), 1.0, bins + 1) if low < 1 else np.array([1.0, 1.0])
    counts = np.zeros(len(edges) - 1, np.int64)
    scores = found.graph.scores
    for begin in range(0, len(scores), BLOCK):
        counts += np.histogram(scores[begin : begin + BLOCK], edges)[0]
    return pd.DataFrame(
        {"how": found.how, "low": edges[:-1], "high": edges[1:], "pairs": counts // 2}
    )
