"""Where the dashboard is found: on this machine, or behind a JupyterHub."""

from __future__ import annotations

import os
from collections.abc import Mapping

LOOPBACK = "127.0.0.1"
KEY = "distributed.dashboard.link"
PLAIN = "{scheme}://{host}:{port}/status"
# Our dashboards listen on loopback, also where the scheduler itself must be seen by other nodes.
HERE = f"{{scheme}}://{LOOPBACK}:{{port}}/status"
# A hub that knows under which address it is seen says so; else the link is a path on its pages.
HUBS = ("JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_SERVICE_PREFIX")
PROXY, PROXY_ELSEWHERE = "proxy/{port}/status", "proxy/{host}:{port}/status"
OURS = (PLAIN, HERE, *(f"{{{hub}}}{end}" for hub in HUBS for end in (PROXY, PROXY_ELSEWHERE)))


def template(current: str, environment: Mapping[str, str], *, ours: bool, listens: str) -> str:
    """The link's pattern: the user's own if there is one, else the one that leads there.

    >>> hub = {"JUPYTERHUB_SERVICE_PREFIX": "/user/me/"}
    >>> template(PLAIN, hub, ours=True, listens="127.0.0.1:0")
    '{JUPYTERHUB_SERVICE_PREFIX}proxy/{port}/status'
    """
    if current not in OURS:
        return current
    if environment.get("JUPYTERHUB_SERVICE_PREFIX"):
        hub = next(name for name in HUBS if environment.get(name))
        return f"{{{hub}}}{PROXY if ours else PROXY_ELSEWHERE}"
    return HERE if ours and listens.startswith(LOOPBACK) else PLAIN


def configure(*, ours: bool, listens: str | None) -> None:
    """Have the links in the representations of clients and clusters lead to the dashboard."""
    import dask

    current = dask.config.get(KEY, PLAIN)
    dask.config.set({KEY: template(current, os.environ, ours=ours, listens=listens or "")})
