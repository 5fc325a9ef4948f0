"""A recognised schema: its type and where each thing stands in a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .words import SLOTS

Side = Literal["chosen", "rejected"]


@dataclass(frozen=True)
class Schema:
    """How the records of one source are to be read. Hashable, picklable, equal by value.

    Attributes
    ----------
    type : str
        `sharegpt`, `messages`, `alpaca`, `prompt_completion`, `question_answer`,
        `preference`, `instances`, `instruction`, `text` or `datamerge`.
    fields : tuple of (str, str)
        What is needed, and the record's field that holds it: `("output", "response")`.
    properties : tuple of (str, str)
        The same for one message: `("role", "from")`, `("content", "value")`.
    roles : tuple of (str, str)
        A source's own word for a role, and the role: `("narrator", "assistant")`.
    which : {"chosen", "rejected"}
        The side of a preference pair that becomes the chat.

    Examples
    --------
    >>> schema = Schema("alpaca", fields=(("instruction", "instruction"), ("output", "response")))
    >>> schema.kind, schema.field("output"), schema.field("history")
    ('messages', 'response', None)
    """

    type: str
    fields: tuple[tuple[str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    roles: tuple[tuple[str, str], ...] = ()
    which: Side = "chosen"

    @classmethod
    def usual(cls, type: str) -> Schema:
        """The schema with the names it usually has, which are the ones written.

        Examples
        --------
        >>> Schema.usual("sharegpt").field("messages")
        'conversations'
        """
        fields = {slot.name: slot.keys[0] for slot in SLOTS[type]}
        if type == "sharegpt":
            fields["messages"] = "conversations"
        return cls(type, tuple(fields.items()), usual_properties(type))

    @property
    def kind(self) -> Literal["messages", "text", "both"]:
        """What it yields: chats, plain documents or (only our own output) both."""
        if self.type == "text":
            return "text"
        if self.type != "datamerge" or not self.field("text"):
            return "messages"
        return "both" if self.field("messages") else "text"

    def field(self, name: str) -> str | None:
        """The record's field that holds `name`; None where the source has no such field."""
        return dict(self.fields).get(name)


def usual_properties(type: str) -> tuple[tuple[str, str], ...]:
    """Where a message of this type usually keeps its role and content."""
    if type == "sharegpt":
        return (("role", "from"), ("content", "value"))
    return (("role", "role"), ("content", "content"))
