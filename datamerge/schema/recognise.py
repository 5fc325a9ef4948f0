"""Which schema a source has, from a sample of its records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from datamerge.schema.advice import unknown_schema
from datamerge.schema.definition import Schema, usual_properties
from datamerge.schema.errors import SchemaError
from datamerge.schema.overrides import Wanted, did_you_mean, read_overrides
from datamerge.schema.profile import TAKES, Profile, is_messages
from datamerge.schema.words import CONTENT_KEYS, ROLE_KEYS, SLOTS, Slot

# ShareGPT is told from messages by its keys, after its list has been found.
_ORDER = tuple(type for type in SLOTS if type != "sharegpt")
_CHATS = ("messages", "sharegpt")


def recognise(records: Sequence[Any], *, source: str, **overrides: Any) -> Schema:
    """Recognise the schema of one source.

    Parameters
    ----------
    records : sequence
        Some of the source's records, as parsed from JSON. Odd ones among them do no harm: a
        schema is taken when at least half of them have what it needs. An empty sample gives
        the type asked for, or `messages`, with its usual names.
    source : str
        The source's name, for errors.
    **overrides
        What the user says: `type`, `field_messages`, `field_instruction` and the other
        `field_*`, `message_property_mappings`, `roles`, `which`.

    Returns
    -------
    Schema

    Raises
    ------
    SchemaError
        Nothing known fits: says the keys found, the nearest schema and the override to
        write. Or an override is wrong.

    Examples
    --------
    >>> recognise([{"instruction": "Add.", "input": "2, 2", "response": "4"}], source="s").type
    'alpaca'
    >>> recognise([{"summary": "A tool."}], source="s", field_text="summary").kind
    'text'
    """
    wanted = read_overrides(overrides, source)
    profile = Profile(records)
    if not any(profile.records):
        if profile.size and not wanted.type:
            raise unknown_schema(profile, wanted, source)
        return _usual(wanted)
    _check_named(profile, wanted, source)
    found = _best(profile, wanted)
    if found is None:
        raise unknown_schema(profile, wanted, source)
    type, fields = found
    return _described(type, fields, profile, wanted)


def _usual(wanted: Wanted) -> Schema:
    """Nothing to go by: the usual names of the type asked for."""
    schema = Schema.usual(wanted.type or _type_with(wanted) or "messages")
    return replace(
        schema,
        fields=tuple((dict(schema.fields) | wanted.fields).items()),
        properties=tuple((dict(schema.properties) | wanted.properties).items()),
        roles=wanted.roles,
        which=wanted.which,
    )


def _type_with(wanted: Wanted) -> str | None:
    """The first type that has all the fields the user named."""
    return next((type for type in _ORDER if _has_slots(type, wanted)), None)


def _has_slots(type: str, wanted: Wanted) -> bool:
    return wanted.fields.keys() <= {slot.name for slot in SLOTS[type]}


def _check_named(profile: Profile, wanted: Wanted, source: str) -> None:
    """A field the user named must be there."""
    for name, key in wanted.fields.items():
        if key not in profile.present:
            raise SchemaError(
                f"source {source!r}: field_{name} is {key!r}, and no record of the sample has it"
                f"{did_you_mean(key, profile.present)}"
            )


def _best(profile: Profile, wanted: Wanted) -> tuple[str, dict[str, str]] | None:
    """The first type that most records fit; with a type asked for, that one."""
    types = (wanted.type,) if wanted.type else _ORDER
    for nulls in (False, True):
        for type in types:
            if not _has_slots(type, wanted):
                continue
            fields = resolve(type, profile, wanted, nulls=nulls)
            if fields and (wanted.type or _share(type, fields, profile) >= 0.5):
                return type, fields
        if not wanted.type and not wanted.fields and (chats := _any_chats(profile)):
            return "messages", chats
    return None


def resolve(
    type: str, profile: Profile, wanted: Wanted, *, nulls: bool = False
) -> dict[str, str] | None:
    """Which field holds what, or None where something needed is missing.

    `nulls` takes fields that are null throughout: a table without rows has columns still.
    """
    fields: dict[str, str] = {}
    for slot in SLOTS[type]:
        if slot.name in wanted.fields:
            fields[slot.name] = wanted.fields[slot.name]
            continue
        key = _find(slot, profile, nulls, set(fields.values()) | set(wanted.fields.values()))
        if key is None and slot.required:
            return None
        if key is not None:
            fields[slot.name] = key
    if type == "datamerge" and not fields.keys() & {"messages", "text"}:
        return None
    return fields


def _find(slot: Slot, profile: Profile, nulls: bool, taken: set[str]) -> str | None:
    """The key for a slot. One that may be missing has its usual key, for records to come."""
    for name in slot.keys:
        key = profile.key(name)
        fit, null, bad = profile.fits(key, TAKES[slot.takes])
        if key not in taken and fit >= bad and (fit or (nulls and null)):
            return key
    usual = slot.keys[0]
    if slot.required or (usual in profile.present and profile.fits(usual, TAKES[slot.takes])[2]):
        return None
    return None if usual in taken else usual


def _share(type: str, fields: dict[str, str], profile: Profile) -> float:
    """The share of the sample that has everything the type needs."""
    needed = [(fields[slot.name], TAKES[slot.takes]) for slot in SLOTS[type] if slot.required]
    if type == "datamerge":
        needed.append((fields["meta"], lambda value: str(value).lstrip()[:1] == "{"))
    fitting = sum(
        all(key in record and (record[key] is None or takes(record[key])) for key, takes in needed)
        for record in profile.records
    )
    return fitting / profile.size


def _any_chats(profile: Profile) -> dict[str, str] | None:
    """A list of messages under a name of its own."""
    for key, count in profile.present.items():
        fit, null, _ = profile.fits(key, is_messages)
        if fit and 2 * (fit + null) >= profile.size and count:
            return {"messages": key, "system": "system", "tools": "tools"}
    return None


def _described(type: str, fields: dict[str, str], profile: Profile, wanted: Wanted) -> Schema:
    """The schema, with the keys its messages have."""
    properties = dict(usual_properties(type))
    if "messages" in fields and type in _CHATS:
        properties = message_keys(profile, fields["messages"]) or properties
        if not wanted.type and properties["role"] == "from":
            type = "sharegpt"
    if type == "datamerge":
        seen = {"messages", "text"} & profile.present.keys()
        fields = {k: v for k, v in fields.items() if k in seen or k not in ("messages", "text")}
    return Schema(
        type,
        tuple(fields.items()),
        tuple((properties | wanted.properties).items()),
        wanted.roles,
        wanted.which,
    )


def message_keys(profile: Profile, field: str) -> dict[str, str] | None:
    """Where most messages of the sample keep role and content."""
    items = [
        item
        for record in profile.records
        if isinstance(record.get(field), list)
        for item in record[field]
        if isinstance(item, dict)
    ]
    if not items:
        return None
    role = max(ROLE_KEYS, key=lambda key: sum(item.get(key) is not None for item in items))
    others = [key for key in CONTENT_KEYS if key != role]
    content = max(others, key=lambda key: sum(item.get(key) is not None for item in items))
    return {"role": role, "content": content}
