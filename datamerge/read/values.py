"""One JSON value from its bytes: what orjson will not, or not exactly, read."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

from .records import Broken

BOM = b"\xef\xbb\xbf"
SPACE = b" \t\r\n"

_LONG = re.compile(rb"-[0-9]{19,}|[0-9]{20,}")
_STRIDE = 6


def long_numbers(data: bytes) -> list[int]:
    """Where digits stand that may be an integer past 64 bits, which orjson would round.

    Among every sixth byte, three in a row are digits wherever 19 digits stand in a row: only
    there it is worth to look.
    """
    digit = (np.frombuffer(data, np.uint8)[::_STRIDE] - ord("0")) < 10
    three = np.zeros(len(digit) + 1, np.int8)
    three[:-3] = digit[:-2] & digit[1:-1] & digit[2:] if len(digit) > 2 else 0
    edges = np.diff(three, prepend=np.int8(0))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    found = []
    for begin, end in zip((begins * _STRIDE).tolist(), (ends * _STRIDE).tolist(), strict=True):
        around = _LONG.finditer(data, max(begin - 7, 0), end + 20)
        found += [match.start() for match in around]
    return found


def parse(data: bytes) -> Any:
    """The value as the standard library reads it, or a Broken that says what is wrong with it.

    Integers of any size, NaN and infinity are welcome.
    """
    try:
        value = json.loads(data.decode("utf-8"), parse_float=_finite)
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except UnicodeDecodeError as error:
        return Broken(f"invalid UTF-8 at byte {error.start}: {error.reason}")
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        return Broken(f"invalid JSON: a lone surrogate U+{code:04X} is no text")
    except json.JSONDecodeError as error:
        return Broken(f"invalid JSON at character {error.pos}: {error.msg}")
    except RecursionError:
        return Broken("invalid JSON: nested too deep")
    except ValueError as error:
        return Broken(f"invalid JSON: {error}")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value
