"""Encoders: texts to unit vectors whose dot product is their similarity."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .static import StaticEncoder
from .transformer import TransformerEncoder

__all__ = ["Encoder", "StaticEncoder", "TransformerEncoder", "encoder"]


@runtime_checkable
class Encoder(Protocol):
    """What turns texts into vectors; bring your own by having these three.

    Attributes
    ----------
    dim : int
        The length of a vector.
    fingerprint : str
        Names the encoder's content: other weights, another text. Embeddings that are kept on
        disk are found again by it.
    """

    @property
    def dim(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Rows of float32, ``[len(texts), dim]``, of length one; zeros where a text says nothing.

        An array on a device (of torch, CuPy, or any library that speaks DLPack) is taken, too.
        The vector of a text must not depend on the texts beside it. Workers call this from
        several threads at once, and get the encoder by pickling.
        """
        ...


def encoder(model: str | PathLike[str] | Encoder | None = None) -> Encoder:
    """The encoder that a name, a folder or an object stands for.

    Parameters
    ----------
    model : str, path or Encoder, optional
        ``None`` or ``"static"``: the table that comes with the package (see `StaticEncoder`).
        The name of a model on the Hub, or a folder that holds one: a folder with
        ``table.npy`` is a `StaticEncoder`, anything else a `TransformerEncoder`. An object that
        has ``encode``, ``dim`` and ``fingerprint`` is given back as it is.

    Raises
    ------
    TypeError
        The object lacks something that an encoder must have; the message says what.

    Examples
    --------
    >>> vectors = encoder().encode(["Name three fruits.", "name THREE fruits!", "Boil an egg."])
    >>> (vectors @ vectors[0]).round(2)
    array([1.  , 0.94, 0.22], dtype=float32)
    """
    if model is None or (isinstance(model, str) and model == "static"):
        return StaticEncoder()
    if isinstance(model, (str, PathLike)):
        return StaticEncoder(model) if StaticEncoder.lives_in(model) else TransformerEncoder(model)
    lacking = _lacking(model)
    if lacking:
        raise TypeError(
            f"{type(model).__name__} is not an encoder: it has no {', no '.join(lacking)}. Give a "
            "model's name, a folder, or an object with encode(texts) -> float32 [n, dim], dim "
            "and fingerprint"
        )
    return model


def _lacking(model: Any) -> list[str]:
    if isinstance(model, type):
        return [f"instance (it is the class {model.__name__} itself)"]
    lacking = [name for name in ("dim", "fingerprint") if not hasattr(model, name)]
    return lacking if callable(getattr(model, "encode", None)) else ["encode", *lacking]
