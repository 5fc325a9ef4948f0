"""Find duplicates: exact ones and ones by meaning. Every finder returns scored pairs."""

from __future__ import annotations

from typing import Any, get_args

from ..embed import Encoder
from ..embed import encoder as make_encoder
from ..text import TextView, readable
from .duplicates import Duplicates, DuplicatesWarning
from .finders import Exact, Semantic
from .rows import Normal

__all__ = ["Duplicates", "DuplicatesWarning", "exact", "semantic"]


def exact(df: Any, *, text: TextView = "chat", normalise: Normal = "loose") -> Duplicates:
    """Find rows that say the same.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Live rows with some text are compared; rows with none, or only white space, are not.
    text : {"chat", "prompt", "response"} or column name
        What is compared. Two whole chats are the same when roles, contents and tool calls are.
    normalise : {"loose", "none"}
        ``loose``: Unicode NFC, lower case, every run of white space as one blank. ``none``:
        byte for byte.

    Returns
    -------
    Duplicates
        Lazy: pairs are found when asked for. Equality is that of the 128-bit xxh3 hash.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read(["a", "A ", "b"], name="words")
    >>> dm.dedup.exact(df).mark().compute()["drop_detail"].tolist()
    [<NA>, 'same text as words#0', <NA>]
    """
    if normalise not in get_args(Normal):
        raise ValueError(f"normalise={normalise!r}; it is one of {', '.join(get_args(Normal))}")
    readable(text, df.columns)
    return Duplicates(df, Exact(text, normalise), 1.0)


def semantic(
    df: Any,
    *,
    threshold: float = 0.98,
    floor: float | None = None,
    text: TextView = "chat",
    encoder: str | Encoder | None = None,
) -> Duplicates:
    """Find rows that mean the same: all pairs whose embeddings are close, none missed.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Live rows with some text are compared.
    threshold : float
        The cosine from which on two rows are duplicates. It belongs to an encoder and a kind
        of text: 0.98 was measured for whole chats and the two encoders at hand; the page on
        encoders has the figures for other texts.
    floor : float, optional
        Pairs are kept down to here, so that the threshold can be moved; by default 0.05 below.
    text : {"chat", "prompt", "response"} or column name
        What is embedded.
    encoder : str or Encoder, optional
        See :func:`datamerge.embed.encoder`; by default the static table in the package.

    Returns
    -------
    Duplicates
        Lazy. The cosine of every pair is computed in float64 from the encoder's vectors.

    Examples
    --------
    >>> import datamerge as dm
    >>> chats = [{"prompt": p, "completion": "…"} for p in ("Boil an egg", "boil an egg!", "Hi")]
    >>> dups = dm.dedup.semantic(dm.read(chats, name="chats"), threshold=0.9)
    >>> dups.decisions()[["id", "witness"]].values.tolist()
    [['chats#1', 'chats#0']]
    """
    readable(text, df.columns)
    floor = max(-1.0, threshold - 0.05) if floor is None else floor
    if not -1 <= floor <= threshold <= 1:
        raise ValueError(f"need -1 <= floor <= threshold <= 1, got {floor=} and {threshold=}")
    return Duplicates(df, Semantic(text, make_encoder(encoder), floor), threshold)
