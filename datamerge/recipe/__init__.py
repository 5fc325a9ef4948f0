"""A whole run as YAML: the same functions, under the same names, with the same arguments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask.dataframe as dd

from .. import mix
from .._version import __version__
from ..concat import concat
from ..read import columns_of, lay, plan_all
from ..upload import upload
from ..write import Tally, write
from .check import Recipe, check
from .document import RecipeError, parse

__all__ = ["Recipe", "RecipeError", "frame", "load", "loads", "run"]


def load(path: str | Path, variables: Mapping[str, str] | None = None) -> Recipe:
    """Read and check a recipe.

    Parameters
    ----------
    path : str or path
        A YAML file with the keys ``name``, ``seed``, ``sources``, ``steps`` and ``output``.
        ``${NAME}`` and ``${NAME:-default}`` in it are filled in; ``${RECIPE_DIR}`` is the
        recipe's own folder. Other paths are relative to the current folder.
    variables : mapping, optional
        Values for ``${NAME}``; the environment is asked for those not given.

    Raises
    ------
    RecipeError
        Every fault, with file and line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from None
    given = {"RECIPE_DIR": str(path.parent.absolute()), **(variables or {})}
    return check(parse(text, str(path)), given)


def loads(text: str, variables: Mapping[str, str] | None = None) -> Recipe:
    r"""Check a recipe given as text.

    Examples
    --------
    >>> recipe = loads("sources: [chats.jsonl]\nsteps: [clean.unicode, {filters.language: en}]")
    >>> [chosen.step.name for chosen in recipe.steps]
    ['clean.unicode', 'filters.language']
    >>> loads("sources: [chats.jsonl]\nsteps: [filters.langage]")
    Traceback (most recent call last):
    ...
    datamerge.recipe.document.RecipeError: recipe:2: no step 'filters.langage' (did you mean ...
    """
    return check(parse(text, "recipe"), variables or {})


def frame(recipe: Recipe) -> dd.DataFrame:
    """The lazy frame of a recipe: its sources read and its steps laid over them.

    Finders of duplicates compute what they need to decide.
    """
    requests = [source.request for source in recipe.sources]
    planned = plan_all(requests)
    columns = columns_of(planned)
    weights = {
        plan.name: source.weight
        for plan, source in zip(planned, recipe.sources, strict=True)
        if source.weight is not None
    }
    if not any(source.steps for source in recipe.sources):
        df = lay(planned, columns)
    else:
        parts = []
        pairs = zip(planned, recipe.sources, strict=True)
        for plan, source in sorted(pairs, key=lambda pair: pair[0].name):
            part = lay([plan], columns)
            for chosen in source.steps:
                part = chosen(part)
            parts.append(part)
        df = concat(parts)
    for chosen in recipe.steps:
        df = chosen(df)
    return mix.weights(df, weights, seed=recipe.seed) if weights else df


def run(recipe: Recipe, out: str | Path | None = None, *, overwrite: bool = False) -> Tally:
    """Run a recipe: read, lay its steps, write, and upload if it says so.

    Parameters
    ----------
    recipe : Recipe
        From :func:`load`.
    out : str or path, optional
        The output folder; by default the recipe's ``output.path``, or ``out/<name>``.
    overwrite : bool
        Replace what another run has written there.
    """
    output = dict(recipe.output)
    target = str(out or output.get("path") or f"out/{recipe.name}")
    chosen = {k: output[k] for k in ("format", "schema", "single_file") if output.get(k)}
    noted = {"datamerge": __version__, **recipe.document.values}
    noted.setdefault("seed", recipe.seed)
    tally = write(frame(recipe), target, recipe=noted, overwrite=overwrite, **chosen)
    if output.get("upload"):
        given: dict[str, Any] = dict(output["upload"])
        upload(target, given.pop("repo_id"), **given)
    return tally
