"""A client that ends the cluster it was made for, when it is closed itself."""

from __future__ import annotations

from typing import Any

from distributed import Client, Status


class ClusterClient(Client):
    """Distributed's client; closing it, or leaving its ``with`` block, closes the cluster too."""

    def close(self, *arguments: Any, **options: Any) -> None:
        """Close the client, and then the cluster with its workers."""
        own = self.cluster
        super().close(*arguments, **options)
        if own is not None and own.status == Status.running:
            own.close()
