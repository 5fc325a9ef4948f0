"""What the pages of widgets ask, and who answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeGuard

from ..html.escape import bounded

Answers = Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]


class Questions:
    """What the pages of a widget ask; each answer is for the one view that asked.

    Those who answer get what it is about, which may be anything: pages are not trusted.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None], quick: Answers, slow: Answers):
        self._send, self._quick, self._slow = send, quick, slow
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="datamerge-look")

    def asked(self, _: Any, question: Any, buffers: Any) -> None:
        """Hear a message of a page."""
        if not isinstance(question, dict):
            return
        ask, about = str(question.get("ask")), question.get("about")
        about = about if isinstance(about, dict) else {}
        address = {"to": question.get("from"), "number": question.get("number")}
        if ask in self._quick:
            self._send({**_tried(lambda: self._quick[ask](about)), **address})
        elif ask in self._slow:
            self._later(address, lambda: self._slow[ask](about))

    def _later(self, address: dict[str, Any], work: Callable[[], dict[str, Any]]) -> None:
        """Answer when the work is done, in a thread where there is a loop to go on meanwhile."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._send({**_tried(work), **address})
        done = loop.run_in_executor(self._worker, _tried, work)
        done.add_done_callback(lambda found: self._send({**found.result(), **address}))
        return None

    def close(self) -> None:
        """Let go of the thread."""
        self._worker.shutdown(wait=False)


def _tried(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer, or what went wrong, an interrupt too: a page that waits for ever says nothing."""
    try:
        return work()
    except (Exception, KeyboardInterrupt) as error:
        return {"error": bounded(f"{type(error).__name__}: {error}", 400)}


def is_number(value: Any, end: int) -> TypeGuard[int]:
    """Whether something a page sent is a number from 0 to before the end."""
    return type(value) is int and 0 <= value < end


def number(value: Any, end: int) -> int:
    """The number, or 0."""
    return value if is_number(value, max(end, 1)) else 0
