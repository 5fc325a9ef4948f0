"""Find duplicates: exact ones, near ones and ones by meaning; each finder returns scored pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from ..embed import Encoder
from ..embed import encoder as make_encoder
from ..text import TextView, readable
from .any_of import any_of
from .compared.digest import Normal
from .cosine.clustered import nearest
from .deciding.marking import DuplicatesWarning
from .duplicates import Duplicates, load
from .exact import Exact
from .media import Media, MediaDuplicates, MediaWarning
from .media.files import Opener
from .media.pixels import need_pillow
from .semantic import Semantic
from .wording import sets
from .wording.bands import Bands
from .wording.shingles import Unit

__all__ = [
    "Bands",
    "Duplicates",
    "DuplicatesWarning",
    "MediaDuplicates",
    "MediaWarning",
    "any_of",
    "exact",
    "jaccard",
    "load",
    "media",
    "minhash",
    "semantic",
]


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


def jaccard(
    df: Any,
    *,
    threshold: float = 0.8,
    floor: float | None = None,
    text: TextView = "chat",
    ngram: int = 5,
    unit: Unit = "word",
    against: Any = None,
) -> Duplicates:
    """Find rows that share most of their wording: all pairs of close shingle sets, none missed.

    A shingle is ``ngram`` consecutive words, or characters, of the normalised text (Unicode NFC,
    lower case, every run of white space one blank); a text of fewer is one shingle. The Jaccard
    similarity of two texts is the number of shingles they share by the number they have
    together.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Live rows with some text are compared.
    threshold : float
        The similarity from which on two rows are duplicates.
    floor : float, optional
        Pairs are kept down to here, so that the threshold can be moved; by default 0.05 below.
    text : {"chat", "prompt", "response"} or column name
        What is compared; of a chat the words alone, not the roles.
    ngram : int
        How many words or characters a shingle has.
    unit : {"word", "character"}
        What a shingle is made of. Texts without blanks between words want characters.
    against : DataFrame, folder of an output, or list of those, optional
        Earlier rows that are compared too, always stay, and come before all others.

    Returns
    -------
    Duplicates
        Lazy. Scores are exact, but for shingles being compared by a 64-bit hash.

    Raises
    ------
    ValueError
        When the pairs are found: they are more than can be kept (100 million at least). Texts
        of one template are not counted as long as all of them are alike: they make a group.

    Notes
    -----
    The join is of the PPJoin family: Xiao, Wang, Lin and Yu, "Efficient similarity joins for
    near duplicate detection", 2008.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read(["the cat sat on the mat", "The cat sat on the  red mat"], name="cats")
    >>> dups = dm.dedup.jaccard(df, threshold=0.5, ngram=2)
    >>> dups.mark().compute()["drop_detail"].tolist()
    [<NA>, 'jaccard 0.571429 to cats#0']
    """
    readable(text, df.columns)
    shingling = sets.shingling(ngram, unit)
    finder = sets.Jaccard(text, shingling, sets.lowest(threshold, floor))
    return Duplicates(df, finder, threshold, against=against)


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


def minhash(
    df: Any,
    *,
    threshold: float = 0.8,
    floor: float | None = None,
    text: TextView = "chat",
    ngram: int = 5,
    unit: Unit = "word",
    num_perm: int = 128,
    bands: int | None = None,
    rows: int | None = None,
    verify: bool = True,
    seed: int = 0,
    against: Any = None,
) -> Duplicates:
    """Find most rows that share most of their wording, by MinHash and bands.

    What :func:`jaccard` finds, but for the pairs whose signatures differ in every band: the
    S-curve says how many, see :class:`Bands` and ``finder.bands`` of the result. It costs less
    where texts are long.

    Parameters
    ----------
    df, threshold, floor, text, ngram, unit, against
        As for :func:`jaccard`. Pairs between floor and threshold are missed more often.
    num_perm : int
        Places in a signature.
    bands, rows : int, optional
        How a signature is cut into bands. By default the most selective bands that miss at most
        one in a hundred of the pairs at the threshold.
    verify : bool
        Count the true Jaccard similarity of every candidate, so that every pair is a true one.
        Otherwise the score is an estimate: the share of the places in which signatures agree;
        but in groups of near-equal texts, made where pairs are too many to list, it is true.
    seed : int
        Which random functions make the signatures.

    Returns
    -------
    Duplicates
        Lazy.

    Notes
    -----
    A. Broder, "On the resemblance and containment of documents", 1997.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read(["the cat sat on the mat", "The cat sat on the  red mat"], name="cats")
    >>> dups = dm.dedup.minhash(df, threshold=0.5, ngram=2)
    >>> dups.mark().compute()["drop_detail"].tolist()
    [<NA>, 'jaccard 0.571429 to cats#0']
    >>> dups.finder.bands, round(dups.finder.bands.missed(0.5), 4)
    (Bands(bands=42, rows=3), 0.0037)
    """
    readable(text, df.columns)
    drawn = sets.permutations(num_perm, seed)
    finder = sets.MinHash(
        text,
        sets.shingling(ngram, unit),
        sets.lowest(threshold, floor),
        sets.banding(threshold, num_perm, bands, rows),
        drawn,
        verify,
    )
    return Duplicates(df, finder, threshold, against=against)


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
