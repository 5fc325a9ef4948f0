"""What a frame is compared against: frames in hand, or the kept rows of finished outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import orjson
import pandas as pd

from ..._arrays import string_column, strings
from ...schema.ours import ORIGIN
from ...workdir import checkpoint
from .adapt import adapted


def earlier_frames(against: Any) -> list[Any]:
    """Frames, as they are or of outputs; their live rows are what is compared against."""
    if against is None:
        return []
    if isinstance(against, list | tuple):
        return [frame for one in against for frame in earlier_frames(one)]
    if isinstance(against, str | Path):
        return [_of_output(str(against))]
    if not hasattr(against, "columns"):
        raise TypeError(
            f"against= is {type(against).__name__}; it is a frame, the folder of a finished "
            "output, or a list of those"
        )
    return [adapted(against)]


def _of_output(path: str) -> Any:
    """The kept rows of an output, with the ids and sources they had when it was written."""
    from ...read import read

    fs, root = fsspec.core.url_to_fs(str(Path(path).expanduser()) if "://" not in path else path)
    if not fs.exists(f"{root}/ledger.json"):
        raise ValueError(
            f"against={path!r} is no finished output of datamerge.write (there is no ledger.json); "
            "of other files pass the frame that datamerge.read makes"
        )
    frame = checkpoint.keep(read(path))  # before the names of sources change
    return frame.map_partitions(with_origin, meta=frame._meta)


def with_origin(part: pd.DataFrame) -> pd.DataFrame:
    """The rows of an output with their ids and sources of then, which reading put into meta."""
    metas = strings(part["meta"]).to_pylist()
    origins = [orjson.loads(meta).get(ORIGIN) if meta else None for meta in metas]
    columns = {
        name: string_column(
            [_told(origin, name, now) for origin, now in zip(origins, part[name], strict=True)],
            part.index,
        )
        for name in ("id", "source")
    }
    return part.assign(**columns)


def _told(origin: Any, name: str, now: str) -> str:
    then = origin.get(name) if isinstance(origin, dict) else None
    return then if isinstance(then, str) else str(now)
