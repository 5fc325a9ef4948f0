"""A transformer in this process's memory, and batches through it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from ..compute.shortage import free_everything, note, tried
from .folder import ModelFolder
from .transformer import forget

# Tokens of a batch, padding included. On a processor's cores more is slower: the activations of
# 2,048 tokens fit its cache.
_TOKENS_ON_CPU = 2048
_TOKENS_ON_DEVICE = 65_536


class LoadedModel:
    """Weights and tokenizer; its methods may be called from several threads."""

    def __init__(self, folder: ModelFolder, precision: str, device: str | None) -> None:
        self.device = torch.device(device) if device else _device()
        self.pooling = folder.pooling
        self.tokenizer = AutoTokenizer.from_pretrained(folder.weights)
        self._made_of = folder, precision
        with _Quiet():
            model = AutoModel.from_pretrained(folder.weights, use_safetensors=True)
        self.model = self._placed(model).eval()
        self._most_tokens = _TOKENS_ON_CPU if self.device.type == "cpu" else _TOKENS_ON_DEVICE
        self._tokenizing = threading.Lock()

    def _placed(self, model: Any) -> Any:
        """On the device; where there is no room for it, on the processor."""
        precision = self._made_of[1]
        for _ in range(2):
            dtype = _dtype(precision, self.device)
            placed = tried(model.to, self.device, dtype, last=self.device.type == "cpu")
            if placed is not None:
                return placed
            free_everything()
            note("freed", self.device, 0)
        self.device = torch.device("cpu")
        return model.to(self.device, _dtype(precision, self.device))

    def encode(self, texts: Sequence[str], *, most: int) -> torch.Tensor:
        """Unit vectors on the device; texts of one length go through the model together."""
        tokens = [self._tokens(text, most) for text in texts]
        lengths = np.array([len(some) for some in tokens], int)
        found = [
            (places, self._vectors([tokens[place] for place in places], length))
            for places, length in self._lengths(lengths, most)
        ]
        shape, cpu = (len(tokens), self.model.config.hidden_size), torch.device("cpu")
        ordered = tried(_in_order, found, shape, self.device, last=self.device == cpu)
        return _in_order(found, shape, cpu) if ordered is None else ordered

    def _tokens(self, text: str, most: int) -> list[int]:
        # One at a time: a batch would run on the tokenizer's own threads, beside the scheduler's.
        # Half a surrogate pair is no text to it.
        text = text.encode("utf-8", "replace").decode("utf-8")
        with self._tokenizing:
            return self.tokenizer(text, truncation=True, max_length=most)["input_ids"]

    def _lengths(self, lengths: np.ndarray, most: int) -> Iterator[tuple[np.ndarray, int]]:
        """Places of texts of about one length, and the length to pad them to."""
        step = np.where(lengths <= 64, 8, 32)
        padded = np.minimum(-(-lengths // step) * step, most)
        for length in np.unique(padded):
            yield np.flatnonzero(padded == length), int(length)

    def _vectors(self, tokens: list[list[int]], length: int) -> list[torch.Tensor]:
        """Batch by batch; out of memory, all batches from here on have half the tokens."""
        found = []
        while tokens:
            rows = self._rows(length)
            last = rows == 1 and self.device.type == "cpu"
            made = tried(self._forward, tokens[:rows], length, rows, last=last)
            some = self._with_less(tokens[:rows], length, rows) if made is None else [made]
            found += some
            tokens = tokens[sum(map(len, some)) :]
        return found

    def _rows(self, length: int) -> int:
        return max(1, self._most_tokens // length)

    def _with_less(self, tokens: list[list[int]], length: int, rows: int) -> list[torch.Tensor]:
        """No vectors, but smaller batches; of one text that did not fit, that of the processor."""
        free_everything(but=forget)
        if rows > 1:
            self._most_tokens = min(self._most_tokens, rows * length // 2)
            note("halved", self.device, self._rows(length))
            return []
        note("on_cpu", self.device, 1)
        return self._on_processor._vectors(tokens, length)

    @cached_property
    def _on_processor(self) -> LoadedModel:
        return LoadedModel(*self._made_of, "cpu")

    @torch.inference_mode()
    def _forward(self, tokens: list[list[int]], length: int, rows: int) -> torch.Tensor:
        # A GPU chooses its arithmetic by the batch's shape: keep that the same for any company.
        rows = len(tokens) if self.device.type == "cpu" else rows
        ids = torch.full((rows, length), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros((rows, length), dtype=torch.long)
        for row, some in enumerate(tokens):
            ids[row, : len(some)] = torch.tensor(some)
            mask[row, : len(some)] = 1
        ids, mask = ids.to(self.device), mask.to(self.device)
        hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        # A sum has the direction of the mean.
        pooled = hidden[:, 0] if self.pooling == "cls" else (hidden * mask[..., None]).sum(dim=1)
        return torch.nn.functional.normalize(pooled, dim=1)[: len(tokens)]


def _in_order(
    found: list[tuple[np.ndarray, list[torch.Tensor]]],
    shape: tuple[int, int],
    device: torch.device,
) -> torch.Tensor:
    """Vectors at their places, on a device."""
    vectors = torch.empty(shape, device=device)
    for places, parts in found:
        where = torch.from_numpy(places).to(device)
        vectors[where] = torch.cat([part.to(device) for part in parts])
    return vectors


def _device() -> torch.device:
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    if precision != "auto":
        return getattr(torch, precision)
    return torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for it; elsewhere bfloat16 is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))


class _Quiet:
    """No progress bar while weights load: they are loaded once in every worker."""

    def __enter__(self) -> None:
        self._shown: Any = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        if self._shown:
            logging.enable_progress_bar()
