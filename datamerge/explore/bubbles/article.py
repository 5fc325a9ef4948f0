"""A row's small dict as HTML: turns as bubbles, documents folded, the witness beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..html.escape import Markup
from ..html.markup import Attribute, folded, heading, joined, tag
from .entry import entry
from .pieces import Piece

FOLD = 1_000  # characters of a turn or document that stand open; the rest is one click away
ROLES = {"system", "user", "assistant", "tool"}

Numbers = Mapping[str, int]


def article(row: Mapping[str, Any], most: int, sources: Numbers, reasons: Numbers) -> Markup:
    """A row in no more than about ``most`` bytes, however it resists."""
    characters = min(most, 24_000)
    numbers: dict[str, Attribute] = {
        "data_source": sources.get(str(row.get("source")), 0),
        "data_reason": reasons.get(str(row.get("drop_reason")), 0),
    }
    while characters > 16:
        made = _article(entry(row, characters), numbers)
        if len(made.encode()) <= most:
            return made
        characters //= 2
    note = _note("this row has too many fields to be shown")
    return tag("article", note, class_="dm-row", **numbers)


def _article(shown: Mapping[str, Any], numbers: Mapping[str, Attribute]) -> Markup:
    body = [_turn(turn) for turn in shown["turns"]]
    if shown["skipped"]:
        body.append(_note(f"{shown['skipped']:,} more turns are not shown"))
    if shown["document"] is not None:
        body.append(tag("div", *_text(shown["document"]), class_="dm-document", dir="auto"))
    if not body:
        body.append(_note("neither a chat nor a text"))
    return tag(
        "article",
        tag("hr"),  # not seen where there is a style
        _heading(shown),
        _witness(shown),
        *body,
        _fields(shown["fields"]),
        class_="dm-row" + (" dm-removed" if shown["reason"] else ""),
        **numbers,
    )


def _heading(shown: Mapping[str, Any]) -> Markup:
    source = tag("span", shown["source"], class_="dm-source") if shown["source"] else None
    key = tag("span", shown["id"] or "no id", class_="dm-id")
    tokens = None
    if shown["tokens"] is not None:
        tokens = tag("span", f"{shown['tokens']:,} tokens", class_="dm-tokens")
    title = heading(source, " " if source else None, key, level=4)
    return tag("div", title, " " if tokens else None, tokens, class_="dm-head")


def _witness(shown: Mapping[str, Any]) -> Markup | None:
    if not shown["reason"]:
        return None
    reason = tag("strong", shown["reason"], class_="dm-reason")
    detail = tag("span", shown["detail"], class_="dm-detail") if shown["detail"] else None
    return tag("p", "Removed: ", reason, " " if detail else None, detail, class_="dm-witness")


def _turn(turn: Mapping[str, Any]) -> Markup:
    role = turn["role"] if turn["role"] in ROLES else "other"
    calls = [_call(call) for call in turn["calls"]]
    more = (
        folded("other fields", *_blocks(turn["more"]), class_="dm-fields") if turn["more"] else None
    )
    said = _text(turn["pieces"]) if turn["pieces"] or not calls else ()
    return tag(
        "div",
        tag("p", tag("strong", turn["role"] or "no role"), class_="dm-role"),
        tag("div", *said, *calls, more, class_="dm-said", dir="auto"),
        class_=f"dm-turn dm-{role}",
    )


def _call(call: Mapping[str, Any]) -> Markup:
    name = tag("p", "calls ", tag("code", call["name"]), class_="dm-call-name")
    return tag("div", name, *_blocks(call["pieces"]), class_="dm-call")


def _fields(fields: Sequence[tuple[str, list[Piece]]]) -> Markup | None:
    if not fields:
        return None
    told = [joined([tag("dt", name), tag("dd", *_blocks(of))]) for name, of in fields]
    return folded("other fields", tag("dl", *told), class_="dm-fields")


def _text(shown: Sequence[Piece]) -> Iterator[Markup]:
    """Pieces, those after the first screen folded away; open where the match is among them."""
    if not shown:
        yield _note("empty")
        return
    first, rest = _apart(shown)
    yield from _blocks(first)
    if rest:
        count = sum(len(piece.text) for piece in rest)
        has_match = any(piece.kind == "match" for piece in rest)
        yield folded(f"{count:,} more characters", *_blocks(rest), open=has_match)


def _apart(shown: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """What stands open and what is folded, cut at a line or a word where one is near."""
    if sum(len(piece.text) for piece in shown) <= FOLD * 1.3:
        return list(shown), []
    first: list[Piece] = []
    room = FOLD
    for number, piece in enumerate(shown):
        if len(piece.text) <= room or piece.kind == "match":
            first.append(piece)
            room -= len(piece.text)
            continue
        cut = _cut(piece.text, room)
        head = Piece(piece.kind, piece.text[:cut], language=piece.language)
        tail = Piece(piece.kind, piece.text[cut:].lstrip("\n"), language=piece.language)
        return [*first, head] if cut else first, [tail, *shown[number + 1 :]]
    return first, []


def _cut(text: str, room: int) -> int:
    room = max(room, 0)
    line, word = text.rfind("\n", room // 2, room), text.rfind(" ", room // 2, room)
    return next((at for at in (line, word) if at > 0), room)


def _blocks(shown: Sequence[Piece]) -> Iterator[Markup]:
    """Prose with its matches in paragraphs, code in blocks, notes on what is hidden."""
    line: list[Markup] = []
    for piece in shown:
        if piece.kind in ("prose", "match"):
            line.append(tag("mark" if piece.kind == "match" else "span", piece.text))
            continue
        if line:
            yield tag("div", *line, class_="dm-prose")
            line = []
        if piece.kind == "code":
            yield _code(piece)
        else:
            yield _note(f"{piece.hidden:,} characters are not shown")
    if line:
        yield tag("div", *line, class_="dm-prose")


def _code(piece: Piece) -> Markup:
    language = tag("figcaption", piece.language[:40]) if piece.language else None
    return tag("figure", language, tag("pre", tag("code", piece.text)), class_="dm-code")


def _note(words: str) -> Markup:
    return tag("p", f"… {words} …", class_="dm-note")
