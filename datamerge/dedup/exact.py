"""Exact duplicates: rows whose normalised text has the same 128-bit hash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from .._version import __version__
from ..text import TextView, readable
from . import evidence
from .compared.digest import Normal
from .compared.extract import extract
from .compared.same import first_of_same
from .compared.texts import Extract
from .duplicates import Duplicates
from .evidence.pairs import Pairs


def exact(
    df: Any,
    *,
    text: TextView = "chat",
    normalise: Normal = "loose",
    against: Any = None,
) -> Duplicates:
    """Find rows that say the same.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Live rows with some text are compared; rows with none, or only white space, are not.
    text : {"chat", "prompt", "response"} or column name
        What is compared. Two whole chats are the same when roles, contents and tool calls are.
    normalise : {"loose", "words", "none"}
        ``loose``: Unicode NFC, lower case, every run of white space as one blank, none at the
        ends. ``words``: NFKC, lower case, letters and digits alone, every run of anything else
        as one blank. ``none``: byte for byte. Of a chat each turn's content is so normalised;
        roles and other fields are compared byte for byte.
    against : DataFrame, folder of an output, or list of those, optional
        Earlier rows that are compared too, always stay, and come before all others.

    Returns
    -------
    Duplicates
        Lazy: pairs are found when asked for. Equality is that of a 128-bit hash of the
        normalised text, MurmurHash3_x64_128; no text leaves its partition.

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
    return Duplicates(df, Exact(text, normalise), 1.0, against=against)


@dataclass(frozen=True)
class Exact:
    """Rows whose normalised text has the same 128-bit hash."""

    text: TextView
    normal: Normal

    how = "exact"
    word = "same text"
    floor = 1.0

    def find(self, df: Any, folder: Path, against: Any = None) -> Any:
        """Find the pairs and keep them in the folder; returns the frame to mark."""
        work = Extract(self.text, self.normal)
        with evidence.scratch(folder.with_name(f"{folder.name}.rows")) as place:
            kept, rows = extract(df, work, stage="exact", scratch=place, against=against)
            same = first_of_same(rows.digest)
            evidence.save(folder, rows, same, Pairs.none(), self._about())
        return kept

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the step was called with."""
        return {"text": self.text, "normalise": self.normal}

    def _about(self) -> dict[str, Any]:
        return {
            "how": self.how,
            "text": self.text,
            "normalise": self.normal,
            "floor": self.floor,
            "datamerge": __version__,
        }
