"""Rows whose images and videos are the same."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..._version import __version__
from ...text import TextView, readable
from .. import evidence
from ..compared.adapt import adapted
from ..compared.earlier import earlier_frames
from ..compared.extract import extract
from ..compared.same import first_of_same
from ..compared.worked import each_result
from ..duplicates import Duplicates
from ..evidence.pairs import Pairs
from .files import Opener
from .hashed import ExtractMedia, StampMedia
from .pixels import need_pillow
from .reader import TOLD


class MediaWarning(UserWarning):
    """Media that could not be read, or none at all."""


class MediaDuplicates(Duplicates):
    """Duplicates by their images and videos, and the files that could not be read.

    What was found is found again when a local file has changed since.
    """

    @property
    def unreadable(self) -> pd.DataFrame:
        """Media that could not be read: ``id``, ``path``, ``reason``; the first 1,000 of them."""
        told = self._evidence.about["unreadable"]
        return pd.DataFrame(told, columns=["id", "path", "reason"])


def media(
    df: Any,
    *,
    columns: str | Sequence[str] = ("images", "videos"),
    root: str | Path | None = None,
    pixels: bool = True,
    text: TextView | None = None,
    remote: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    against: Any = None,
) -> MediaDuplicates:
    """Find rows whose images and videos are the same.

    Two rows are duplicates when all their media are, one after the other and column by column.
    Rows without media are not compared.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Live rows with media are compared.
    columns : str or sequence of str
        Where media are: columns of the frame, or fields of the records that
        :func:`datamerge.read` has put into ``meta``; ``messages`` stands for the images and
        videos among the parts of messages. A value is a path, bytes, a ``data:`` url, a dict with
        ``bytes`` or ``path`` as Hugging Face data sets hold them, or a list of those.
    root : str or path, optional
        The folder that paths are relative to. Nothing outside it is opened then: absolute paths,
        ``..`` and links that lead out are refused. By default paths are taken as they are: any
        file may be read (its content is hashed, and goes nowhere).
    pixels : bool
        Compare images by their pixels, turned as their EXIF data say: the same picture as PNG and
        as WebP, or with other metadata, is the same. It needs Pillow, the extra ``media``. Videos,
        animations, and files Pillow does not know are compared byte for byte.
    text : {"chat", "prompt", "response"} or column name, optional
        The text that must agree as well, but for case and white space. By default it is ignored:
        the same image with another question is a duplicate.
    remote : bool
        Fetch media that urls (http, s3, …) stand for. Data sets come from strangers: this lets
        them choose what your machine asks for.
    storage_options : mapping, optional
        Passed to fsspec for ``root`` and urls.
    against : DataFrame, folder of an output, or list of those, optional
        Earlier rows that are compared too, always stay, and come before all others; their
        paths are relative to ``root`` too.

    Returns
    -------
    MediaDuplicates
        Lazy. Media that are missing or cannot be read (damaged, or of more than 67 million
        pixels) are listed in ``unreadable``, and their rows have no duplicates.

    Warns
    -----
    MediaWarning
        Media could not be read, or there were none.

    Raises
    ------
    ImportError
        ``pixels`` without Pillow.

    Examples
    --------
    >>> import pandas as pd, datamerge as dm
    >>> pets = pd.DataFrame({"images": [[b"cat"], [b"dog"], b"cat"]})
    >>> dm.dedup.media(pets, pixels=False).decisions()[["id", "witness"]].values.tolist()
    [[2, 0]]
    """
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if "meta" not in df.columns and not set(names) & set(df.columns):
        known = ", ".join(map(str, df.columns))
        raise ValueError(f"the frame has none of the columns {', '.join(names)}; it has {known}")
    if text is not None:
        readable(text, df.columns)
    if pixels:
        need_pillow()
    opener = Opener(None if root is None else str(root), remote, dict(storage_options or {}))
    finder: Any = Media(names, opener, pixels, text)
    return MediaDuplicates(df, finder, 1.0, against=against)


@dataclass(frozen=True)
class Media:
    """Rows whose media have the same content, or the same pixels, one after the other."""

    columns: tuple[str, ...]
    opener: Opener
    pixels: bool
    text: TextView | None = None

    how = "media"
    word = "same media"
    floor = 1.0

    def stamp(self, df: Any, against: Any = None) -> str:
        """Sizes and times of all files, whatever the order of rows."""
        work = StampMedia(self.columns, self.opener)
        frames = [adapted(df), *earlier_frames(against)]
        total = sum(stamp for frame in frames for stamp in each_result(frame, work, stage="stat"))
        return f"{total % 2**64:016x}"

    def find(self, df: Any, folder: Path, against: Any = None) -> Any:
        """Hash all media and keep which rows have the same; returns the frame to mark."""
        work = ExtractMedia(self.columns, self.opener, self.pixels, self.text)
        with evidence.scratch(folder.with_name(f"{folder.name}.rows")) as place:
            kept, rows = extract(df, work, stage="media", scratch=place, against=against)
            unreadable = sorted((one for note in rows.notes for one in note["unreadable"]), key=str)
            count = sum(note["count"] for note in rows.notes)
            read = sum(note["read"] for note in rows.notes)
            about = {**self._about(), "media": read, "unreadable_count": count}
            about |= {"unreadable": unreadable[:TOLD]}
            evidence.save(folder, rows, first_of_same(rows.digest), Pairs.none(), about)
        self._warn(read, count, unreadable)
        return kept

    def _warn(self, read: int, count: int, unreadable: list[list[Any]]) -> None:
        if count:
            key, path, reason = unreadable[0]
            warnings.warn(
                f"dedup.media could not read {count:,} of {read + count:,} media; their rows are "
                f"not compared (see .unreadable). The first: {path!r} of {key!r}: {reason}",
                MediaWarning,
                stacklevel=2,
            )
        elif not read:
            warnings.warn(
                f"dedup.media found nothing in {', '.join(self.columns)}: name the columns, or the "
                "fields of meta, that hold the media",
                MediaWarning,
                stacklevel=2,
            )

    def arguments(self, threshold: float) -> dict[str, Any]:
        """What the step was called with."""
        said = {"columns": list(self.columns), "root": self.opener.root, "pixels": self.pixels}
        return said | {"text": self.text, "remote": self.opener.remote}

    def _about(self) -> dict[str, Any]:
        return {
            "how": self.how,
            "same": self.how,
            "floor": self.floor,
            "datamerge": __version__,
            **self.arguments(1.0),
        }
