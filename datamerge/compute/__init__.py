"""Work on partitions, wherever Dask runs: graphs, their results as they end, progress, memory."""

from .cluster import ClusterLostError
from .graph import Graph, graph_of, rows_by_source, tasks_of_each, tasks_of_partitions
from .killed import WorkersKilledError
from .partitions import each, each_partition, summed
from .stream import client

__all__ = [
    "ClusterLostError",
    "Graph",
    "WorkersKilledError",
    "client",
    "each",
    "each_partition",
    "graph_of",
    "rows_by_source",
    "summed",
    "tasks_of_each",
    "tasks_of_partitions",
]
