"""--mem where it is not given: 16 GB per GPU, more for a pack that is to stay in the page cache, less on small nodes.

With ConstrainRAMSpace Slurm counts the page cache against the job: a pack larger than what the processes leave of --mem is
read from the share again in every epoch.
"""

from __future__ import annotations

from dataclasses import replace

from litemono.jobs import admission
from litemono.jobs.admission import Request
from litemono.jobs.batch_script import SlurmConfig, request_of
from litemono.jobs.cluster import Cluster, Node
from litemono.utils.errors import UserError

PROCESS = 8 * 1024  # MB: a training process with CUDA, its threads that read, and batches in pinned memory
MEGABYTE = 1 << 20


def choose(settings: SlurmConfig, cluster: Cluster | None, packed_bytes: int) -> Request:
    """What the settings ask for, with --mem as given or its default on this cluster.

    cluster: None where there is no Slurm to compare with. packed_bytes: what a run reads from packs.
    """
    request = request_of(settings)
    if settings.mem is not None or cluster is None:
        return request
    gpus, pack = max(1, request.gpus), packed_bytes // MEGABYTE if cluster.cache_counts else 0
    raised = min([PROCESS * gpus + pack, *(_share(node, request) for node in nodes_that_could(cluster, request))])
    larger = replace(
        request,
        memory=raised,
        memory_reason=f"{PROCESS} MB per GPU and room for the pack's {pack} MB in the page cache",
    )
    if pack and raised > request.memory and _can_run(cluster, larger):
        return larger
    return fitted(cluster, request)


def fitted(cluster: Cluster, request: Request) -> Request:
    """The request with no more memory than the nodes have that could run it otherwise."""
    most = min([request.memory, *(node.memory for node in nodes_that_could(cluster, request))])
    if most == request.memory:
        return request
    return replace(request, memory=most, memory_reason=f"all that the nodes have; {request.memory} MB is usual")


def nodes_that_could(cluster: Cluster, request: Request) -> list[Node]:
    """The node that decides, of each partition asked for: as many have its memory as the job has nodes."""
    found = []
    for name in request.partition.split(",") if request.partition else [None]:
        try:
            partition = admission.find_partition(cluster, replace(request, partition=name))
            partition = admission.without_excluded(partition, request)
        except UserError:  # the admission check says it
            continue
        nodes = admission.nodes_for(partition, request)
        able = [node for node in nodes if node.gpu_count >= request.gpus and node.cpus >= request.cpus]
        found += sorted(able, key=lambda node: -node.memory)[request.nodes - 1 : request.nodes]
    return found


def _share(node: Node, request: Request) -> int:
    """MB of the node for its GPUs that the job asks for: other jobs use the others."""
    return node.memory * request.gpus // node.gpu_count if node.gpu_count else node.memory


def _can_run(cluster: Cluster, request: Request) -> bool:
    try:
        admission.check_request(cluster, request)
    except UserError:
        return False
    return True
