"""What a GPU gives: shares of its peak, and rates beside those of the processor.

    python benchmarks/gpu.py                     # on a machine with a GPU: the full sizes
    python benchmarks/gpu.py --device cpu        # without one: that it runs, no figures to keep

One table. The peak is that of plain products of square bfloat16 matrices by torch, measured in the
same run. ``all_pairs`` is counted as rows * rows / 2 products of its vectors, whatever it screens
by; its time is that of the whole call, from a file of vectors to pairs in memory. The second call
of each kind is measured: the first compiles, and fetches libraries.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import torch

from datamerge.dedup.cosine import compare
from datamerge.dedup.wording import _signature_kernels, minima
from datamerge.dedup.wording.signatures import Permutations

# Rows and dimensions to compare, the side of the matrices of the peak, texts, sets.
FULL = {"pairs": [(1_000_000, 384), (1_000_000, 1024)], "side": 16_384, "texts": 200_000,
        "sets": 1_000_000}  # fmt: skip
SMALL = {"pairs": [(4_000, 384), (2_000, 1024)], "side": 1024, "texts": 64, "sets": 5_000}
FLOOR, COPIES = 0.9, 0.01
WORDS = 40  # shingles of a set, words of a text


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    told.add_argument("--device", default="cuda", help="cuda, cuda:1, or cpu for a small run")
    told.add_argument("--model", help="a model's folder or name, for the embeddings")
    given = told.parse_args()
    if given.device != "cpu" and not torch.cuda.is_available():
        raise SystemExit("torch sees no GPU here; --device cpu runs the same at a small size")
    size = SMALL if given.device == "cpu" else FULL
    print(f"{_name(given.device)}, torch {torch.__version__}\n")
    print("| what | seconds | rate | of the peak, or of the processor |")
    print("|---|---|---|---|")
    for row in _rows(given.device, size, given.model):
        print("| " + " | ".join(row) + " |", flush=True)


def _name(device: str) -> str:
    if device == "cpu":
        return "No GPU: the device's way on the processor, at a small size; no figures to keep"
    return str(torch.cuda.get_device_name(device))


def _rows(device: str, size: dict[str, Any], model: str | None) -> Iterator[tuple[str, ...]]:
    seconds = _product(device, size["side"])
    peak = 2 * size["side"] ** 3 / seconds
    yield f"product, {size['side']:,} squared", f"{seconds:.4f}", f"{peak / 1e12:.1f} TFLOP/s", "1"
    for count, dim in size["pairs"]:
        seconds, found = _all_pairs(device, count, dim)
        rate = count**2 * dim / seconds
        what = f"all_pairs, {count:,} x {dim}: {found:,} pairs"
        yield what, f"{seconds:.2f}", f"{rate / 1e12:.1f} TFLOP/s", f"{rate / peak:.2f}"
    if model is not None:
        yield from _embeddings(device, model, size["texts"])
    yield from _signatures(size["sets"])


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """The second time."""
    work()
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def _product(device: str, side: int, times: int = 20) -> float:
    a, b = torch.randn(2, side, side, device=device).to(torch.bfloat16)

    def work() -> None:
        for _ in range(times):
            torch.mm(a, b)
        if a.is_cuda:
            torch.cuda.synchronize(a.device)

    return _timed(work)[0] / times


def _all_pairs(device: str, count: int, dim: int) -> tuple[float, int]:
    settings = {"datamerge.dedup.arithmetic": "bfloat16", "datamerge.dedup.device": device}
    with tempfile.TemporaryDirectory() as folder, dask.config.set(settings):
        path = Path(folder) / "vectors.npy"
        np.save(path, _vectors(count, dim))
        seconds, pairs = _timed(lambda: compare.all_pairs(path, FLOOR))
        return seconds, len(pairs)


def _vectors(count: int, dim: int) -> np.ndarray:
    """Random directions whose components fall, as those of texts do; some are near copies."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((count, dim), np.float32)
    rows *= np.exp(-np.arange(dim, dtype=np.float32) / (dim / 3))
    near = rng.choice(count, int(COPIES * count), replace=False)
    rows[near] = rows[(near + 1) % count] * (1 + 0.05 * rng.standard_normal((len(near), 1)))
    rows[near] += 0.05 * rng.standard_normal((len(near), dim)).astype(np.float32)
    return rows


def _embeddings(device: str, model: str, count: int) -> Iterator[tuple[str, ...]]:
    from datamerge.embed import TransformerEncoder

    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(5000)]
    texts = [" ".join(rng.choice(words, WORDS)) for _ in range(count)]
    rates = {}
    for place, some in {device: count, "cpu": min(count, 256)}.items():
        encoder = TransformerEncoder(model, device=place)
        seconds, _ = _timed(lambda e=encoder, s=some: e.encode(texts[:s]))
        rates[place] = some / seconds
        times = f"{rates[device] / rates[place]:.0f} times this"
        what = f"embeddings of {some:,} texts, {place}"
        yield what, f"{seconds:.2f}", f"{rates[place]:,.0f} texts/s", times


def _signatures(count: int) -> Iterator[tuple[str, ...]]:
    """CuPy's, or NumPy's from the same source where there is none, and the compiled loop's."""
    rng = np.random.default_rng(0)
    starts = np.concatenate([[0], np.cumsum(rng.integers(1, 2 * WORDS, count))])
    hashes = rng.integers(0, 1 << 64, starts[-1], dtype=np.uint64)
    drawn = Permutations(128, 0).functions()
    xp = minima.on_gpu() or np
    name = "CuPy" if xp is not np else "NumPy, since there is no CuPy"

    def compiled() -> np.ndarray:
        found = np.empty((count, 128), np.uint32)
        _signature_kernels.signatures(hashes, starts, *drawn, found)
        return found

    seconds, found = _timed(lambda: minima.minima(xp, hashes, starts, *drawn))
    one_core, expected = _timed(compiled)
    assert (found == expected).all()
    yield (f"MinHash of {count:,} sets, {name}", f"{seconds:.2f}", f"{count / seconds:,.0f} sets/s",
           f"{one_core / seconds:.1f} times a core")  # fmt: skip
    yield (
        f"MinHash of {count:,} sets, a core",
        f"{one_core:.2f}",
        f"{count / one_core:,.0f} sets/s",
        "1",
    )


if __name__ == "__main__":
    main()
