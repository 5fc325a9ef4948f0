"""The map as a widget: its state, and its answers to what the page asks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import anywidget
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import traitlets

from ..._backend import as_pandas, like
from ..html.escape import bounded
from ..widgets.questions import is_number, number
from ..widgets.source import source
from .drawn import EXCERPT
from .page import page
from .points import Points

CHUNK = 100_000  # points to a message: half a megabyte
PAGE = 50  # the most rows told at a time; the table asks for ten
_SHORT = 160


class Map(anywidget.AnyWidget):
    """Rows as points on a plane, as `datamerge.explore.map` lays them out.

    Attributes
    ----------
    selection : tuple of ids
        The rows selected, in the map's order; assign ids to select rows, ``()`` to select none.
        A trait: ``observe(function, "selection")`` is told of every change.
    shown, rows : int
        How many rows are on the map, and how many the frame has.
    """

    _esm = source(
        "cloud", "cloud.js", "paint.js", "plane.js", "selection.js", "overlay.js", "legend.js",
        "table.js", "tip.js", "tools.js", "pointer.js", "keys.js", "map.js",
    )  # fmt: skip
    _css = source("cloud", "hues.css", "map.css")

    _about = traitlets.Dict().tag(sync=True)
    _hidden = traitlets.List(traitlets.Int()).tag(sync=True)
    # A bit for every point, the first the lowest: the page neither gets nor sends ids.
    _mask = traitlets.Bytes().tag(sync=True, from_json=lambda value, _: bytes(value))
    selection = traitlets.Tuple()

    def __init__(
        self,
        df: Any,
        points: Points,
        positions: np.ndarray,
        codes: np.ndarray,
        about: dict[str, Any],
    ) -> None:
        self._df = df
        self._points = points
        self._positions = positions
        self._codes = codes
        self.shown, self.rows = len(points), points.rows
        super().__init__(_about=about, _mask=bytes(-(-len(points) // 8)))
        self.on_msg(self._asked)

    def selected(self) -> Any:
        """The selected rows, with all their columns, as a frame of the kind the map was made of.

        Lazy on Dask: the selection as it is now is laid over the frame as a mask on ``id``.

        Returns
        -------
        DataFrame
            Of a pandas frame without a column ``id``, the rows by their index.
        """
        ids = self._points.ids.filter(pa.array(self._bits()))
        among = partial(_among, ids=ids)
        df = as_pandas(self._df)
        if isinstance(df, pd.DataFrame):
            return like(among(df), self._df)
        return like(df.map_partitions(among, meta=df._meta), self._df)

    def __repr__(self) -> str:
        return self._about["summary"]

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and a page for those who show none and for when the kernel is gone."""
        shown = super()._repr_mimebundle_(**kwargs)
        data, *metadata = shown if isinstance(shown, tuple) else (shown or {},)
        still = page(self._points, self._positions, self._codes, self._about)
        return {**data, "text/plain": repr(self), "text/html": str(still)}, *metadata

    @traitlets.validate("selection")
    def _as_ids(self, proposal: dict[str, Any]) -> tuple[Any, ...]:
        given: Iterable[Any] = proposal["value"]
        wanted = pa.array(given, self._points.ids.type)
        known = pc.is_in(wanted, value_set=self._points.ids)
        if not pc.all(known).as_py() and len(wanted):
            unknown = wanted.filter(pc.invert(known))[0].as_py()
            raise traitlets.TraitError(f"the map shows no row with the id {unknown!r}")
        return self._ids(_is_in(self._points.ids, wanted))

    @traitlets.observe("selection")
    def _select(self, change: dict[str, Any]) -> None:
        chosen = pa.array(change["new"], self._points.ids.type)
        self._mask = np.packbits(_is_in(self._points.ids, chosen), bitorder="little").tobytes()

    @traitlets.observe("_mask")
    def _selected_in_page(self, _: Any) -> None:
        self.selection = self._ids(self._bits())

    def _bits(self) -> np.ndarray:
        bits = np.unpackbits(np.frombuffer(self._mask, np.uint8), bitorder="little")
        wanted = np.zeros(self.shown, bool)
        wanted[: len(bits)] = bits[: self.shown]
        return wanted

    def _ids(self, chosen: np.ndarray) -> tuple[Any, ...]:
        return tuple(self._points.ids.filter(pa.array(chosen)).to_pylist())

    def _asked(self, _: Any, question: Any, buffers: Any) -> None:
        """Answer a question to the one view that asked it."""
        answers = {"points": self._chunk, "row": self._row, "rows": self._page}
        if not isinstance(question, dict) or str(question.get("ask")) not in answers:
            return
        answer, sent = answers[str(question["ask"])](question.get("about"))
        address = {"to": question.get("from"), "number": question.get("number")}
        self.send({**answer, **address}, sent)

    def _chunk(self, about: Any) -> tuple[dict[str, Any], list[bytes]]:
        start = number(about, self.shown)
        stop = min(start + CHUNK, self.shown)
        positions = self._positions[start:stop].astype("<u2").tobytes()
        return {"stop": stop}, [positions, self._codes[start:stop].tobytes()]

    def _row(self, about: Any) -> tuple[dict[str, Any], None]:
        return {"row": self._told(about, EXCERPT) if is_number(about, self.shown) else None}, None

    def _page(self, about: Any) -> tuple[dict[str, Any], None]:
        asked = about[:PAGE] if isinstance(about, list) else []
        known = [one for one in asked if is_number(one, self.shown)]
        return {"rows": [self._told(one, _SHORT) for one in known]}, None

    def _told(self, point: int, most: int) -> dict[str, Any]:
        """A row as the page shows it: bounded, and nothing in it unseen."""
        points = self._points
        columns = ("source", "reason", "detail", "text")
        said = {name: getattr(points, name)[point].as_py() for name in columns}
        told = {
            name: None if value is None else bounded(value, most) for name, value in said.items()
        }
        name = bounded(str(points.ids[point].as_py()), _SHORT)
        return {"point": point, "code": int(self._codes[point]), "id": name, **told}


def _is_in(values: pa.Array, among: pa.Array) -> np.ndarray:
    return pc.is_in(values, value_set=among).to_numpy(zero_copy_only=False)


def _among(part: pd.DataFrame, ids: pa.Array) -> pd.DataFrame:
    """The rows of a partition that have one of these ids."""
    named = part["id"] if "id" in part.columns else part.index.to_series()
    found = pa.array(named, from_pandas=True)
    return part[_is_in(found.cast(ids.type), ids)]
