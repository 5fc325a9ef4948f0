"""Text from a data set made safe to show: escaped for HTML, what is invisible made visible."""

from __future__ import annotations

import re
from html import escape


class Markup(str):
    """HTML written here, as opposed to text from anywhere else, which must be escaped."""

    __slots__ = ()


# Control characters, soft hyphens, everything that has no width or turns the direction of
# writing, lone surrogates, private and unassigned ends of planes, the invisible tag characters.
_UNSEEN = re.compile(
    r"\r(?!\n)|"
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb"
    "\ufffe\uffff\U000e0000-\U000e0fff]+"
    # Joiners belong into emoji and into Persian and Indian words, and nowhere else.
    "|(?<![^\x00-\u02ff\u2000-\u206f])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\u02ff\u2000-\u206f])"
)


def visible(text: str) -> Markup:
    r"""HTML of a text: markup escaped, characters one cannot see as marked escapes.

    >>> visible("<b>\x00")
    '&lt;b&gt;<span class="dm-unseen">\\x00</span>'
    """
    return Markup(_UNSEEN.sub(_marked, escape(text)))


def plain(text: str) -> Markup:
    r"""The same without marks around the escapes, for where no element may stand.

    >>> plain("a\u202eb")
    'a\\u202eb'
    """
    return Markup(_UNSEEN.sub(lambda found: spelled(found[0]), escape(text)))


def unmarked(text: str) -> str:
    """Text for a terminal: no HTML, but what is unseen or steers the terminal spelled out."""
    return _UNSEEN.sub(lambda found: spelled(found[0]), text)


def short(text: str, most: int) -> str:
    """The text, or its beginning with a mark that it was cut.

    >>> short("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def bounded(text: str, most: int) -> str:
    r"""Text for a widget: its beginning, with what is unseen spelled out.

    >>> bounded("a\x00bcdef", 4)
    'a\\x00b…'
    """
    return short(unmarked(short(text, most)), 2 * most)


def one_line(text: str | None, most: int) -> str:
    r"""Text for a line of a terminal.

    >>> one_line("rain\n  again", 20)
    'rain again'
    """
    return short(unmarked(" ".join((text or "").split())), most)


def spelled(characters: str) -> str:
    """Characters as the escapes Python writes for them."""
    return "".join(_escape(ord(character)) for character in characters)


def _escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _marked(found: re.Match[str]) -> str:
    return f'<span class="dm-unseen">{spelled(found[0])}</span>'
