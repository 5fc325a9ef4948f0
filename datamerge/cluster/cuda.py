"""One worker a GPU, on this machine or in a job, with dask-cuda."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from ..compute.progress import keep_reporter_here
from .limits import SHARE, Limits
from .local import leaving_interrupts

# Half of a device is for frames and arrays that Dask holds; the other half for the models, whose
# memory (torch's) neither Dask nor RMM counts. What is above the limit goes to the host's memory.
DEVICE_MEMORY = 0.5
POOL, LARGEST_POOL = 0.25, 0.5


def require() -> None:
    """Raise what is missing, and what to do about it."""
    if not find_spec("dask_cuda"):
        raise ImportError("a cluster of GPUs needs dask-cuda: pip install 'datamerge[gpu]'")


def keywords(
    gpus: Sequence[str],
    limits: Limits,
    *,
    workers: int | None = None,
    threads: int | None = None,
    memory: str | int | None = None,
    protocol: str | None = None,
) -> dict[str, Any]:
    """Arguments of ``LocalCUDACluster`` for these GPUs.

    Frames spill from the device to the host, and beyond ``memory`` from there to disk.
    """
    from dask.utils import parse_bytes

    if workers is not None and workers > len(gpus):
        raise ValueError(f"workers={workers}, but there are GPUs for {len(gpus)}: {list(gpus)}")
    count = workers or len(gpus)
    assert limits.memory is not None
    found: dict[str, Any] = {
        "CUDA_VISIBLE_DEVICES": list(gpus[:count]),
        "n_workers": count,
        "threads_per_worker": threads or 1,
        "memory_limit": parse_bytes(memory) if memory else int(SHARE * limits.memory) // count,
        "device_memory_limit": DEVICE_MEMORY,
    }
    if find_spec("rmm"):
        found |= {"rmm_pool_size": POOL, "rmm_maximum_pool_size": LARGEST_POOL}
    if find_spec("cudf"):
        found["enable_cudf_spill"] = True
    if protocol is not None:
        _require_protocol(protocol)
        found["protocol"] = protocol
    return found


def _require_protocol(protocol: str) -> None:
    if protocol.startswith("ucx") and not find_spec("distributed_ucxx"):
        raise ImportError("protocol='ucx' needs UCXX: pip install distributed-ucxx-cu13")


def worker_arguments() -> list[str]:
    """The same, as arguments of ``dask cuda worker``."""
    found = ["--device-memory-limit", str(DEVICE_MEMORY)]
    if find_spec("rmm"):
        found += ["--rmm-pool-size", str(POOL), "--rmm-maximum-pool-size", str(LARGEST_POOL)]
    if find_spec("cudf"):
        found += ["--enable-cudf-spill"]
    return found


def launch(options: dict[str, Any]) -> Any:
    """Start it; its processes leave interrupts to the client."""
    from dask_cuda import LocalCUDACluster

    keep_reporter_here()
    return LocalCUDACluster(**leaving_interrupts(options))
