"""Where the dashboard is found: on this machine, or behind a JupyterHub."""

from __future__ import annotations

import os
from collections.abc import Mapping

KEY = "distributed.dashboard.link"
PLAIN = "{scheme}://{host}:{port}/status"
# Our dashboards listen on loopback, also where the scheduler itself must be seen by other nodes.
HERE = "{scheme}://127.0.0.1:{port}/status"
HUB = "{JUPYTERHUB_SERVICE_PREFIX}proxy/{port}/status"
HUB_ELSEWHERE = "{JUPYTERHUB_SERVICE_PREFIX}proxy/{host}:{port}/status"


def template(current: str, environment: Mapping[str, str], *, ours: bool, listens: str) -> str:
    """The link's pattern: the user's own if there is one, else the one that leads there.

    >>> hub = {"JUPYTERHUB_SERVICE_PREFIX": "/user/me/"}
    >>> template(PLAIN, hub, ours=True, listens="127.0.0.1:0")
    '{JUPYTERHUB_SERVICE_PREFIX}proxy/{port}/status'
    """
    if current not in (PLAIN, HERE, HUB, HUB_ELSEWHERE):
        return current
    if environment.get("JUPYTERHUB_SERVICE_PREFIX"):
        return HUB if ours else HUB_ELSEWHERE
    return HERE if ours and listens.startswith("127.0.0.1") else PLAIN


def configure(*, ours: bool, listens: str | None) -> None:
    """Have the links in the representations of clients and clusters lead to the dashboard."""
    import dask

    current = dask.config.get(KEY, PLAIN)
    dask.config.set({KEY: template(current, os.environ, ours=ours, listens=listens or "")})
