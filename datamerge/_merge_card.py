"""A dataset card brought up to date, with what its owner wrote left alone."""

from __future__ import annotations

import re
from typing import Any

import yaml

START, END = "<!-- datamerge:start -->", "<!-- datamerge:end -->"
FOLDERS = ("data", "removed", "malformed", "pairs")

# What describes the files: a stale value would be wrong, not just old.
_OUR_KEYS = ("configs", "dataset_info", "size_categories")
_FRONT = re.compile(r"\A\ufeff?\s*^---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)(.*)\Z", re.S | re.M)
_KEY = re.compile(r"^(?=[^\s#\-][^\n]*:)", re.M)
_COMMENTS_BELOW = re.compile(r"(?:^(?:#[^\n]*|[ \t\r]*)\n)*\Z", re.M)
# The innermost pair, so that an orphaned marker never swallows what stands after it.
_SECTION = re.compile(f"{START}(?:(?!{START}|{END}).)*{END}", re.S)

Meta = dict[Any, Any]


def merge_card(existing: str, new: str) -> str:
    r"""Bring a card up to date, leaving alone what its owner wrote.

    In the front matter, ``configs``, ``dataset_info`` and ``size_categories`` become the new
    card's (configs that read other folders than a run's stay), ``tags`` are joined, and any
    other key is only added where it is missing. In the text, only the section between
    ``<!-- datamerge:start -->`` and ``<!-- datamerge:end -->`` is replaced, or added at the end.

    Parameters
    ----------
    existing
        The card on the Hub, as Markdown with YAML front matter; may be empty.
    new
        The card of this run.

    Returns
    -------
    str
        The merged card. Merging the same card again changes nothing.

    Raises
    ------
    ValueError
        If the front matter of either is not YAML.

    Examples
    --------
    >>> old = "---\nlicense: mit\n---\nMy words.\n"
    >>> new = "---\nlicense: other\nsize_categories: [n<1K]\n---\n3 rows.\n"
    >>> print(merge_card(old, new))
    ---
    license: mit
    size_categories: [n<1K]
    ---
    My words.
    <BLANKLINE>
    <!-- datamerge:start -->
    3 rows.
    <!-- datamerge:end -->
    <BLANKLINE>
    """
    (old_head, old_body), (new_head, new_body) = _split(existing), _split(new)
    head = _merge_heads(old_head, new_head) if old_head.strip() else new_head
    body = _merge_bodies(old_body, new_body)
    # Fences around nothing keep a body that opens with a rule from being read as front matter.
    return f"---\n{head}---\n{body}" if head or _FRONT.match(body) else body


def _split(card: str) -> tuple[str, str]:
    """Front matter and body; text between two rules that is no mapping is body."""
    found = _FRONT.match(card)
    if found is None:
        return "", card
    try:
        is_mapping = isinstance(yaml.safe_load(found[1]) or {}, dict)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 2}" if mark else ""
        raise ValueError(f"the front matter of README.md is not YAML{where}: mend it") from error
    return (found[1], found[2]) if is_mapping else ("", card)


def _merge_heads(old: str, new: str) -> str:
    """Front matter edited line by line, which keeps the owner's comments, quotes and order."""
    old_meta, new_meta = yaml.safe_load(old) or {}, yaml.safe_load(new) or {}
    merged = _merge_meta(old_meta, new_meta)
    if merged == old_meta:
        return old
    changed = {k: _dumped({k: v}) for k, v in merged.items()}
    changed |= {k: b for k, b in _blocks(new).items() if merged.get(k) == new_meta.get(k)}
    lines = []
    for key, block in _blocks(old).items():
        if key is None or (key in merged and merged[key] == old_meta.get(key)):
            lines.append(block)
        else:
            below = _COMMENTS_BELOW.search(block)
            lines += [changed[key] if key in merged else "", below[0] if below else ""]
    text = "".join(lines + [changed[key] for key in merged if key not in old_meta])
    # YAML has forms in which a key is not a run of lines (anchors, flow style, ...): what does
    # not read back as meant is written anew.
    return text if _reads_as(text, merged) else _dumped(merged)


def _dumped(meta: Meta) -> str:
    text: str = yaml.safe_dump(meta, sort_keys=False, allow_unicode=True)
    # A few rare line breaks (NEL, ...) only survive as escapes.
    return text if _reads_as(text, meta) else yaml.safe_dump(meta, sort_keys=False)


def _blocks(head: str) -> dict[Any, str]:
    """The lines of each top-level key, with comments below it; under None those before."""
    first, *blocks = _KEY.split(head)
    return {None: first} | {block.split(":")[0].strip("\"' "): block for block in blocks}


def _reads_as(text: str, meta: Meta) -> bool:
    try:
        return (yaml.safe_load(text) or {}) == meta
    except yaml.YAMLError:
        return False


def _merge_meta(old: Meta, new: Meta) -> Meta:
    values = {k: v for k, v in old.items() if k not in _OUR_KEYS}
    values |= {k: v for k, v in new.items() if k in _OUR_KEYS or k not in old}
    ours = _listed(new.get("configs"))
    if foreign := [c for c in _listed(old.get("configs")) if _is_foreign(c, ours)]:
        values["configs"] = [*ours, *foreign]
    tags = _listed(old.get("tags"))
    if missing := [tag for tag in _listed(new.get("tags")) if tag not in tags]:
        values["tags"] = [*tags, *missing]
    return {k: values[k] for k in [*old, *values] if k in values}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_foreign(config: Any, ours: list[Any]) -> bool:
    """Whether a config of the card describes other files than those of a run."""
    if not isinstance(config, dict):
        return False
    paths = [*_paths(config.get("data_files")), *_paths(config.get("data_dir"))]
    names = [c.get("config_name") for c in ours if isinstance(c, dict)]
    of_a_run = any(path.removeprefix("./").split("/")[0] in FOLDERS for path in paths)
    return bool(paths) and not of_a_run and config.get("config_name") not in names


def _paths(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [path for key, inner in value.items() if key != "split" for path in _paths(inner)]
    if isinstance(value, list):
        return [path for inner in value for path in _paths(inner)]
    return [value] if isinstance(value, str) else []


def _merge_bodies(old: str, new: str) -> str:
    before, section, after = _cut_section(new)
    if not old.strip():
        return before + section + after
    if found := _SECTION.search(old):
        return old[: found.start()] + section + old[found.end() :]
    gap = "\n" if old.endswith("\n") else "\n\n"
    return f"{old}{gap}{section}\n"


def _cut_section(body: str) -> tuple[str, str, str]:
    start, end = body.find(START), body.rfind(END)
    if start < 0 or end < start:
        return "", f"{START}\n{_defused(body).strip()}\n{END}", "\n"
    inner = _defused(body[start + len(START) : end])
    return body[:start], START + inner + END, body[end + len(END) :]


def _defused(text: str) -> str:
    """Text in which no marker stands: one that came out of the data would end the section."""
    return re.sub(r"<!--(?=\s*datamerge:)", "&lt;!--", text)
