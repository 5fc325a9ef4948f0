"""What an encoder gives as an array of NumPy's, wherever it is: on a GPU, or another library's."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def on_host(vectors: Any) -> np.ndarray:
    """The vectors in this machine's memory; from a device they are copied there, once.

    Arrays of torch, CuPy, JAX and of any library that speaks DLPack are taken.

    Raises
    ------
    ValueError
        They differ in length.
    TypeError
        They are on a device that gives nothing away.

    >>> on_host([[1, 0], [0, 1]]).shape
    (2, 2)
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(vectors, torch.Tensor):
        # NumPy has no bfloat16, and DLPack takes nothing that could be trained.
        vectors = vectors.detach()
        wide = vectors.float() if vectors.is_floating_point() else vectors
        return np.asarray(wide.cpu().numpy())
    if hasattr(vectors, "__dlpack__") and not isinstance(vectors, np.ndarray):
        return _exchanged(vectors)
    try:
        return np.asarray(vectors)
    except ValueError as error:
        raise ValueError(f"the encoder gave vectors that differ in length: {error}") from None


def _exchanged(vectors: Any) -> np.ndarray:
    try:
        return np.from_dlpack(vectors, device="cpu")
    except (BufferError, RuntimeError, TypeError, ValueError):
        # From before DLPack could copy between devices, as CuPy 13; or of bfloat16.
        if hasattr(vectors, "get"):
            return np.asarray(vectors.get())
    try:
        return np.asarray(vectors)
    except Exception as error:
        raise TypeError(
            f"the encoder gave a {type(vectors).__module__}.{type(vectors).__name__} that can't be "
            f"copied to the host: {error}"
        ) from None
