"""Semantic duplicates from text to survivors: Parquet in, the kept rows as Parquet out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from dedup_job import Job, Work
from dedup_ours import marked

# What Python calls a letter or a digit, as other engines spell it; ideographs stand alone.
WORD = r"(?:(?![\u2e80-\u9fff\uf900-\ufaff\x{20000}-\x{3ffff}])[\p{L}\p{N}]){1,64}|\S"


def datamerge(job: Job, floor: float | None = None) -> Work:
    floor = job.threshold if floor is None else floor
    return marked(job, "semantic", threshold=job.threshold, floor=floor)


def semhash(job: Job) -> Work:
    from semhash import SemHash

    model = static_model(Path(job.options["model"]))

    def work() -> dict[str, Any]:
        table = pq.read_table(job.source)
        records = [record for record in table.to_pylist() if record["text"].strip()]
        hashed = SemHash.from_records(records, columns=["text"], model=model)
        found = hashed.self_deduplicate(threshold=job.threshold)
        keep = np.ones(len(table), bool)
        keep[[duplicate.record["row"] for duplicate in found.filtered]] = False
        job.kept.mkdir()
        kept = table.filter(pa.array(keep))
        pq.write_table(kept, job.kept / "kept.parquet", compression="zstd")
        return {"pairs": lambda: _neighbours(found)}

    return work


def _neighbours(found: Any) -> tuple[np.ndarray, np.ndarray]:
    """What the search found, as pairs of rows; of equal texts the first stands for all."""
    groups, neighbours, _ = found._selection_inputs
    first = np.array([group[0]["row"] for group in groups])
    left = np.repeat(np.arange(len(groups)), [len(others) for others, _ in neighbours])
    right = np.concatenate([others for others, _ in neighbours]).astype(np.int64)
    apart = left != right
    small, large = np.minimum(left, right)[apart], np.maximum(left, right)[apart]
    keys = np.unique(small * len(groups) + large)
    return first[keys // len(groups)], first[keys % len(groups)]


def static_model(folder: Path) -> Any:
    """datamerge's static table in model2vec: each different word of a text counts once."""
    from model2vec import StaticModel
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import WordLevel

    class DistinctWords(StaticModel):
        def tokenize(self, sentences: Sequence[str]) -> list[list[int]]:
            return [list(dict.fromkeys(words)) for words in super().tokenize(sentences)]

    rows = np.load(folder / "rows.npy")
    words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
    rows = np.concatenate([rows, np.zeros((1, rows.shape[1]), np.float32)])
    known = {word: number for number, word in enumerate([*words, "[UNK]"])}
    tokenizer = Tokenizer(WordLevel(known, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.NFD(),
            normalizers.Replace(Regex("[\u0300-\u036f]+"), ""),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    return DistinctWords(rows, tokenizer, normalize=True, max_length=None)


def same_vectors(folder: Path, texts: Sequence[str]) -> float:
    """The share of texts to which both encoders give one vector; it must be nearly all."""
    from datamerge.embed import StaticEncoder

    ours, theirs = StaticEncoder().encode(texts), static_model(folder).encode(texts)
    share = float(np.isclose(ours, theirs, atol=1e-4).all(axis=1).mean())
    assert share > 0.999, f"the encoders agree on {share:.4f} of the texts only"
    return share


TOOLS: dict[str, Callable[[Job], Work]] = {
    "datamerge semantic": datamerge,
    "datamerge semantic, floor 0.85": lambda job: datamerge(job, 0.85),
    "semhash": semhash,
}
