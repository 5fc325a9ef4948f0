"""How well a sample fits a schema, and which field holds what."""

from __future__ import annotations

from typing import Any

from .overrides import Wanted
from .profile import Profile, is_messages, takes
from .transcript import is_transcript
from .words import SLOTS, Slot


def needed(type: str, profile: Profile, wanted: Wanted) -> set[str]:
    """What records of a type must have. Bare strings to choose from need their prompt."""
    names = {slot.name for slot in SLOTS[type] if slot.required}
    if type == "preference":
        key = wanted.fields.get("chosen", profile.key("chosen"))
        fit, _, bad = profile.fits(key, _is_bare)
        names |= {"prompt"} if fit > bad else set()
    return names


def _is_bare(side: Any) -> bool:
    return isinstance(side, str) and not is_transcript(side)


def resolve(
    type: str, profile: Profile, wanted: Wanted, *, nulls: bool = False
) -> dict[str, str] | None:
    """Which field holds what, or None where something needed is missing.

    `nulls` takes fields that are null throughout: a table without rows has columns still.
    """
    fields: dict[str, str] = {}
    must = needed(type, profile, wanted)
    for slot in SLOTS[type]:
        if slot.name in wanted.fields:
            fields[slot.name] = wanted.fields[slot.name]
            continue
        key = _find(slot, profile, wanted, nulls, set(fields.values()))
        if key is None and slot.name in must:
            return None
        # What may be missing goes by its usual name, for records to come.
        key = key or _usual(slot, profile, wanted, set(fields.values()))
        if key is not None:
            fields[slot.name] = key
    if type == "datamerge" and not fields.keys() & {"messages", "text"}:
        return None
    return fields


def _find(slot: Slot, profile: Profile, wanted: Wanted, nulls: bool, taken: set[str]) -> str | None:
    """The sample's key for a slot."""
    taken = taken | set(wanted.fields.values())
    test = takes(slot.takes, wanted.properties)
    for name in slot.keys:
        key = profile.key(name)
        fit, null, bad = profile.fits(key, test)
        if key not in taken and fit >= bad and (fit or (nulls and null)):
            return key
    return None


def _usual(slot: Slot, profile: Profile, wanted: Wanted, taken: set[str]) -> str | None:
    usual = slot.keys[0]
    bad = profile.fits(usual, takes(slot.takes, wanted.properties))[2]
    return None if bad or usual in taken or usual in wanted.fields.values() else usual


def fitting(type: str, fields: dict[str, str], profile: Profile, wanted: Wanted) -> int:
    """How many records of the sample have everything the type needs."""
    must = needed(type, profile, wanted)
    tests = [
        (fields[slot.name], takes(slot.takes, wanted.properties))
        for slot in SLOTS[type]
        if slot.name in must
    ]
    if type == "datamerge":
        tests.append((fields["meta"], lambda value: str(value).lstrip()[:1] == "{"))
    return sum(
        all(key in record and (record[key] is None or test(record[key])) for key, test in tests)
        for record in profile.records
    )


def any_chats(profile: Profile, wanted: Wanted) -> dict[str, str] | None:
    """A list of messages under a name of its own."""
    for key in profile.present:
        fit, null, _ = profile.fits(key, lambda value: is_messages(value, wanted.properties))
        if fit and 2 * (fit + null) >= profile.size:
            return {"messages": key, "system": "system", "tools": "tools"}
    return None
