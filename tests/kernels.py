"""A Jupyter kernel as a notebook has it: it runs cells, is heard, and is interrupted."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

WAIT = 240  # seconds; machines that run tests may be busy


@dataclass
class Kernel:
    """A kernel that runs."""

    manager: Any
    client: Any

    def run(self, cell: str, *, until: Callable[[], bool] | None = None) -> list[dict[str, Any]]:
        """Run a cell, and interrupt it once something holds; gives what it sent to the page."""
        asked, heard = self.client.execute(cell), []
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            if until is not None and until():
                until = None
                self.manager.interrupt_kernel()
            try:
                message = self.client.get_iopub_msg(timeout=0.1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") == asked:
                heard.append(message)
                if message["content"].get("execution_state") == "idle":
                    assert until is None, [m["content"] for m in heard]  # never came to that
                    return heard
        raise TimeoutError(heard)

    def value(self, expression: str) -> str:
        """What an expression's value prints as."""
        heard = self.run(f"print({expression})")
        assert not errors(heard), errors(heard)
        return "".join(m["content"]["text"] for m in of(heard, "stream")).strip()


def of(heard: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    """The messages of these kinds."""
    return [message for message in heard if message["msg_type"] in kinds]


def errors(heard: list[dict[str, Any]]) -> list[str]:
    """The names of the errors a cell ended in."""
    return [message["content"]["ename"] for message in of(heard, "error")]


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in the test's folder; ended with the test."""
    pytest.importorskip("ipykernel", reason="kernels need the extra 'notebook'")
    from jupyter_client.manager import KernelManager

    here = Path(__file__).parent
    paths = os.pathsep.join(
        filter(None, [str(here.parent), str(here), os.environ.get("PYTHONPATH")])
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DASK_", "DATAMERGE_"))}
    places = {"IPYTHONDIR": str(tmp_path / "ipython"), "DASK_CONFIG": str(tmp_path / "dask"),
              "DATAMERGE_WORKDIR": str(tmp_path / "work"), "PYTHONPATH": paths}  # fmt: skip
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path), env={**kept, **places})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=WAIT)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
