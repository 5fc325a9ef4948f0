"""Message content: a string, nothing beside a tool call, or a list of parts.

The text is what later steps read. Parts and nulls are kept beside it, so that writing back
restores them, with the text as it is by then.
"""

from __future__ import annotations

from typing import Any

from .errors import RecordError, expected
from .meta import spare

TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
# A message that has one of these says something without any content.
STANDS_ALONE = (
    *("tool_calls", "function_call", "refusal", "audio"),
    *("reasoning_content", "reasoning", "thinking"),
)


def flatten(content: Any, others: dict[str, Any], where: str) -> str:
    """The text of any content. Whatever else it held goes into `others`."""
    if isinstance(content, str):
        return content
    if content is None and any(name in others for name in STANDS_ALONE):
        others[spare(others, "content")] = None
        return ""
    if not isinstance(content, list):
        raise expected(where, content, "string")
    text = "\n".join(_texts(content, where))
    others[spare(others, "content")] = content
    return text


def _texts(parts: list[Any], where: str) -> list[str]:
    texts = []
    for index, part in enumerate(parts):
        if isinstance(part, str):
            texts.append(part)
        elif not isinstance(part, dict):
            raise expected(f"{where}[{index}]", part, "object")
        elif _is_text(part):
            texts.append(part["text"])
        elif part.get("type") == "text":
            raise RecordError(f"{where}[{index}] is a text part without text", where.split("[")[0])
    return texts


def _is_text(part: Any) -> bool:
    return isinstance(part, str) or (
        isinstance(part, dict)
        and isinstance(part.get("text"), str)
        and part.get("type", "text") in TEXT_PARTS
    )


def unflatten(text: str, others: dict[str, Any]) -> Any:
    """Content as it was before `flatten`; takes what was kept out of `others`."""
    if "content" not in others or not isinstance(others["content"], (list, type(None))):
        return text
    kept = others.pop("content")
    if kept is None:
        return text or None
    if "\n".join(_said(kept)) == text:
        return kept
    return _replaced(kept, text)


def _said(parts: list[Any]) -> list[str]:
    return [part if isinstance(part, str) else part["text"] for part in parts if _is_text(part)]


def _replaced(parts: list[Any], text: str) -> list[Any]:
    """The parts with their texts replaced by one, where the first of them stood."""
    place = next((i for i, part in enumerate(parts) if _is_text(part)), 0)
    others = [part for part in parts if not _is_text(part)]
    return [*others[:place], {"type": "text", "text": text}, *others[place:]]
