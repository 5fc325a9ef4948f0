"""Make the table of the static encoder from a sentence model.

    python scripts/distil_static.py MODEL_FOLDER datamerge/assets/static

Each piece of the model's vocabulary goes through the model by itself, and the vector at its place
is kept. Then, as if texts were drawn by Zipf's law (WordPiece vocabularies stand in the order of
frequency): the mean of a text is subtracted, frequent words are weighted down (Arora et al. 2017,
"A Simple but Tough-to-Beat Baseline for Sentence Embeddings"), and the leading principal
components of texts are taken. Whole numbers of 8 bits are left.

Needs torch, transformers and, for the default model, all-MiniLM-L6-v2 in a folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

# How far frequent words are weighted down: a / (a + probability).
SMOOTH = 1e-2
# Root mean square of the numbers of a rare word: that of the encoder's pseudo-random rows.
SIZE = 18.5


def pieces_of(tokenizer) -> list[tuple[str, int]]:
    """The pieces that a text can hold, most frequent first, with their numbers."""
    special = set(tokenizer.all_special_ids)
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    return [(p, n) for p, n in pieces if n not in special and not p.startswith("[unused")]


@torch.inference_mode()
def vectors_of(model, tokenizer, numbers: list[int], batch: int = 4096) -> np.ndarray:
    """The model's last hidden state at each piece, between its start and end marks."""
    found = []
    for some in torch.tensor(numbers).split(batch):
        start = torch.full_like(some, tokenizer.cls_token_id)
        end = torch.full_like(some, tokenizer.sep_token_id)
        ids = torch.stack([start, some, end], dim=1)
        found.append(model(ids, attention_mask=torch.ones_like(ids)).last_hidden_state[:, 1])
    return torch.cat(found).double().numpy()


def components(vectors: np.ndarray, dim: int) -> np.ndarray:
    """Weighted, centred vectors on the leading principal components of texts."""
    chance = 1 / np.arange(1.0, len(vectors) + 1)
    chance /= chance.sum()
    weight = SMOOTH / (SMOOTH + chance)
    mean = np.average(vectors, axis=0, weights=chance * weight)
    weighted = (vectors - mean) * weight[:, None]
    covariance = (weighted * chance[:, None]).T @ weighted
    _, axes = np.linalg.eigh(covariance)
    axes = axes[:, ::-1][:, :dim]
    # An eigenvector's sign is arbitrary: fix it, so that a table can be made again.
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return weighted @ axes


def whole(vectors: np.ndarray) -> np.ndarray:
    """The vectors as int8, all by one scale."""
    rare = vectors[len(vectors) // 3 :]
    scaled = vectors * (SIZE / np.sqrt((rare**2).mean()))
    return np.clip(np.rint(scaled), -127, 127).astype(np.int8)


def main() -> None:
    """Read the arguments and write the table and its vocabulary."""
    parser = argparse.ArgumentParser(description="Make the table of the static encoder.")
    parser.add_argument("model", help="folder of a BERT-like sentence model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--dim", type=int, default=128)
    options = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModel.from_pretrained(options.model, dtype=torch.float32).eval()
    pieces = pieces_of(tokenizer)
    # Single characters come first in the vocabulary by code point; those past ASCII are rare.
    pieces.sort(key=lambda item: len(item[0].removeprefix("##")) == 1 and not item[0].isascii())
    table = whole(components(vectors_of(model, tokenizer, [n for _, n in pieces]), options.dim))

    options.out.mkdir(parents=True, exist_ok=True)
    np.save(options.out / "table.npy", table)
    (options.out / "vocab.txt").write_text("".join(f"{p}\n" for p, _ in pieces), encoding="utf-8")
    clipped = np.mean(np.abs(table) == 127)
    print(f"{len(table)} pieces, {table.shape[1]} numbers each, {clipped:.3%} clipped")


if __name__ == "__main__":
    main()
