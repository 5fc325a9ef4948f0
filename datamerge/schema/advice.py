"""What to tell someone whose source is not recognised."""

from __future__ import annotations

from difflib import SequenceMatcher

from datamerge.schema.errors import SchemaError
from datamerge.schema.overrides import Wanted
from datamerge.schema.profile import TAKES, Profile
from datamerge.schema.words import SLOTS, Slot

_SHOWN = 20


def unknown_schema(profile: Profile, wanted: Wanted, source: str) -> SchemaError:
    """The error: keys found, the nearest schema, and the override to write."""
    nearest, fields, missing = _nearest(profile, wanted)
    asked = f"type {wanted.type} does not fit" if wanted.type else "no known schema fits"
    lines = [f"source {source!r}: {asked}.", f"  found:   {_found(profile)}"]
    needs = ", ".join(f"{slot.name} ({' or '.join(slot.keys[:3])})" for slot in missing)
    lines.append(f"  nearest: {nearest}, which lacks {needs or 'records that fit'}")
    names = {slot.name: fields[slot.name] for slot in SLOTS[nearest] if slot.name in fields}
    names |= _guesses(missing, profile, set(fields.values()))
    settings = {"type": nearest} | {f"field_{slot}": key for slot, key in names.items()}
    lines += ["  say what is where, in a recipe:", *_yaml(settings), "  or in Python:"]
    said = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    return SchemaError("\n".join([*lines, f"      dm.read(..., {said})"]))


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
    """The type with the largest share of what it needs in place; text when none has any."""
    types = (
        [wanted.type] if wanted.type else [t for t in SLOTS if t not in ("datamerge", "sharegpt")]
    )
    scored = []
    for type in types:
        fields, missing = _placed(type, profile, wanted)
        scored.append((_score(type, missing, fields), type, fields, missing))
    best = max(scored, key=lambda entry: entry[0])
    if best[0] > 0 or wanted.type:
        return best[1:]
    return "text", *_placed("text", profile, wanted)


def _placed(type: str, profile: Profile, wanted: Wanted) -> tuple[dict[str, str], list[Slot]]:
    fields: dict[str, str] = {}
    missing: list[Slot] = []
    for slot in SLOTS[type]:
        key = wanted.fields.get(slot.name) or next(
            (key for key in map(profile.key, slot.keys) if _holds(profile, key, slot)), None
        )
        if key:
            fields[slot.name] = key
        elif slot.required:
            missing.append(slot)
    return fields, missing


def _holds(profile: Profile, key: str, slot: Slot) -> bool:
    fit, _, bad = profile.fits(key, TAKES[slot.takes])
    return fit > bad


def _score(type: str, missing: list[Slot], fields: dict[str, str]) -> float:
    needed = [slot.name for slot in SLOTS[type] if slot.required]
    return (len(needed) - len(missing)) / len(needed) + 0.01 * len(fields)


def _guesses(missing: list[Slot], profile: Profile, taken: set[str]) -> dict[str, str]:
    """For each missing thing the free key whose name is nearest, or whose text is longest."""
    guesses: dict[str, str] = {}
    for slot in missing:
        free = [key for key in profile.present if key not in taken]
        fitting = [key for key in free if _holds(profile, key, slot)] or free
        if not fitting:
            guesses[slot.name] = "THE_FIELD"
            continue
        guesses[slot.name] = max(fitting, key=lambda key: _likeness(key, slot, profile))
        taken = taken | {guesses[slot.name]}
    return guesses


def _likeness(key: str, slot: Slot, profile: Profile) -> tuple[float, float]:
    names = (slot.name, *slot.keys)
    alike = max(SequenceMatcher(None, str(key).lower(), name).ratio() for name in names)
    texts = [r[key] for r in profile.records if isinstance(r.get(key), str)]
    return (alike if alike >= 0.75 else 0.0), sum(map(len, texts)) / (len(texts) or 1)


def _yaml(settings: dict[str, str]) -> list[str]:
    return [f"      {name}: {_scalar(value)}" for name, value in settings.items()]


def _scalar(value: str) -> str:
    """A YAML scalar, quoted where it would be read as something else."""
    plain = value.isidentifier() and value.lower() not in ("true", "false", "null", "yes", "no")
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
