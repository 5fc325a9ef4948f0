"""What to tell someone whose source is not recognised."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from .errors import SchemaError
from .fit import fitting, needed
from .overrides import Wanted
from .profile import Profile, is_turns, items_of, takes
from .words import SLOTS, Slot

_SHOWN = 20
_UNTOLD = ("datamerge", "sharegpt")


def unknown_schema(profile: Profile, wanted: Wanted, source: str) -> SchemaError:
    """The error: keys found, the nearest schema, and the override to write."""
    asked = f"type {wanted.type} does not fit" if wanted.type else "no known schema fits"
    lines = [f"source {source!r}: {asked}.", f"  found:   {_found(profile)}"]
    if not profile.present:
        return SchemaError("\n".join([*lines, "  a record is an object, a text or a chat"]))
    nearest, fields, missing = _nearest(profile, wanted)
    lines.append(f"  nearest: {nearest}, {_lack(nearest, fields, missing, profile, wanted)}")
    fields |= _guesses(missing, profile, set(fields.values()))
    named = {
        f"field_{slot.name}": fields[slot.name] for slot in SLOTS[nearest] if slot.name in fields
    }
    settings: dict[str, Any] = {"type": nearest, **named}
    if nearest in ("messages", "sharegpt"):
        settings.update(_mapping(profile, fields["messages"]))
    return SchemaError("\n".join([*lines, *_override(settings)]))


def check_messages(profile: Profile, field: str, wanted: Wanted, source: str) -> None:
    """The messages must have a role and a content under a name we know or were told."""
    values = [record[field] for record in profile.records if record.get(field) is not None]
    if not values or any(is_turns(value, wanted.properties) for value in values):
        return
    keys = sorted({str(key) for value in values for item in items_of(value)[:4] for key in item})
    settings: dict[str, Any] = {"field_messages": field, **_mapping(profile, field)}
    found = f"messages with {', '.join(map(_safe, keys[:_SHOWN]))}" if keys else "no messages"
    lines = [f"source {source!r}: {field} holds {found}: which are role and content?"]
    raise SchemaError("\n".join([*lines, *_override(settings)]))


def _found(profile: Profile) -> str:
    """Each key, in how many of the sampled records, and what it holds."""
    if not profile.present:
        return f"{profile.size} records, none of them an object with fields"
    shown = profile.present.most_common(_SHOWN)
    keys = [f"{_safe(key)} ({count}, {profile.kinds(key)})" for key, count in shown]
    more = len(profile.present) - len(shown)
    more_keys = f" and {more} more" if more else ""
    return f"{', '.join(keys)}{more_keys}; in {profile.size} records sampled"


def _safe(key: object) -> str:
    text = str(key)
    return text if text.isprintable() and len(text) <= 60 else ascii(text[:60])


def _nearest(profile: Profile, wanted: Wanted) -> tuple[str, dict[str, str], list[Slot]]:
    """The type with the largest share of what it needs in place; else by what values look like."""
    types = [wanted.type] if wanted.type else [type for type in SLOTS if type not in _UNTOLD]
    placed = {type: _placed(type, profile, wanted) for type in types}
    best = max(placed, key=lambda type: _score(type, *placed[type]))
    if not wanted.type and _score(best, *placed[best]) < 0.1:
        best = (
            "messages" if any(_lists_objects(profile, key) for key in profile.present) else "text"
        )
    return best, *placed[best]


def _lists_objects(profile: Profile, key: str) -> bool:
    return any(items_of(record.get(key)) for record in profile.records)


def _placed(type: str, profile: Profile, wanted: Wanted) -> tuple[dict[str, str], list[Slot]]:
    """What the type needs or may have: where it is, and what is missing."""
    fields: dict[str, str] = {}
    missing: list[Slot] = []
    must = needed(type, profile, wanted)
    for slot in SLOTS[type]:
        keys = (key for key in map(profile.key, slot.keys) if _holds(profile, key, slot))
        key = wanted.fields.get(slot.name) or next(keys, None)
        if key:
            fields[slot.name] = key
        elif slot.name in must:
            missing.append(slot)
    return fields, missing


def _holds(profile: Profile, key: str, slot: Slot) -> bool:
    fit, _, bad = profile.fits(key, takes(slot.takes))
    return fit > bad


def _score(type: str, fields: Mapping[str, str], missing: list[Slot]) -> float:
    count = sum(slot.required for slot in SLOTS[type])
    return (count - len(missing)) / count + 0.01 * len(fields)


def _lack(
    type: str, fields: dict[str, str], missing: list[Slot], profile: Profile, wanted: Wanted
) -> str:
    if missing:
        needs = (f"{slot.name} ({' or '.join(slot.keys[:3])})" for slot in missing)
        return f"which lacks {', '.join(needs)}"
    count = fitting(type, fields, profile, wanted)
    return (
        f"which only {count} of {profile.size} records fit (said below, the others are set aside)"
    )


def _guesses(missing: list[Slot], profile: Profile, taken: set[str]) -> dict[str, str]:
    """For each missing thing the free key whose name is nearest, or whose text is longest."""
    guesses: dict[str, str] = {}
    for slot in missing:
        free = [key for key in profile.present if key not in taken]
        fitting_keys = [key for key in free if _could_hold(profile, key, slot)] or free
        if not fitting_keys:
            guesses[slot.name] = "THE_FIELD"
            continue
        guesses[slot.name] = max(fitting_keys, key=lambda key: _likeness(key, slot, profile))
        taken = taken | {guesses[slot.name]}
    return guesses


def _could_hold(profile: Profile, key: str, slot: Slot) -> bool:
    return _lists_objects(profile, key) if slot.takes == "turns" else _holds(profile, key, slot)


def _likeness(key: str, slot: Slot, profile: Profile) -> tuple[float, float]:
    names = (slot.name, *slot.keys)
    alike = max(SequenceMatcher(None, str(key).lower(), name).ratio() for name in names)
    texts = [r[key] for r in profile.records if isinstance(r.get(key), str)]
    return (alike if alike >= 0.75 else 0.0), sum(map(len, texts)) / (len(texts) or 1)


def _mapping(profile: Profile, field: str) -> dict[str, dict[str, str]]:
    """Which keys of the messages look like role (few words) and content (long texts)."""
    items = [item for record in profile.records for item in items_of(record.get(field))]
    texts: dict[str, list[str]] = {}
    for item in items:
        for key, value in item.items():
            if isinstance(value, str):
                texts.setdefault(str(key), []).append(value)
    if len(texts) < 2:
        return {}
    content = max(texts, key=lambda key: sum(map(len, texts[key])))
    others = [key for key in texts if key != content]
    role = min(others, key=lambda key: len(set(texts[key])) / len(texts[key]))
    return {"message_property_mappings": {"role": role, "content": content}}


def _override(settings: dict[str, Any]) -> list[str]:
    """The lines of YAML and of Python to write."""
    said = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    return [
        "  say what is where, in a recipe:",
        *(f"      {name}: {_scalar(value)}" for name, value in settings.items()),
        "  or in Python:",
        f"      dm.read(..., {said})",
    ]


def _scalar(value: Any) -> str:
    """A YAML value, quoted where it would be read as something else."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_scalar(item)}" for key, item in value.items()) + "}"
    plain = value.isidentifier() and value.lower() not in ("true", "false", "null", "yes", "no")
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
