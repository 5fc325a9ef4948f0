"""Near duplicates in the suites that split texts themselves: Parquet in, kept rows out."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from dedup_job import CORES, Job, Work

PERMUTATIONS = 128


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
