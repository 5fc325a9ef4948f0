"""A data set rewritten into files of about one size."""

from __future__ import annotations

import shutil
from os import PathLike
from typing import Any

from dask.system import CPU_COUNT
from dask.tokenize import tokenize
from dask.utils import parse_bytes

from .._version import __version__
from ..audit import ConservationError
from ..compute import client, each
from ..read import ReadError
from ..write.target import Target
from . import cuts, source
from .folder import RUN, Resplit, claim, finished
from .footers import Footer, Style, common_schema, footer, footers
from .rewrite import Rewrite, part_name


def resplit(
    data: Any,
    out: str | PathLike[str],
    *,
    size: int | str = "128MiB",
    files: int | None = None,
    overwrite: bool = False,
    storage_options: dict[str, Any] | None = None,
) -> Resplit:
    """Rewrite a data set so that its files are of about one size, and enough for all cores.

    Small files are put together and large ones are split; rows stay in their order, and columns
    keep their types. It streams: of each file there is no more than a row group in memory. A
    file appears when it is whole, and a run that was killed goes on when it is started again.

    Parameters
    ----------
    data : path, or Dask or pandas DataFrame
        The output folder of :func:`datamerge.write`, whose ledger, card and removed rows are
        copied; or a Parquet file, a folder or a glob of such, in the order of their names. Of a
        frame all rows and columns are written as they are, also those that steps have marked.
    out : str or path
        Another folder; the files are ``data/part-00000.parquet``, … in it.
    size : int or str
        About how large a file is on disk.
    files : int, optional
        At least so many files; by default two for each core of the cluster, or of this machine
        where there is none. (Of fewer rows there is a file each.)
    overwrite : bool
        Replace what another run has written there.
    storage_options : dict, optional
        Passed to fsspec, for both paths.

    Raises
    ------
    FileNotFoundError
        There are no such files.
    ValueError
        Files are not Parquet, or have different columns; or ``out`` holds the data.
    FileExistsError
        ``out`` holds something else.
    datamerge.ReadError
        A file is damaged; nothing is left out.

    Examples
    --------
    >>> import datamerge as dm, pandas as pd, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for number in range(50):
    ...         line = pd.DataFrame({"text": [f"Line {number}."]})
    ...         line.to_parquet(f"{folder}/{number:02}.parquet")
    ...     made = dm.export.resplit(f"{folder}/*.parquet", f"{folder}/few", files=3)
    ...     dm.read(f"{folder}/few").compute()["text"].iloc[-1]
    'Line 49.'
    >>> made.rows, made.before, list(made.sizes)
    (50, 50, ['data/part-00000.parquet', 'data/part-00001.parquet', 'data/part-00002.parquet'])
    """
    wanted, least = _checked(size, files)
    target = Target(str(out), options=dict(storage_options or {}))
    is_frame = hasattr(data, "columns")
    found = None if is_frame else source.of_path(str(data), target.options)
    if found is not None:
        source.refuse_within(found, str(data), target)
    key = source.name_of(data) if found is None else found.key
    run = tokenize(__version__, key, wanted, least)
    if (done := claim(target, run, overwrite)) is not None:
        return done
    found = found or source.of_frame(data, target)
    before = footers(found.fs, found.paths)
    _rewrite(found, before, target, wanted, least)
    _copy_rest(found, target)
    return _finish(found, before, target, run)


def _checked(size: int | str, files: int | None) -> tuple[int, int]:
    try:
        wanted = parse_bytes(size)
    except ValueError:
        raise ValueError(f"size={size!r} is no number of bytes such as '128MiB'") from None
    least = 2 * _cores() if files is None else files
    if wanted < 1 or least < 1:
        raise ValueError(f"need a size and a number of files of at least 1, got {size=}, {files=}")
    return wanted, least


def _cores() -> int:
    running = client()
    return int((running and sum(running.nthreads().values())) or CPU_COUNT)


def _rewrite(
    found: source.Source, before: list[Footer], target: Target, size: int, least: int
) -> None:
    """Write the files that are not there yet."""
    groups = [
        cuts.Group(path, number, rows, stored)
        for path, footer in zip(found.paths, before, strict=True)
        for number, (rows, stored) in enumerate(footer.groups)
        if rows
    ]
    style = next((footer.style for footer in before if footer.style is not None), Style())
    work = Rewrite(found.fs, target, common_schema(found.paths, before), style)
    total, rows = sum(group.size for group in groups), sum(group.rows for group in groups)
    shares = list(cuts.shares(groups, cuts.count(total, size, least, rows)))
    todo = [share for share in shares if not all(_is_whole(target, *one) for one in share.files)]
    each(work, todo, stage="resplit", rows=lambda share: sum(rows for _, rows in share.files))


def _is_whole(target: Target, number: int, rows: int) -> bool:
    """Whether a file is there, and not cut short by whatever befell the disk."""
    path = f"{target.root}/{part_name(number)}"
    if not target.fs.exists(path):
        return False
    try:
        return rows == sum(rows for rows, _ in footer(target.fs, path).groups)
    except ReadError:
        return False


def _copy_rest(found: source.Source, target: Target) -> None:
    """What an output holds beside the data; the ledger last, which says that it is whole."""
    if found.root is None:
        return
    paths = [path.removeprefix(f"{found.root}/") for path in found.fs.find(found.root)]
    rest = [name for name in paths if not name.startswith((RUN, ".run/", "data/"))]
    for name in sorted(rest, key=lambda name: (name == "ledger.json", name)):
        with found.fs.open(f"{found.root}/{name}", "rb") as old, target.replacing(name) as new:
            shutil.copyfileobj(old, new, 1 << 20)


def _finish(found: source.Source, before: list[Footer], target: Target, run: str) -> Resplit:
    """Count the rows again, and note what was made."""
    fs, root = target.fs, target.root
    paths = sorted(fs.glob(f"{root}/data/part-*.parquet"))
    rows = sum(rows for footer in before for rows, _ in footer.groups)
    after = sum(rows for footer in footers(fs, paths) for rows, _ in footer.groups)
    if rows != after:
        raise ConservationError(f"{rows} rows were read, {after} were written to {target.path}")
    sizes = {path.removeprefix(f"{root}/"): int(fs.size(path)) for path in paths}
    made = Resplit(target.path, rows, len(found.paths), sizes)
    finished(target, run, made)
    return made
