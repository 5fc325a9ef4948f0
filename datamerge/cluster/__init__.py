"""A Dask cluster: this machine's cores or GPUs, a job queue, or one that runs.

Steps never import this: any Dask client works.
"""

from __future__ import annotations

from .plan import Kind, Plan, plan
from .start import start

__all__ = ["Kind", "Plan", "plan", "start"]
