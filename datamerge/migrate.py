"""The four YAML files of a DataMergeKit folder as one recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .recipe import RecipeError

FILES = ("main_config", "user_config", "dataset_config", "phrase_lists")
_HEAD = """\
# Made from the DataMergeKit configuration in {folder}.
# Chunk size, core count and chunk folder have no counterpart: partitions and workers follow
# the machine. {notes}
"""


def migrate(folder: str | Path) -> str:
    """The recipe, as YAML text, that does what a DataMergeKit configuration asks for.

    Parameters
    ----------
    folder : str or path
        Holds ``main_config.yml``, ``user_config.yml``, ``dataset_config.yml`` and
        ``phrase_lists.yml`` (``.yaml`` is fine too).

    Raises
    ------
    RecipeError
        A file is missing or is not what it should be; the message names it.
    """
    main, user, data, lists = (_load(Path(folder), name) for name in FILES)
    phrases = lists.get("phrase_lists") or {}
    recipe = {
        "name": str(user.get("Dataset_Name") or "merged"),
        "sources": [_source(one, data, phrases) for one in _datasets(data)],
        "steps": _steps(data),
        "output": _output(user),
    }
    notes = _notes(main)
    head = _HEAD.format(folder=Path(folder).name, notes=notes)
    return head + yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True, width=100)


def _load(folder: Path, name: str) -> dict[str, Any]:
    paths = [folder / f"{name}{suffix}" for suffix in (".yml", ".yaml")]
    path = next((p for p in paths if p.exists()), None)
    if path is None:
        raise RecipeError(f"{folder}: there is no {name}.yml")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: expected a mapping, found {type(values).__name__}")
    return values


def _datasets(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = data.get("datasets")
    if not isinstance(found, list) or not found:
        raise RecipeError("dataset_config: datasets must be a list of data sets")
    for number, one in enumerate(found):
        if not isinstance(one, dict) or not one.get("name"):
            raise RecipeError(f"dataset_config: datasets[{number}] has no name")
    return found


def _source(
    one: Mapping[str, Any], data: Mapping[str, Any], phrases: Mapping[Any, Any]
) -> dict[str, Any]:
    name = str(one["name"])
    source: dict[str, Any] = {"path": _path(name), "name": name, "split": "train"}
    if not name.startswith(("/", ".")) and data.get("key_name", "conversations") != "conversations":
        source["field_messages"] = data["key_name"]
    if dropped := data.get("filtered_data"):
        # It named roles as the records do; a role of its own keeps each apart from the usual ones.
        source["roles"] = {_dropped(role): [str(role)] for role in dropped}
    percent = one.get("use_percentage", 100)
    if percent != 100:
        source["weight"] = f"{percent}%"
    key = one.get("phrase_list_key")
    if key not in (None, 0, ""):
        listed = phrases.get(key, phrases.get(str(key)))
        if listed is None:
            raise RecipeError(f"phrase_lists: there is no list {key!r}, which {name!r} asks for")
        unique = list(dict.fromkeys(str(phrase) for phrase in listed))
        # It looked for phrases in every turn of a chat, the user's too.
        source["steps"] = [{"filters.phrases": {"phrases": unique, "roles": None}}]
    return source


def _dropped(role: Any) -> str:
    return f"dropped-{role}"


def _path(name: str) -> str:
    return f"hf://datasets/{name}" if name.count("/") == 1 and not name.startswith(".") else name


def _steps(data: Mapping[str, Any]) -> list[Any]:
    steps: list[Any] = ["clean.unicode"]
    if languages := data.get("acceptable_languages"):
        steps.append({"filters.language": {"keep": [str(code) for code in languages]}})
    if dropped := data.get("filtered_data"):
        steps.append({"filters.roles": {"drop": [_dropped(role) for role in dropped]}})
    if tokenizer := data.get("tokenizer_used"):
        steps.append({"tokens.count": {"tokenizer": str(tokenizer)}})
    return [*steps, "dedup.exact", {"dedup.semantic": {}}, "mix.shuffle"]


def _output(user: Mapping[str, Any]) -> dict[str, Any]:
    output: dict[str, Any] = {"single_file": True}
    if user.get("User") and user.get("Dataset_Name"):
        output["upload"] = {"repo_id": f"{user['User']}/{user['Dataset_Name']}", "private": True}
    return output


def _notes(main: Mapping[str, Any]) -> str:
    if main.get("rewrite_sys_prompt"):
        return "Its rewriting of system prompts is left out."
    return ""
