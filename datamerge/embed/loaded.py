"""A transformer in this process's memory, and batches through it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from .folder import ModelFolder

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
        dtype = _dtype(precision, self.device)
        with _Quiet():
            model = AutoModel.from_pretrained(folder.weights, use_safetensors=True)
        self.model = model.to(self.device, dtype).eval()
        self._tokenizing = threading.Lock()

    def encode(self, texts: Sequence[str], *, most: int) -> np.ndarray:
        """Unit vectors; texts of one length go through the model together."""
        tokens = [self._tokens(text, most) for text in texts]
        vectors = np.empty((len(tokens), self.model.config.hidden_size), np.float32)
        for places, length in self._batches(np.array([len(some) for some in tokens], int), most):
            vectors[places] = self._vectors([tokens[place] for place in places], length)
        return vectors

    def _tokens(self, text: str, most: int) -> list[int]:
        # One at a time: a batch would run on the tokenizer's own threads, beside the scheduler's.
        # Half a surrogate pair is no text to it.
        text = text.encode("utf-8", "replace").decode("utf-8")
        with self._tokenizing:
            return self.tokenizer(text, truncation=True, max_length=most)["input_ids"]

    def _batches(self, lengths: np.ndarray, most: int) -> Iterator[tuple[np.ndarray, int]]:
        """Places of texts of about one length, and the length to pad them to."""
        step = np.where(lengths <= 64, 8, 32)
        padded = np.minimum(-(-lengths // step) * step, most)
        for length in np.unique(padded):
            places = np.flatnonzero(padded == length)
            rows = self._rows(int(length))
            for start in range(0, len(places), rows):
                yield places[start : start + rows], int(length)

    def _rows(self, length: int) -> int:
        most = _TOKENS_ON_CPU if self.device.type == "cpu" else _TOKENS_ON_DEVICE
        return max(1, most // length)

    def _vectors(self, tokens: list[list[int]], length: int) -> np.ndarray:
        try:
            return self._forward(tokens, length)
        except torch.OutOfMemoryError:
            if len(tokens) == 1:
                raise
        half = len(tokens) // 2
        return np.concatenate(
            [self._vectors(some, length) for some in (tokens[:half], tokens[half:])]
        )

    @torch.inference_mode()
    def _forward(self, tokens: list[list[int]], length: int) -> np.ndarray:
        # A GPU chooses its arithmetic by the batch's shape: keep that the same for any company.
        rows = len(tokens) if self.device.type == "cpu" else self._rows(length)
        ids = torch.full((rows, length), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros((rows, length), dtype=torch.long)
        for row, some in enumerate(tokens):
            ids[row, : len(some)] = torch.tensor(some)
            mask[row, : len(some)] = 1
        ids, mask = ids.to(self.device), mask.to(self.device)
        hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        # A sum has the direction of the mean.
        pooled = hidden[:, 0] if self.pooling == "cls" else (hidden * mask[..., None]).sum(dim=1)
        return torch.nn.functional.normalize(pooled, dim=1)[: len(tokens)].cpu().numpy()


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
