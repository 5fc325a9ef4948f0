"""What a user says about a source, in the words of trainers' configurations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from .definition import Side
from .errors import SchemaError
from .words import CANONICAL, SLOTS, TYPE_OF

SLOT_NAMES = tuple(dict.fromkeys(slot.name for slots in SLOTS.values() for slot in slots))
FIELD_OVERRIDES = {f"field_{name}": name for name in SLOT_NAMES if name not in ("id", "source")} | {
    "field": "text",
    "field_response": "output",
}
OVERRIDES = (
    *("type", "roles", "which", "message_property_mappings"),
    *("message_field_role", "message_field_content"),
    *FIELD_OVERRIDES,
)


@dataclass
class Wanted:
    """Overrides, checked and in one form."""

    type: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    roles: tuple[tuple[str, str], ...] = ()
    which: Side = "chosen"


def read_overrides(overrides: Mapping[str, Any], source: str) -> Wanted:
    """Check overrides, so that a wrong one is an error before any record is read."""
    wanted = Wanted()
    for name, value in overrides.items():
        if value is None:
            continue
        if name == "type":
            wanted.type = _type(value, source)
        elif name == "which":
            wanted.which = _side(value, source)
        elif name == "roles":
            wanted.roles = tuple(sorted(_roles(value, source).items()))
        elif name == "message_property_mappings":
            wanted.properties |= _names(name, value, source)
        elif name in ("message_field_role", "message_field_content"):
            wanted.properties[name.removeprefix("message_field_")] = _name(name, value, source)
        elif name in FIELD_OVERRIDES:
            wanted.fields[FIELD_OVERRIDES[name]] = _name(name, value, source)
        else:
            raise SchemaError(
                f"source {source!r}: no override {name!r}{did_you_mean(name, OVERRIDES)}"
            )
    if wanted.type:
        _fit(wanted, source)
    return wanted


def did_you_mean(word: object, known: Any) -> str:
    """A hint at the nearest known word, or the known words."""
    close = get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known))}"


def _type(value: Any, source: str) -> str:
    word = str(value).strip().lower()
    if word in TYPE_OF:
        return TYPE_OF[word]
    raise SchemaError(f"source {source!r}: no type {value!r}{did_you_mean(word, TYPE_OF)}")


def _side(value: Any, source: str) -> Side:
    if value == "chosen":
        return "chosen"
    if value == "rejected":
        return "rejected"
    raise SchemaError(f"source {source!r}: which is {value!r}; it is 'chosen' or 'rejected'")


def _name(name: str, value: Any, source: str) -> str:
    if isinstance(value, str) and value:
        return value
    raise SchemaError(f"source {source!r}: {name} is {value!r}; it is the name of a field")


def _names(name: str, value: Any, source: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise SchemaError(f"source {source!r}: {name} is a mapping such as {{role: from}}")
    return {str(key): _name(f"{name}.{key}", item, source) for key, item in value.items()}


def _roles(value: Any, source: str) -> dict[str, str]:
    """A mapping from the source's words to roles; trainers write it in both directions."""
    if not isinstance(value, Mapping):
        raise SchemaError(
            f"source {source!r}: roles is a mapping such as {{assistant: [gpt, model]}}"
        )
    roles: dict[str, str] = {}
    for key, item in value.items():
        if isinstance(item, (list, tuple)):
            roles |= {_name("roles", word, source): str(key) for word in item}
        elif key in CANONICAL and item not in CANONICAL:
            roles[_name("roles", item, source)] = key
        else:
            roles[str(key)] = _name("roles", item, source)
    return roles


_SAME = {
    "output": ("answer", "completion"),
    "instruction": ("prompt", "question"),
    "input": ("prompt",),
    "prompt": ("question", "instruction"),
    "completion": ("answer", "output"),
    "question": ("prompt", "instruction"),
    "answer": ("completion", "output"),
}


def _fit(wanted: Wanted, source: str) -> None:
    """Call the fields by the names the wanted type has for them."""
    slots = [slot.name for slot in SLOTS[wanted.type or ""]]
    for name, key in list(wanted.fields.items()):
        if name in slots:
            continue
        same = next((s for s in _SAME.get(name, ()) if s in slots and s not in wanted.fields), None)
        if same is None:
            known = ", ".join(f"field_{slot}" for slot in slots)
            raise SchemaError(
                f"source {source!r}: type {wanted.type} has no field_{name}; it has {known}"
            )
        del wanted.fields[name]
        wanted.fields[same] = key
