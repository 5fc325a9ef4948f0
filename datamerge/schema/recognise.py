"""Which schema a source has, from a sample of its records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .advice import check_messages, unknown_schema
from .definition import Schema, usual_properties
from .errors import SchemaError
from .fit import any_chats, fitting, resolve
from .overrides import Wanted, did_you_mean, read_overrides
from .profile import Profile, items_of
from .words import CONTENT_KEYS, ROLE_KEYS, SLOTS

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
    if type in _CHATS:
        check_messages(profile, fields["messages"], wanted, source)
    return _described(type, fields, profile, wanted)


def _usual(wanted: Wanted) -> Schema:
    """Nothing to go by: the usual names of the type asked for."""
    schema = Schema.usual(wanted.type or _type_with(wanted))
    return replace(
        schema,
        fields=tuple((dict(schema.fields) | wanted.fields).items()),
        properties=tuple((dict(schema.properties) | wanted.properties).items()),
        roles=wanted.roles,
        which=wanted.which,
    )


def _type_with(wanted: Wanted) -> str:
    """The first type that has all the fields the user named; chats where none was."""
    if not wanted.fields:
        return "messages"
    return next((type for type in _ORDER if _has_slots(type, wanted)), "messages")


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
            if not _has_slots(type, wanted) or (type == "datamerge" and not _has_rows(profile)):
                continue
            fields = resolve(type, profile, wanted, nulls=nulls)
            if fields and (
                wanted.type or 2 * fitting(type, fields, profile, wanted) >= profile.size
            ):
                return type, fields
        if wanted.type in (None, *_CHATS) and not wanted.fields:
            chats = any_chats(profile, wanted)
            if chats:
                return wanted.type or "messages", chats
    return None


def _has_rows(profile: Profile) -> bool:
    """Our own output has one of these; in another schema it has id, source and meta too."""
    return bool({"messages", "text"} & set(profile.present))


def _described(type: str, fields: dict[str, str], profile: Profile, wanted: Wanted) -> Schema:
    """The schema, with the keys its messages have."""
    properties = dict(usual_properties(type))
    if "messages" in fields and type in _CHATS:
        properties |= message_keys(profile, fields["messages"])
        if not wanted.type and properties["role"] == "from":
            type = "sharegpt"
    if type == "datamerge":
        content = ("messages", "text")
        fields = {k: v for k, v in fields.items() if k not in content or v in profile.present}
    return Schema(
        type,
        tuple(fields.items()),
        tuple((properties | wanted.properties).items()),
        wanted.roles,
        wanted.which,
    )


def message_keys(profile: Profile, field: str) -> dict[str, str]:
    """Where most messages of the sample keep role and content."""
    items = [item for record in profile.records for item in items_of(record.get(field))]
    seen = Counter(key for item in items for key, value in item.items() if value is not None)
    role = max(ROLE_KEYS, key=seen.__getitem__)
    content = max((key for key in CONTENT_KEYS if key != role), key=seen.__getitem__)
    return {"role": role, "content": content} if seen[role] and seen[content] else {}
