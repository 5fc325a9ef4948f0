"""Two rows side by side: what they say, word by word, and which words only one of them has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from ..html.escape import bounded, short, unmarked

Token = tuple[str, str]  # "role" and its name, or "word" and a word, a blank, a sign
Piece = tuple[str, str]  # "same", "only", "role" or "hidden", and what is shown

MOST_TOKENS = 1_500  # compared; a longer stretch is cut
MOST_CHARACTERS = 12_000  # shown of a side
AROUND = 120  # tokens shown of what both begin or end with
_HAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # scripts without blanks between words
_TOKEN = re.compile(rf"[{_HAN}]|(?:[^\W{_HAN}]|['’])+|\s+|[^\w\s]")

Said = Sequence[tuple[str | None, str]]  # turns: who speaks, and what


def tokens(said: Said) -> list[Token]:
    """Roles and words. Of scripts without blanks each character is a word.

    >>> tokens([("user", "Hi, you")])
    [('role', 'user'), ('word', 'Hi'), ('word', ','), ('word', ' '), ('word', 'you')]
    """
    found: list[Token] = []
    for role, content in said:
        if role is not None:
            found.append(("role", role))
        found += [("word", word) for word in _TOKEN.findall(content)]
    return found


def beside(one: Said, other: Said) -> tuple[list[Piece], list[Piece]]:
    """Both sides in pieces: what they share, and what only one has.

    >>> beside([(None, "a red cat")], [(None, "a cat")])
    ([('same', 'a '), ('only', 'red '), ('same', 'cat')], [('same', 'a cat')])
    """
    left, right = tokens(one), tokens(other)
    first = _shared(zip(left, right, strict=False))
    least = min(len(left), len(right)) - first
    last = min(_shared(zip(reversed(left), reversed(right), strict=False)), least)
    marks = _compared(left[first : len(left) - last], right[first : len(right) - last])
    return (
        _pieces(left, first, last, marks[0]),
        _pieces(right, first, last, marks[1]),
    )


def alone(said: Said) -> list[Piece]:
    """One side with nothing to compare it to."""
    every = tokens(said)
    return _pieces(every, len(every), 0, [])


def _shared(pairs: Iterable[tuple[Token, Token]]) -> int:
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count


def _compared(left: list[Token], right: list[Token]) -> tuple[list[bool], list[bool]]:
    """For each token of the middles whether only its own side has it; of long ones the start."""
    left, right = left[:MOST_TOKENS], right[:MOST_TOKENS]
    only = [True] * len(left), [True] * len(right)
    # What stands everywhere is no anchor: without that, hostile texts take minutes.
    matcher = SequenceMatcher(None, left, right, autojunk=True)
    for block in matcher.get_matching_blocks():
        if all(kind == "word" and text.isspace()
               for kind, text in left[block.a : block.a + block.size]):  # fmt: skip
            continue  # a blank between two changed words is changed with them
        only[0][block.a : block.a + block.size] = [False] * block.size
        only[1][block.b : block.b + block.size] = [False] * block.size
    return only


def _pieces(every: list[Token], first: int, last: int, only: list[bool]) -> list[Piece]:
    """Tokens as pieces; what lies far from any difference, or behind the limit, is hidden."""
    shown: list[Piece] = []
    # Where nothing differs, the beginning is shown; otherwise what stands around the middle.
    skipped = 0 if first + last >= len(every) and not only else max(first - AROUND, 0)
    _hide(shown, every[:skipped])
    room, at = MOST_CHARACTERS, skipped
    end = min(first + len(only) + AROUND, len(every)) if only or last else len(every)
    while at < end and room > 0:
        kind, text = every[at][0], every[at][1][:room]
        room -= len(text)
        if kind != "role":
            kind = "only" if at >= first and any(only[at - first : at - first + 1]) else "same"
        _add(shown, kind, text)
        at += 1
    _hide(shown, every[at:])
    return [(kind, _visible(text)) for kind, text in shown]


def _add(shown: list[Piece], kind: str, text: str) -> None:
    if shown and kind != "role" and shown[-1][0] == kind:
        shown[-1] = (kind, shown[-1][1] + text)
    else:
        shown.append((kind, text))


def _hide(shown: list[Piece], hidden: list[Token]) -> None:
    count = sum(len(text) for kind, text in hidden if kind == "word")
    if count:
        shown.append(("hidden", f"{count:,}"))


def _visible(text: str) -> str:
    return short(unmarked(text), 2 * MOST_CHARACTERS)


def excerpt(said: Said, most: int = 140) -> str:
    """The beginning of what a row says, in one line; the user's words if there are some."""
    turns = [content for role, content in said if role == "user"] or [c for _, c in said]
    line = " ".join(" ".join(turns)[: 4 * most].split())
    return bounded(line, most)
