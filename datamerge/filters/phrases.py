"""Mark rows in which given phrases stand."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from .. import audit
from .._arrays import strings, turns
from .._choices import names, nearest
from ..audit import Frame
from ._phrase_search import Search, search

LISTS = Path(__file__).parent.parent / "assets" / "phrases"

PhraseSource = str | os.PathLike


def phrases(
    df: Frame,
    phrases: PhraseSource | Iterable[PhraseSource],
    *,
    roles: str | Iterable[str] | None = ("assistant",),
    reason: str = "phrases",
) -> Frame:
    r"""Mark rows in which any of many phrases stands.

    A phrase is found whatever its case, with any white space between its words, with straight or
    curly quotes, composed or decomposed accents, and as whole words only: ``an ai`` is not in
    ``an air``. Hundreds of phrases are searched for in one pass.

    Parameters
    ----------
    df : pandas or Dask DataFrame
        Rows as ``dm.read`` gives them.
    phrases : str, path, or list of them
        The name of a built-in list (``refusals``: a model declines or says what it is; ``slop``:
        overused machine prose), the path of a text file (one phrase a line, ``#`` begins a
        comment line), or a list of phrases. In a list, names of built-in lists and paths that
        end in ``.txt`` stand for what they hold; everything else is a phrase.
    roles : str, list of str or None, default ("assistant",)
        Whose turns are searched; None is everyone's. Plain documents are searched in any case.
    reason : str, default "phrases"
        What ``drop_reason`` says. A second use on one frame is numbered (``phrases_2``).

    Returns
    -------
    DataFrame
        The same rows. ``drop_detail`` names the first turn with a hit, counted from 0, the
        phrase that begins first in it, and its list:
        ``assistant turn 1: "as an ai language model" (refusals)``.

    Raises
    ------
    ValueError
        For an unknown list, an empty list, or a phrase with nothing to search for.
    FileNotFoundError
        For a path where there is no file.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"text": ["As an AI\nlanguage model, I can't.", "Rain again."]})
    >>> df = phrases(df.assign(drop_reason=None, drop_detail=None), "refusals")
    >>> df["drop_detail"].tolist()
    ['text: "as an ai language model" (refusals)', <NA>]
    """
    entries = tuple(_entries(phrases))
    search(tuple(phrase for phrase, _ in entries))  # raises on phrases that cannot be found
    spoken = None if roles is None else names("roles", roles)
    arguments = {
        "phrases": _plain(phrases),
        "roles": None if spoken is None else list(spoken),
    }
    return audit.mark(
        df, _Phrases(entries, spoken), step="filters.phrases", reason=reason, arguments=arguments
    )


def built_in() -> list[str]:
    """The names of the phrase lists that come with the package."""
    return sorted(path.stem for path in LISTS.glob("*.txt"))


def _plain(given: PhraseSource | Iterable[PhraseSource]) -> str | list[str]:
    if isinstance(given, (str, os.PathLike)):
        return os.fspath(given)
    return [os.fspath(item) for item in given]


def _entries(given: PhraseSource | Iterable[PhraseSource]) -> list[tuple[str, str | None]]:
    """Each phrase once, with the name of the list it is from."""
    if isinstance(given, (str, os.PathLike)):
        found = _read(_list_file(given))
    else:
        found = [entry for item in given for entry in _from_item(item)]
    if not found:
        raise ValueError(f"phrases={given!r} holds no phrase")
    once: dict[str, str | None] = {}
    for phrase, source in found:
        once.setdefault(phrase, source)
    return list(once.items())


def _from_item(item: PhraseSource) -> list[tuple[str, str | None]]:
    if not isinstance(item, (str, os.PathLike)):
        raise ValueError(f"phrases: {item!r} is neither a phrase nor a path")
    if isinstance(item, os.PathLike) or item in built_in() or item.endswith(".txt"):
        return _read(_list_file(item))
    return [(item, None)]


def _list_file(given: PhraseSource) -> Path:
    if isinstance(given, str) and given in built_in():
        return LISTS / f"{given}.txt"
    path = Path(given).expanduser()
    if path.is_file():
        return path
    if isinstance(given, os.PathLike) or path.suffix or os.sep in given:
        raise FileNotFoundError(f"phrases: there is no file {os.fspath(given)!r}")
    raise ValueError(
        f"phrases={given!r} is neither a built-in list ({', '.join(built_in())}) nor a "
        f"file{nearest(given, built_in())}; to search for the phrase itself give a list: "
        f"[{given!r}]"
    )


def _read(path: Path) -> list[tuple[str, str | None]]:
    """The phrases in a file, one a line, without comments."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    stripped = (line.strip() for line in lines)
    return [(line, path.stem) for line in stripped if line and not line.startswith("#")]


@dataclass(frozen=True)
class _Phrases:
    phrases: tuple[tuple[str, str | None], ...]
    roles: tuple[str, ...] | None

    def __call__(self, part: pd.DataFrame) -> pa.Array:
        details: list[str | None] = [None] * len(part)
        if "text" in part.columns:
            self._in_documents(part, details)
        if "messages" in part.columns:
            self._in_chats(part, details)
        return pa.array(details, pa.large_string())

    def _in_documents(self, part: pd.DataFrame, details: list[str | None]) -> None:
        for hit in self._search.hits(strings(part["text"])):
            details[hit.text] = f"text: {self._named(hit.phrase)}"

    def _in_chats(self, part: pd.DataFrame, details: list[str | None]) -> None:
        chats = turns(part["messages"])
        row = chats.row
        content = chats.content
        asked = None
        if self.roles is not None:
            asked = chats.role_is(*self.roles).nonzero()[0]
            content = content.take(pa.array(asked))
        for hit in self._search.hits(content):
            turn = hit.text if asked is None else int(asked[hit.text])
            at = int(row[turn])
            if details[at] is None:
                speaker = chats.role[turn].as_py()
                place = f"{speaker} turn {turn - int(chats.offsets[at])}"
                details[at] = f"{place}: {self._named(hit.phrase)}"

    @property
    def _search(self) -> Search:
        return search(tuple(phrase for phrase, _ in self.phrases))

    def _named(self, number: int) -> str:
        phrase, source = self.phrases[number]
        return f'"{phrase}" ({source})' if source else f'"{phrase}"'
