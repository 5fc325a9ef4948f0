"""Out of memory, on a device or here: how it is told, what is given back, what is noted of it."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import orjson

# What errors say that have no type of their own: torch's and oneDNN's on a processor, cuBLAS's.
_SAID = (
    *("DefaultCPUAllocator", "could not create a primitive", "could not create a memory"),
    *("_STATUS_ALLOC_FAILED", "out of memory", "bad_alloc"),
)
NOTES = "*.short.json"

What = Literal["freed", "halved", "on_cpu"]
Happened = list[tuple[What, str, int]]
T = TypeVar("T")

_holders: list[Callable[[], None]] = []
_happened: ContextVar[Happened | None] = ContextVar("happened", default=None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory.

    >>> is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"))
    True
    """
    if isinstance(error, MemoryError):  # CuPy's and RMM's are, too
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID)


def tried(work: Callable[..., T], *arguments: Any, last: bool = False) -> T | None:
    """What the work gives; None where memory ran out, once the error has let go of what it held.

    ``last``: there is nothing else to be tried, so that the error is raised.

    >>> tried(len, "abc"), tried(bytearray, 1 << 62)
    (3, None)
    """
    try:
        return work(*arguments)
    except Exception as error:
        if last or not is_out_of_memory(error):
            raise
    return None


def holder(give_back: Callable[[], None]) -> Callable[[], None]:
    """Register what gives back memory that is held for later, and can be filled again."""
    _holders.append(give_back)
    return give_back


def free_everything(but: Callable[[], None] | None = None) -> None:
    """Give back what is held for later in this process, and what allocators hold of devices.

    To be called when the error is gone: its frames hold on to what did fit.
    """
    for give_back in _holders:
        if give_back is not but:
            give_back()
    torch, cupy = sys.modules.get("torch"), sys.modules.get("cupy")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if cupy is not None:
        cupy.get_default_memory_pool().free_all_blocks()


def free_on(device: Any) -> int:
    """Bytes of a CUDA device, by its torch name, that torch could have."""
    cuda = sys.modules["torch"].cuda
    unused = cuda.memory_reserved(device) - cuda.memory_allocated(device)
    return int(cuda.mem_get_info(device)[0] + unused)


@contextmanager
def listening() -> Iterator[Happened]:
    """What :func:`note` is told meanwhile."""
    happened: Happened = []
    before = _happened.set(happened)
    try:
        yield happened
    finally:
        _happened.reset(before)


@contextmanager
def noting(folder: str | Path, stage: str) -> Iterator[None]:
    """Keep what :func:`note` is told meanwhile, in a file of the folder if there is anything."""
    happened: Happened = []
    try:
        with listening() as happened:
            yield
    finally:
        if happened:
            path = Path(folder) / NOTES.replace("*", uuid.uuid4().hex)
            with suppress(FileNotFoundError):  # an interrupt has cleared the folder
                path.write_bytes(orjson.dumps([stage, happened]))


def note(what: What, device: object, rows: int) -> None:
    """Tell what was done when memory ran out, with so many rows.

    ``freed``: what was held for later was given back, and they were tried again. ``halved``: a
    batch or tile has so many now. ``on_cpu``: they went there.
    """
    happened = _happened.get()
    if happened is not None:
        happened.append((what, str(device), rows))


def noted(folder: str | Path) -> dict[str, Any]:
    """What was noted in a folder; empty where memory was enough. See :func:`summary`."""
    return summary(orjson.loads(path.read_bytes()) for path in sorted(Path(folder).glob(NOTES)))


def summary(notes: Iterable[tuple[str, Happened]]) -> dict[str, Any]:
    """What happened, by stage.

    Of a stage: the ``devices`` that ran out of memory, how ``often``, the ``fewest_rows`` that a
    batch or tile was halved to, and the ``rows_on_cpu`` that went there in the end.
    """
    stages: dict[str, Happened] = {}
    for stage, happened in notes:
        if happened:
            stages.setdefault(stage, []).extend(happened)
    return {stage: _of_stage(stages[stage]) for stage in sorted(stages)}


def _of_stage(happened: Happened) -> dict[str, Any]:
    rows = {kind: [rows for what, _, rows in happened if what == kind] for kind in get_args(What)}
    told: dict[str, Any] = {"devices": sorted({device for _, device, _ in happened})}
    told["often"] = len(rows["freed"]) + len(rows["halved"])
    if rows["halved"]:
        told["fewest_rows"] = min(rows["halved"])
    if rows["on_cpu"]:
        told["rows_on_cpu"] = sum(rows["on_cpu"])
    return told
