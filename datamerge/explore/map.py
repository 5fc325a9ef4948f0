"""A map of the rows: those that say alike lie close together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from .._backend import as_pandas
from .._choices import nearest, one_of
from ..embed import Encoder
from ..embed import encoder as known_encoder
from ..text import TextView, readable
from .cloud import drawn
from .cloud.about import about
from .cloud.legend import KEPT, MISSING, legend
from .cloud.points import Points
from .cloud.project import Method, project, quantised
from .frames.gather import columns, empty
from .widgets.source import anywidget

if TYPE_CHECKING:
    from .cloud.widget import Map

ColorBy = Literal["source", "reason"] | str


def map(
    df: Any,
    embeddings: Any = None,
    *,
    text: TextView = "chat",
    encoder: str | Encoder | None = None,
    color: ColorBy = "source",
    method: Method = "pca",
    most: int = 100_000,
    seed: int = 0,
) -> Map:
    """Lay rows out on a plane by their embeddings, to be looked at, and selected with a lasso.

    Computes at once, in two passes over the frame: which rows are drawn, and their embeddings,
    each partition where it lies. Rows are drawn by a hash of their ids and the seed, so the map
    does not depend on how the frame is partitioned. Live and removed rows alike are shown.

    In the page, point at a row to read it; select with the lasso, a box, the legend or the keys
    that the map lists under *Keys*.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Rows as :func:`datamerge.read` gives them; a pandas frame without a column ``id`` is
        known by its index.
    embeddings : array of shape (rows, dim), optional
        A vector for each row of the frame, in its order; a memory map is read where it is needed.
        Without it, texts are embedded; rows that say nothing are then left out.
    text : {"chat", "prompt", "response"} or column name
        What is embedded, and shown of a row.
    encoder : str or Encoder, optional
        As for :func:`datamerge.embed.encoder`; the static one if not given.
    color : {"source", "reason"} or column name
        What colours a point: numbers in bands of about as many rows each, anything else by its 12
        most frequent values.
    method : {"pca", "umap"}
        Principal components, which are the same each time, or UMAP (the extra ``umap``).
    most : int
        The most rows shown; more are sampled, and the map says so.
    seed : int
        Another seed draws other rows.

    Returns
    -------
    Map
        A widget. Its trait ``selection`` holds the ids selected, ``selected()`` gives their rows.
        A notebook saves a picture beside it, for when there is no kernel.

    Raises
    ------
    ValueError
        An argument is not one of those allowed, or the embeddings do not fit the frame.
    ImportError
        The extra ``notebook``, or for UMAP the extra ``umap``, is not installed.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read(["Boil an egg.", "Fry an egg.", "Name a planet."], name="notes")
    >>> chart = dm.explore.map(df)
    >>> chart
    Map of 3 rows, coloured by source: notes 3
    >>> chart.selection = ["notes#1"]
    >>> chart.selected().compute()["text"].tolist()
    ['Fry an egg.']
    """
    anywidget()
    from .cloud.widget import Map

    frame = _checked(df, text, color, method, most)
    column = "drop_reason" if color == "reason" else color
    use = None if embeddings is not None else known_encoder(encoder)
    points = drawn.points(frame, text=text, color=column, encoder=use, most=most, seed=int(seed))
    vectors = points.vectors if embeddings is None else _aligned(embeddings, points)
    places, share = project(vectors, method, int(seed))
    entries = legend(points.color, KEPT if column == "drop_reason" else MISSING)
    told = about(points, entries.entries, color, method, share)
    return Map(df, points, quantised(places), entries.codes, told)


def _checked(df: Any, text: TextView, color: str, method: str, most: int) -> Any:
    """The frame with ids, if all that is asked of it can be had."""
    known, df = columns(df), as_pandas(df)
    one_of("method", method, ["pca", "umap"])
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ValueError(f"most={most!r} must be a whole number, at least 1")
    if color != "reason" and color not in known:
        raise ValueError(
            f"color={color!r} is not a column{nearest(color, ['reason', *known])}; "
            f"there are {', '.join(known)}"
        )
    if color == "reason" and "drop_reason" not in known:
        raise ValueError("color='reason' needs the column 'drop_reason', which the frame lacks")
    readable(text, known)
    _colours(df, "drop_reason" if color == "reason" else color)
    if "id" in known:
        return df
    if not isinstance(df, pd.DataFrame):
        raise ValueError("the frame has no column 'id'; datamerge.read gives one")
    if not df.index.is_unique:
        raise ValueError("the frame has neither a column 'id' nor an index without repetitions")
    return df.assign(id=df.index)


def _colours(df: Any, column: str) -> None:
    """Raise if the column holds something that is no value, such as lists."""
    try:
        drawn.values(empty(df), column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        raise ValueError(f"color={column!r}: its values are neither words nor numbers") from None


def _aligned(embeddings: Any, points: Points) -> np.ndarray:
    """The vectors of the points, out of those of all rows."""
    shape = np.shape(embeddings)
    if len(shape) != 2 or shape[0] != points.rows:
        raise ValueError(
            f"embeddings of shape {tuple(shape)} do not fit a frame of {points.rows:,} rows; "
            "they must be (rows, dim), in the order of the frame"
        )
    matrix = embeddings if isinstance(embeddings, np.ndarray) else np.asarray(embeddings)
    vectors = matrix[points.place].astype(np.float32, copy=False)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        row = int(points.place[bad].min())
        raise ValueError(f"the embedding of row {row} holds NaN or infinity")
    return vectors
