"""A Dask cluster that suits the machine. Steps never import this: any Dask client works."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal

Kind = Literal["auto", "local", "cuda"]


def start(
    kind: Kind = "auto",
    *,
    address: str | None = None,
    workers: int | None = None,
    threads: int | None = None,
    memory: str | int | None = None,
    dashboard: str | None = "127.0.0.1:0",
    **options: Any,
) -> Any:
    """Start a cluster on this machine, or connect to one that runs; returns its client.

    Run again, it gives back the client that runs already.

    Parameters
    ----------
    kind : {"auto", "local", "cuda"}
        ``local``: one process a core. ``cuda``: one worker a GPU (``LocalCUDACluster``).
        ``auto``: ``cuda`` where the driver reports a GPU and dask-cuda is installed.
    address : str, optional
        The scheduler of a cluster that runs, ``tcp://…``; then nothing is started.
    workers, threads : int, optional
        Worker processes, and threads in each.
    memory : str or int, optional
        The memory limit of each worker.
    dashboard : str, optional
        Where the dashboard listens; on loopback by default. None: no dashboard.
    **options
        Passed on to the cluster's class.

    Returns
    -------
    distributed.Client
        ``client.dashboard_link`` says where the dashboard is; ``client.close()`` and
        ``client.cluster.close()`` end it.

    Examples
    --------
    >>> client = start("local", workers=1, threads=1, processes=False, dashboard=None)
    >>> client.submit(sum, [1, 2]).result()
    3
    >>> client.close(); client.cluster.close()
    """
    from .compute import client as running

    current = running()
    if current is not None and current.status == "running":
        return current
    from distributed import Client

    if address is not None:
        return Client(address)
    sizes = {"n_workers": workers, "threads_per_worker": threads, "memory_limit": memory}
    options |= {name: value for name, value in sizes.items() if value is not None}
    options.setdefault("dashboard_address", dashboard)
    if kind == "cuda" or (kind == "auto" and _has_gpu() and find_spec("dask_cuda")):
        return Client(_cuda(options))
    if kind not in ("auto", "local"):
        raise ValueError(f"kind={kind!r}; it is 'auto', 'local' or 'cuda'")
    return Client(_local(options))


def _local(options: dict[str, Any]) -> Any:
    from dask.system import CPU_COUNT
    from distributed import LocalCluster

    # Python loops over strings hold the interpreter's lock: processes, not threads.
    options.setdefault("n_workers", CPU_COUNT)
    options.setdefault("threads_per_worker", 1)
    if options.get("processes", True):
        options.setdefault("host", "127.0.0.1")
    return LocalCluster(**options)


def _cuda(options: dict[str, Any]) -> Any:
    if not _has_gpu():
        raise RuntimeError("kind='cuda': the NVIDIA driver reports no GPU on this machine")
    try:
        from dask_cuda import LocalCUDACluster
    except ImportError as error:
        raise ImportError("kind='cuda' needs dask-cuda: pip install 'datamerge[gpu]'") from error
    return LocalCUDACluster(host="127.0.0.1", **options)


def _has_gpu() -> bool:
    """Whether NVML, which comes with the driver, knows of a GPU."""
    import ctypes

    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    count = ctypes.c_uint()
    if nvml.nvmlInit_v2() != 0:
        return False
    try:
        return nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) == 0 and count.value > 0
    finally:
        nvml.nvmlShutdown()
