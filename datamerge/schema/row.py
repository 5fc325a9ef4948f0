"""The common form every schema is read into and written from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .errors import RecordError
from .split_input import forget_input

# roles, contents, other fields of each message as JSON, text, meta as JSON.
# A chat has no text; a document has no roles and no contents.
Row = tuple[list[str] | None, list[str] | None, list[str | None] | None, str | None, str]
Reader = Callable[[Any], list[Row]]


@dataclass
class Parts:
    """A row about to be written: what a schema does not say itself stays in `meta`."""

    roles: list[str]
    contents: list[str]
    others: list[dict[str, Any]]
    text: str | None
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def is_chat(self) -> bool:
        """Whether it has turns."""
        return bool(self.roles)

    def turns(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Role, content and other fields of each turn."""
        return zip(self.roles, self.contents, self.others, strict=True)

    def take_system(self) -> str | None:
        """Take the leading system turn off, where it is nothing but text."""
        if self.roles[:1] == ["system"] and self.contents[0] and not self.others[0]:
            del self.roles[0], self.others[0]
            return self.contents.pop(0)
        return None

    def is_plain_exchange(self) -> bool:
        """Whether it is one question and one answer that two strings say in full."""
        return (
            self.roles == ["user", "assistant"]
            and not any(self.others)
            and not any(text.startswith("\n\nHuman:") for text in self.contents)
        )

    def forget_input(self) -> None:
        """Drop the position of an input, for schemas that hold no input apart."""
        for others in self.others:
            forget_input(others)


Writer = Callable[[Parts], dict[str, Any]]


def needs_chat(parts: Parts, schema: str) -> None:
    """A plain document has no turns to write."""
    if not parts.is_chat:
        raise RecordError(f"{schema} needs turns, this row is a plain text", "text")


def needs_roles(parts: Parts, schema: str, wanted: tuple[str, ...]) -> None:
    """The turns must be exactly these."""
    if parts.roles != list(wanted):
        found = ", ".join(parts.roles[:8]) + (", ..." if len(parts.roles) > 8 else "")
        raise RecordError(
            f"{schema} holds the turns {', '.join(wanted)}; this row has {found}", "messages"
        )
