"""Near duplicates in each tool: Parquet in, the kept rows as Parquet out.

Each function imports its tool, and returns the work to be timed. Tools that take tokens get the
shingles that datamerge makes, built in Python as their users would build them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dedup_job import CORES, Job, Work

PERMUTATIONS, SEED = 128, 42


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
    import dask

    import datamerge as dm

    dask.config.set(num_workers=CORES)
    find = getattr(dm.dedup, how)
    floor = job.threshold if floor is None else floor

    def work() -> None:
        df = dm.read(job.source)
        found = find(df, threshold=job.threshold, floor=floor, text="text", ngram=job.ngram)
        dm.write(found.mark(df), job.out / "merged")

    return work


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


def text_dedup(job: Job) -> Work:
    """Its words are what stands between signs that are no letter or digit."""
    from text_dedup.config import Config, MinHashAlgorithmConfig
    from text_dedup.config.debug import DebugConfig
    from text_dedup.config.io import LocalInputConfig, OutputConfig
    from text_dedup.minhash import main

    config = Config.model_construct(  # its own way is a file of settings
        input=LocalInputConfig(
            read_arguments={
                "path": "parquet",
                "data_files": str(job.source),
                "split": "train",
                "cache_dir": str(job.out / "cache"),
            }
        ),
        algorithm=MinHashAlgorithmConfig(
            algorithm_name="minhash",
            text_column="text",
            num_perm=PERMUTATIONS,
            ngram_size=job.ngram,
            threshold=job.threshold,
            min_length=1,
            num_proc=CORES,
        ),
        output=OutputConfig(output_dir=str(job.out / "saved")),
        debug=DebugConfig(),
    )

    def work() -> None:
        from datasets import load_from_disk

        main(config)
        rows = load_from_disk(str(job.out / "saved"))
        job.kept.mkdir()
        rows.to_parquet(job.kept / "kept.parquet")

    return work


def datatrove(job: Job) -> Work:
    """It shares out whole files, so it is given two; a text of few words it never compares."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.text import TextNormConfig

    plain = TextNormConfig(
        remove_punctuation=False, norm_unicode_diacritics=False, norm_numbers=False
    )
    config = MinhashConfig(
        n_grams=job.ngram, norm_config=plain, hash_config=HashConfig(hash_fc="sha1")
    )
    halves = _halves(job)
    folders = {name: str(job.out / name) for name in ("signatures", "buckets", "remove")}

    def record(_: Any, doc: Any) -> dict[str, Any]:
        return {"row": doc.metadata["row"], "text": doc.text}

    def run(name: str, steps: list[Any], tasks: int) -> None:
        logs = str(job.out / "logs" / name)
        LocalPipelineExecutor(steps, logging_dir=logs, tasks=tasks, workers=CORES).run()

    def work() -> None:
        read = ParquetReader(halves, glob_pattern="*.parquet")
        split = MinhashDedupSignature(folders["signatures"], config=config, language=_Split())
        run("signatures", [read, split], CORES)
        buckets = MinhashDedupBuckets(folders["signatures"], folders["buckets"], config=config)
        run("buckets", [buckets], config.num_buckets)
        cluster = MinhashDedupCluster(folders["buckets"], folders["remove"], config=config)
        run("clusters", [cluster], 1)
        write = ParquetWriter(str(job.kept), adapter=record, compression="zstd")
        run("filter", [read, MinhashDedupFilter(folders["remove"]), write], CORES)

    return work


def _Split() -> Any:  # noqa: N802
    """A tokenizer for datatrove that splits at white space, as the others do."""
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Split(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return unicodedata.normalize("NFC", text).split()

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    return Split()


def _halves(job: Job) -> str:
    folder: Path = job.out / "halves"
    folder.mkdir()
    table = pq.read_table(job.source)
    half = -(-len(table) // CORES)
    for number in range(CORES):
        part = table.slice(number * half, half)
        pq.write_table(part, folder / f"{number}.parquet", compression="zstd")
    return str(folder)


def data_juicer(job: Job) -> Work:
    """Its words are split at white space; all texts of fewer than n words are one to it."""
    import datasets
    from data_juicer.ops.deduplicator.document_minhash_deduplicator import (
        DocumentMinhashDeduplicator,
    )

    datasets.disable_progress_bars()
    operator = DocumentMinhashDeduplicator(
        tokenization="space",
        window_size=job.ngram,
        num_permutations=PERMUTATIONS,
        jaccard_threshold=job.threshold,
    )

    def work() -> None:
        rows = datasets.load_dataset(
            "parquet",
            data_files=str(job.source),
            split="train",
            cache_dir=str(job.out / "cache"),
        )
        hashed = rows.map(operator.compute_hash, num_proc=CORES)
        kept, _ = operator.process(hashed)
        job.kept.mkdir()
        kept.to_parquet(job.kept / "kept.parquet")

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
