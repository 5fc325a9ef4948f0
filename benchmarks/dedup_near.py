"""Near duplicates in each tool: Parquet in, the kept rows as Parquet out.

Each function imports its tool, and returns the work to be timed. Tools that take tokens get the
shingles that datamerge makes, built in Python as their users would build them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dedup_job import Job, Work
from dedup_ours import marked
from dedup_suites import PERMUTATIONS, data_juicer, datatrove, text_dedup

SEED = 42


def shingles(text: str, ngram: int) -> list[str]:
    """Runs of words of the text in NFC and lower case; a shorter text is one shingle."""
    words = unicodedata.normalize("NFC", text).lower().split()
    if len(words) <= ngram:
        return [" ".join(words)] if words else []
    return [" ".join(words[i : i + ngram]) for i in range(len(words) - ngram + 1)]


def write_kept(job: Job, table: pa.Table, keep: Sequence[bool]) -> None:
    job.kept.mkdir()
    pq.write_table(table.filter(pa.array(keep)), job.kept / "kept.parquet", compression="zstd")


def datamerge(job: Job, how: str, floor: float | None = None) -> Work:
    floor = job.threshold if floor is None else floor
    return marked(job, how, threshold=job.threshold, floor=floor, ngram=job.ngram)


def gaoya(job: Job, *, own_words: bool) -> Work:
    """Its own words are split and hashed in Rust, on both cores."""
    from gaoya.minhash import MinHashStringIndex

    def analyzer(text: str) -> list[str]:
        return shingles(text, job.ngram)

    def work() -> dict[str, Any]:
        table = pq.read_table(job.source)
        texts = table["text"].to_pylist()
        some = [row for row, text in enumerate(texts) if text.strip()]
        index = MinHashStringIndex(
            hash_size=32,
            jaccard_threshold=job.threshold,
            num_bands=None,
            band_size=None,
            num_hashes=PERMUTATIONS,
            analyzer="word" if own_words else analyzer,
            lowercase=own_words,
            ngram_range=(job.ngram, job.ngram) if own_words else None,
            id_container="smallvec",
        )
        docs = [texts[row] for row in some]
        index.par_bulk_insert_docs(some, docs)
        found = index.par_bulk_query(docs)
        write_kept(job, table, first_of_each(len(texts), zip(some, found, strict=True)))
        return {"pairs": lambda: of_lists(some, found)}

    return work


def first_of_each(rows: int, found: Iterable[tuple[int, Iterable[int]]]) -> list[bool]:
    """In the order of rows: one that stays takes those that are like it out."""
    keep = [True] * rows
    for row, others in found:
        if keep[row]:
            for other in others:
                if other > row:
                    keep[other] = False
    return keep


def of_lists(rows: Sequence[int], found: Iterable[Iterable[int]]) -> tuple[list[int], list[int]]:
    pairs = [
        (row, other)
        for row, others in zip(rows, found, strict=True)
        for other in others
        if row < other
    ]
    return [row for row, _ in pairs], [other for _, other in pairs]


def token_sets(job: Job) -> tuple[pa.Table, list[int], list[list[str]]]:
    """The table, the rows that have a word, and their shingles."""
    table = pq.read_table(job.source)
    made = [shingles(text, job.ngram) for text in table["text"].to_pylist()]
    some = [row for row, tokens in enumerate(made) if tokens]
    return table, some, [made[row] for row in some]


def rensa(job: Job) -> Work:
    from rensa import RMinHashDeduplicator

    def work() -> None:
        table, some, tokens = token_sets(job)
        found = RMinHashDeduplicator(
            threshold=job.threshold, num_perm=PERMUTATIONS, use_lsh=True, seed=SEED
        )
        keep = [True] * len(table)
        new = found.add_pairs((str(row), of) for row, of in zip(some, tokens, strict=True))
        for row, is_new in zip(some, new, strict=True):
            keep[row] = is_new
        write_kept(job, table, keep)

    return work


def rensa_matrix(job: Job) -> Work:
    """All signatures in one matrix; every copy is flagged, the first too."""
    from rensa import RMinHash, RMinHashLSH

    def work() -> None:
        table, some, tokens = token_sets(job)
        matrix = RMinHash.digest_matrix_from_token_sets(tokens, PERMUTATIONS, SEED)
        index = RMinHashLSH(threshold=job.threshold, num_perm=PERMUTATIONS, num_bands=16)
        keep = [True] * len(table)
        flags = index.query_duplicate_flags_matrix_one_shot(matrix)
        for row, flagged in zip(some, flags, strict=True):
            keep[row] = not flagged
        write_kept(job, table, keep)

    return work


def datasketch(job: Job) -> Work:
    from datasketch import MinHash, MinHashLSH

    def work() -> dict[str, Any]:
        table, some, tokens = token_sets(job)
        index = MinHashLSH(threshold=job.threshold, num_perm=PERMUTATIONS)
        encoded = [[token.encode() for token in of] for of in tokens]
        made = MinHash.bulk(encoded, num_perm=PERMUTATIONS, seed=SEED)
        for row, signature in zip(some, made, strict=True):
            index.insert(row, signature, check_duplication=False)
        found = [index.query(signature) for signature in made]
        write_kept(job, table, first_of_each(len(table), zip(some, found, strict=True)))
        return {"pairs": lambda: of_lists(some, found)}

    return work


TOOLS: dict[str, Callable[[Job], Work]] = {
    "datamerge jaccard": lambda job: datamerge(job, "jaccard"),
    "datamerge jaccard, floor 0.75": lambda job: datamerge(job, "jaccard", 0.75),
    "datamerge minhash": lambda job: datamerge(job, "minhash"),
    "gaoya": lambda job: gaoya(job, own_words=True),
    "gaoya, same shingles": lambda job: gaoya(job, own_words=False),
    "rensa": rensa,
    "rensa matrix": rensa_matrix,
    "datasketch": datasketch,
    "text-dedup": text_dedup,
    "datatrove": datatrove,
    "data-juicer": data_juicer,
}
