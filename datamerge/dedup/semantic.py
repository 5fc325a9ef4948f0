"""Semantic duplicates: rows whose embeddings are close, all with all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .._version import __version__
from ..compute.shortage import noted
from ..embed import Encoder
from ..embed import encoder as make_encoder
from ..embed.store import Store
from ..text import TextView, readable
from . import evidence
from .compared.extract import extract
from .compared.same import first_of_same, firsts
from .cosine.clustered import Nearest, nearest
from .cosine.dense import search
from .cosine.embedded import Embed, matrix
from .cosine.resident import ending
from .cosine.written import KEPT
from .duplicates import Duplicates
from .evidence.pairs import Pairs


def semantic(
    df: Any,
    *,
    threshold: float = 0.98,
    floor: float | None = None,
    text: TextView = "chat",
    encoder: str | Encoder | None = None,
    mode: Literal["exact", "clustered"] = "exact",
    clusters: int | None = None,
    probes: int = 8,
) -> Duplicates:
    """Find rows that mean the same: all pairs whose embeddings are close, none missed.

    Products of vectors in small numbers screen, as this machine does them fastest (in whole
    numbers of eight bits, in bfloat16 or in float32; the ``dask.config`` key
    ``datamerge.dedup.arithmetic`` says which, if set), and float64 decides: the pairs are the
    same everywhere.

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
        See :func:`datamerge.embed.encoder`; by default the static table in the package. A text
        whose vector is zero has no duplicates but the same text.
    mode : {"exact", "clustered"}
        ``clustered``: only rows that share a cluster are compared, for many millions of rows.
        How many pairs that misses is measured on 1,000 rows and printed with every run.
    clusters : int, optional
        How many clusters; by default four times the root of the number of rows.
    probes : int
        How many of its nearest clusters a row joins.

    Returns
    -------
    Duplicates
        Lazy. The cosine of every pair is computed in float64 from the encoder's vectors.

    Raises
    ------
    ValueError
        When pairs are found: the encoder gave NaN, or vectors of another length than it says;
        or there are far too many pairs to keep.

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
    nearby = nearest(mode, clusters, probes)
    return Duplicates(df, Semantic(text, make_encoder(encoder), floor, nearby), threshold)


@dataclass(frozen=True)
class Semantic:
    """Rows whose embeddings have a cosine at or above the floor."""

    text: TextView
    encoder: Encoder
    floor: float
    nearby: Nearest | None = None

    how = "semantic"
    word = "cosine"

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return (
            *("Semantic", self.text),
            *(self.encoder.fingerprint, self.floor, self.nearby),
        )

    def find(self, df: Any, folder: Path, against: Any = None) -> Any:
        """Embed every distinct text once, compare all with all, and keep the pairs."""
        store = Store.of(self.encoder)
        with (
            evidence.scratch(folder.with_name(f"{folder.name}.cosine"), *KEPT) as place,
            ending(str(place)),
        ):
            vectors = None
            while vectors is None:
                work = Embed(self.text, self.encoder, store, store.listed(place))
                kept, rows = extract(df, work, stage="embed", scratch=place, against=against)
                same = first_of_same(rows.digest)
                distinct = firsts(same)
                vectors = matrix(store, rows, distinct, place)
            found = search(vectors, self.floor, place, distinct < rows.olds, self.nearby)
            short = noted(place)
            about = found.about | ({"short_of_memory": short} if short else {})
            pairs = Pairs(distinct, found.pairs, found.dense, about)
            evidence.save(folder, rows, same, pairs, self._about())
        return kept

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the step was called with."""
        encoder = getattr(self.encoder, "name", None) or self.encoder.fingerprint
        near = {} if self.nearby is None else {"mode": "clustered", **vars(self.nearby)}
        return {"threshold": threshold, "text": self.text, "encoder": encoder, **near}

    def _about(self) -> dict[str, Any]:
        return {
            "how": self.how,
            "text": self.text,
            "encoder": self.encoder.fingerprint,
            "floor": self.floor,
            "datamerge": __version__,
        }
