"""What is written once all parts are there: one file of them, pairs, recipe, card, ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow.parquet as pq
import yaml

from ..audit import Passed
from . import notes
from .card import card
from .ledger import Tally
from .notes import Notes
from .target import Files, Target


def merge_parts(target: Target, written: Notes) -> None:
    """Join the parts of the kept rows into one file; then the parts go."""
    fs = target.fs
    names = sorted(
        name for part in written.parts.values() for name in part["files"] if name[:5] == "data/"
    )
    if not written.merged:
        single = f"data/train.{target.format}"
        with target.replacing(single) as file:
            _join(fs, [f"{target.root}/{name}" for name in names], file, target.format)
        written.merged = {single: file.sums}
        notes.save(target, notes.MERGED, written.merged)
        target.settle()  # before the parts go
    for name in names:
        if fs.exists(f"{target.root}/{name}"):
            fs.rm(f"{target.root}/{name}")


def _join(fs: Any, parts: Sequence[str], file: Any, format: str) -> None:
    if format == "jsonl":
        for part in parts:
            with fs.open(part, "rb") as opened:
                while chunk := opened.read(1 << 20):
                    file.write(chunk)
        return
    writer = None
    for part in parts:
        with fs.open(part, "rb") as opened:
            parquet = pq.ParquetFile(opened)
            writer = writer or pq.ParquetWriter(
                file, parquet.schema_arrow, compression="zstd", write_statistics=False
            )
            for group in range(parquet.num_row_groups):
                writer.write_table(parquet.read_row_group(group))
    if writer is not None:
        writer.close()


def finish(
    target: Target,
    run: str,
    written: Notes,
    tally: Tally,
    lineage: Sequence[Passed],
    recipe: Mapping[str, Any] | None,
    *,
    single_file: bool,
) -> None:
    """Write evidence, recipe and card, and last the ledger, which says the run is whole."""
    evidence = _pairs(target, lineage)
    _settle(target, run, written, evidence)
    noted = yaml.safe_dump(
        dict(recipe) if recipe is not None else _recipe(tally),
        sort_keys=False,
        allow_unicode=True,
    )
    with target.replacing("recipe.yaml") as file:
        file.write(noted.encode())
    with target.replacing("README.md") as file:
        file.write(card(tally, noted, target.format, schema=target.schema).encode())
    target.settle()  # where there is a ledger, there is everything
    with target.replacing("ledger.json") as file:
        file.write(orjson.dumps(tally.to_dict(), option=orjson.OPT_INDENT_2))
    target.settle()
    tidy(target)


def _settle(target: Target, run: str, written: Notes, evidence: Files) -> None:
    """See that the folder is still this run's, and holds its files alone; note them."""
    if (notes.begun(target) or {}).get("run") != run:
        raise FileExistsError(f"another run has begun in {target.path} meanwhile; nothing is lost "
                              "of it, and this one is not finished")  # fmt: skip
    for name in notes.strays(notes.sizes(target), written.files | evidence):
        target.fs.rm(f"{target.root}/{name}")
    notes.save(target, notes.RUN, written.to_dict(run, evidence))


def tidy(target: Target) -> None:
    """Remove the notes on parts, and whatever a crash left half written beside them."""
    if target.fs.exists(f"{target.root}/.run"):
        target.fs.rm(f"{target.root}/.run", recursive=True)


def _pairs(target: Target, lineage: Sequence[Passed]) -> Files:
    """Copy the evidence behind each duplicate step into the output."""
    from ..dedup.evidence import listing

    files: Files = {}
    for passed in lineage:
        for reason, folders in passed.step.evidence.items():
            name = f"pairs/{reason}.parquet"
            with target.replacing(name) as file:
                listing.export(folders, file)
            files[name] = file.sums
    return files


def _recipe(tally: Tally) -> dict[str, Any]:
    """The steps of a chain as a recipe would say them."""
    return {
        "datamerge": tally.to_dict()["datamerge"],
        "sources": list(tally.sources),
        "steps": [{step["step"]: step["arguments"]} for step in tally.steps],
    }
