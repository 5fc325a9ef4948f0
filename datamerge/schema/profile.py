"""What the records of a sample hold, key by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .errors import RecordError, kind_of
from .meta import load_json
from .transcript import looks_like_transcript
from .words import CONTENT_KEYS, ROLE_KEYS, Takes


class Profile:
    """A bounded sample of one source's records, and questions about its keys."""

    def __init__(self, records: Sequence[Any]) -> None:
        self.size = len(records)
        self.records = [_as_record(record) for record in records]
        self.present = Counter(key for record in self.records for key in record)
        self.spelled = {_folded(key): key for key in reversed(list(self.present))}

    def key(self, name: str) -> str:
        """The sample's own spelling of a name: `Question` for `question`."""
        return name if name in self.present else self.spelled.get(name, name)

    def kinds(self, key: str) -> str:
        """The kinds of value a key has, the most frequent first."""
        kinds = Counter(kind_of(record[key]) for record in self.records if key in record)
        return " or ".join(kind for kind, _ in kinds.most_common(3))

    def fits(self, key: str, test: Callable[[Any], bool]) -> tuple[int, int, int]:
        """How many values fit, are null, and do not fit."""
        fit = null = bad = 0
        for record in self.records:
            if key in record:
                value = record[key]
                null += value is None
                fit += value is not None and test(value)
                bad += value is not None and not test(value)
        return fit, null, bad


def _folded(key: Any) -> str:
    return str(key).strip().lower().replace(" ", "_").replace("-", "_")


def _as_record(record: Any) -> dict[str, Any]:
    """A bare string counts as a document, a bare list of messages as a chat."""
    if isinstance(record, dict):
        return record
    if isinstance(record, str):
        return {"text": record}
    return {"messages": record} if is_turns(record) else {}


def _listed(value: Any) -> Any:
    """A list, also from an array or from JSON in a string; None for anything else."""
    if isinstance(value, str):
        if value.lstrip()[:1] != "[":
            return None
        try:
            value = load_json(value, "")
        except RecordError:
            return None
    if hasattr(value, "tolist"):
        value = value.tolist()
    return list(value) if isinstance(value, (list, tuple)) else None


def items_of(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none where the value is no list."""
    return [item for item in _listed(value) or () if isinstance(item, dict)]


def is_messages(value: Any, own: Mapping[str, str] | None = None) -> bool:
    """A list of messages with a role and a content each; `own` are a source's keys for them."""
    items = _listed(value)
    own = own or {}
    roles = (own.get("role"), *ROLE_KEYS)
    contents = (own.get("content"), *CONTENT_KEYS)
    return items is not None and all(
        isinstance(item, dict)
        and any(key in item for key in roles)
        and any(key in item for key in contents)
        for item in items[:4]
    )


def is_turns(value: Any, own: Mapping[str, str] | None = None) -> bool:
    """Messages, bare strings by turns, or a transcript."""
    if isinstance(value, str) and looks_like_transcript(value):
        return True
    items = _listed(value)
    if not items:
        return items is not None
    return is_messages(items, own) or all(isinstance(item, str) for item in items)


def _is_instances(value: Any) -> bool:
    items = _listed(value)
    return items is not None and all(
        isinstance(item, dict) and "output" in item for item in items[:4]
    )


def takes(kind: Takes, own: Mapping[str, str] | None = None) -> Callable[[Any], bool]:
    """The test of whether a value is what a slot takes."""
    tests: dict[Takes, Callable[[Any], bool]] = {
        "string": lambda value: isinstance(value, str),
        "turns": lambda value: is_turns(value, own),
        "prompt": lambda value: isinstance(value, (str, dict)) or is_messages(value, own),
        "instances": _is_instances,
        "history": lambda value: _listed(value) is not None,
        "object": lambda value: True,
    }
    return tests[kind]
