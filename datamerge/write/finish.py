"""What is written once all parts are there: one file of them, pairs, recipe, card, ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow.parquet as pq
import yaml

from ..audit import Passed
from .card import card
from .ledger import Tally
from .parts import Target


def merge_parts(target: Target) -> None:
    """Join the parts of the kept rows into one file; then the parts go."""
    fs = target.fs
    parts = sorted(fs.glob(f"{target.root}/data/part-*.{target.format}"))
    if parts:
        with target.replacing(f"data/train.{target.format}") as file:
            _join(fs, parts, file, target.format)
        for part in parts:
            fs.rm(part)


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
    tally: Tally,
    lineage: Sequence[Passed],
    recipe: Mapping[str, Any] | None,
    *,
    single_file: bool,
) -> None:
    """Write evidence, recipe and card, and last the ledger, which says the run is whole."""
    _pairs(target, lineage)
    noted = yaml.safe_dump(
        dict(recipe) if recipe is not None else _recipe(tally),
        sort_keys=False,
        allow_unicode=True,
    )
    with target.replacing("recipe.yaml") as file:
        file.write(noted.encode())
    with target.replacing("README.md") as file:
        file.write(card(tally, noted, target.format, schema=target.schema).encode())
    with target.replacing("ledger.json") as file:
        file.write(orjson.dumps(tally.to_dict(), option=orjson.OPT_INDENT_2))
    tidy(target)


def tidy(target: Target) -> None:
    """Remove the notes on parts, and whatever a crash left half written beside them."""
    if target.fs.exists(f"{target.root}/.run"):
        target.fs.rm(f"{target.root}/.run", recursive=True)


def _pairs(target: Target, lineage: Sequence[Passed]) -> None:
    """Copy the evidence behind each duplicate step into the output."""
    from ..dedup.evidence import listing

    for passed in lineage:
        for reason, folders in passed.step.evidence.items():
            with target.replacing(f"pairs/{reason}.parquet") as file:
                listing.export(folders, file)


def _recipe(tally: Tally) -> dict[str, Any]:
    """The steps of a chain as a recipe would say them."""
    return {
        "datamerge": tally.to_dict()["datamerge"],
        "sources": list(tally.sources),
        "steps": [{step["step"]: step["arguments"]} for step in tally.steps],
    }
