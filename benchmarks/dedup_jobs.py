"""Run one job for one tool, as a process of its own; dedup.py starts it.

    python benchmarks/dedup_jobs.py '{"kind": ..., "tool": ..., "source": ..., ...}'

The last line it prints is JSON: the seconds of the work, and what the tool says of its outcome.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from dedup_job import Job, Work

MODULES = {
    "near": "dedup_near",
    "pairs": "dedup_pairs",
    "semantic": "dedup_semantic",
    "exact": "dedup_exact",
    "decide": "dedup_decide",
}


def tools(kind: str) -> dict[str, Callable[[Job], Work]]:
    return import_module(MODULES[kind]).TOOLS


def main() -> None:
    kind, tool, job = Job.heard(sys.argv[1])
    work = tools(kind)[tool](job)
    started = time.perf_counter()
    said = work() or {}
    took = time.perf_counter() - started
    print(json.dumps({"work": took} | after(said, job)))


def after(said: dict[str, Any], job: Job) -> dict[str, Any]:
    """What is told and written off the clock; pairs only where they are asked for."""
    facts = {key: value for key, value in said.items() if not callable(value)}
    if "facts" in said:
        facts |= said["facts"]()
    if "pairs" in said and job.options.get("save pairs"):
        left, right = said["pairs"]()
        np.savez(job.out / "pairs.npz", left=left, right=right)
    return facts


if __name__ == "__main__":
    main()
