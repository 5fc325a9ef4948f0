"""What to say of work at which worker after worker has ended, in place of Dask's KilledWorker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .graph import Key
from .progress import name

SHOWN = 3  # parts and places told of, at most


class WorkersKilledError(RuntimeError):
    """Worker after worker ended at the same work."""


def explained(
    error: Any, stage: str, tasks: Mapping[Any, Any], keys: Sequence[Key]
) -> WorkersKilledError:
    """The error to raise when these keys of a graph, of one stage, have ended several workers.

    Of keys there are several where a worker had them at hand together: the scheduler can't tell
    at which of them it ended.
    """
    # Rows of leaves are counted beside the parts that are made of them.
    keys = [key for key in keys if not key[0].endswith("-rows")] or keys
    parts = [_described(tasks, key) for key in keys[:SHOWN]]
    one = "this part" if len(keys) == 1 else "one of these parts"
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    allowed = error.allowed_failures
    ended = f"{allowed + 1} workers ended, one after another," if allowed else "a worker ended"
    return WorkersKilledError(
        f"{name(stage)}: {ended} with {one} of the work at hand: {'; '.join(parts)}{more}. "
        "Most likely it needs more memory than a worker has: give each more (memory=), or read "
        "with a smaller blocksize. Else something in it ends processes; the workers' logs may "
        "tell. What is finished is kept, and the same run goes on where it stopped. Where workers "
        "are taken away all the time, set distributed.scheduler.allowed-failures to more than "
        f"{allowed}"
    )


def _described(tasks: Mapping[Any, Any], key: Key) -> str:
    places = list(dict.fromkeys(_places(tasks, key)))
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    told = f" ({', '.join(places[:SHOWN])}{more})" if places else ""
    return f"part {key[1]}{told}"


def _places(tasks: Mapping[Any, Any], key: Any) -> Iterator[str]:
    """What the leaves say of where they read, that a result is made from."""
    waiting, seen = [key], {key}
    while waiting:
        task = tasks.get(waiting.pop())
        where = getattr(getattr(task, "func", None), "where", None)
        if where is not None:
            yield where(*task.args)  # type: ignore[union-attr]
        fresh: set[Any] = set(getattr(task, "dependencies", ())) - seen
        seen |= fresh
        waiting += sorted(fresh, key=str)
