"""Encrypted connections between client, scheduler and workers, by one option."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

TLS = Literal["temporary"] | Mapping[str, str] | None
FILES = ("ca", "cert", "key")


def check(tls: TLS, *, running: bool = False) -> None:
    """Raise what is wrong with ``tls``; ``running``: the cluster is somebody else's already."""
    if tls is None:
        return
    if tls == "temporary":
        if running:
            raise ValueError("tls='temporary': a cluster that runs has certificates; name them")
        _require_cryptography()
        return
    if not isinstance(tls, Mapping) or set(tls) != set(FILES):
        raise ValueError(f"tls={tls!r}; it is 'temporary' or the paths {{'ca', 'cert', 'key'}}")
    for name, path in tls.items():
        if not Path(path).expanduser().is_file():
            raise ValueError(f"tls: no file for {name!r} at {path}")


def _require_cryptography() -> None:
    from importlib.util import find_spec

    if not find_spec("cryptography"):
        raise ImportError(
            "tls='temporary' makes certificates with cryptography: pip install 'datamerge[hpc]'"
        )


def make(tls: TLS) -> Any:
    """Dask's ``Security`` for it, or None.

    ``temporary`` makes a key that only this cluster has.
    """
    from distributed.security import Security

    if tls is None:
        return None
    if tls == "temporary":
        return Security.temporary()
    paths = {name: str(Path(path).expanduser().absolute()) for name, path in tls.items()}
    roles = {
        f"tls_{role}_{kind}": paths[kind]
        for role in ("client", "scheduler", "worker")
        for kind in ("cert", "key")
    }
    return Security(require_encryption=True, tls_ca_file=paths["ca"], **roles)
