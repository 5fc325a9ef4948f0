"""`meta`: every other field of a record, as one JSON object."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from .errors import RecordError, expected

_LONG_NUMBER = re.compile(r"\d{19}")
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def leftovers(used: Iterable[str | None]) -> Callable[[dict[str, Any]], str]:
    """A function from a record to the JSON of its fields that are not in `used`."""
    taken = frozenset(name for name in used if name)

    def rest(record: dict[str, Any]) -> str:
        others = {key: value for key, value in record.items() if key not in taken}
        return dump(others) if others else "{}"

    return rest


def dump(value: Mapping[str, Any]) -> str:
    """JSON of a mapping, in its own order.

    Dates become ISO text, decimals text, bytes base64; NaN becomes null.
    """
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS).decode()
    except TypeError as error:
        return _dump_slowly(value, error)


def _dump_slowly(value: Mapping[str, Any], error: TypeError) -> str:
    """JSON where orjson gives up: integers past 64 bits are kept, the rest is said."""
    try:
        if "64-bit" in str(error):
            text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
            text.encode()
            return text
        return orjson.dumps(
            value, default=_plain, option=_OPTIONS | orjson.OPT_NON_STR_KEYS
        ).decode()
    except (TypeError, ValueError, RecursionError) as second:
        raise RecordError(f"{_culprit(value)} cannot be kept as JSON: {second}") from second


def _culprit(value: Mapping[str, Any]) -> str:
    """Name the first field that does not serialise."""
    for key, item in value.items():
        try:
            orjson.dumps(item, default=_plain, option=_OPTIONS | orjson.OPT_NON_STR_KEYS)
        except TypeError:
            return ascii(key)[1:-1]
    return "the record"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (set, frozenset)):
        raise TypeError(f"{type(value).__name__} has no order")
    if hasattr(value, "tolist"):
        return value.tolist()
    if type(value).__module__ in ("decimal", "datetime", "uuid", "pandas"):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, type(None))) else _plain(value)


def load(text: Any, where: str = "meta") -> dict[str, Any]:
    """The mapping in a JSON object; empty for null. Long integers stay integers."""
    if text is None or isinstance(text, float) or text == "{}":
        return {}
    if isinstance(text, dict):
        return dict(text)
    value = load_json(text, where)
    if not isinstance(value, dict):
        raise expected(where, value, "object")
    return value


def load_json(text: Any, where: str) -> Any:
    """Whatever JSON a field holds, or an error that names the field."""
    try:
        return json.loads(text) if _LONG_NUMBER.search(text) else orjson.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise RecordError(f"{where} is no JSON: {error}", field=where) from error


def spare(taken: Mapping[str, Any], name: str) -> str:
    """`name`, or `name_`, `name__`, ... where a record has a field of that name already."""
    while name in taken:
        name += "_"
    return name
