"""Which GPUs there are, asked of the driver: that a package imports says nothing."""

from __future__ import annotations

import ctypes
import os
import sys


def visible() -> list[str]:
    """The GPUs this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    count = driver_count()
    if count is None and "torch" in sys.modules:
        count = sys.modules["torch"].cuda.device_count()
    return chosen(count or 0, os.environ.get("CUDA_VISIBLE_DEVICES"))


def chosen(count: int, allowed: str | None) -> list[str]:
    """Those of so many GPUs that ``CUDA_VISIBLE_DEVICES`` allows; the list ends at a wrong one.

    >>> chosen(4, None), chosen(4, "2,0"), chosen(2, "0,7,1"), chosen(2, "")
    (['0', '1', '2', '3'], ['2', '0'], ['0'], [])
    """
    if allowed is None:
        return [str(number) for number in range(count)]
    found: list[str] = []
    for name in (part.strip() for part in allowed.split(",") if count):
        if not (name.startswith(("GPU-", "MIG-")) or (name.isdecimal() and int(name) < count)):
            break
        found.append(name)
    return found


def driver_count() -> int | None:
    """How many GPUs NVML, which comes with the driver, knows of; None where there is no driver."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    if nvml.nvmlInit_v2() != 0:
        return None
    count = ctypes.c_uint()
    try:
        return count.value if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) == 0 else None
    finally:
        nvml.nvmlShutdown()
