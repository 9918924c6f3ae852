"""The server beside an actor of Ray: how much of its node it takes, and where its files are."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tensorferry._server import Models, Server

MakeServer = Callable[[], Server]


def beside_actor(
    models: Models | None, flags: Sequence[str], program: str | os.PathLike[str] | None
) -> MakeServer:
    """What an actor calls to make its server.

    Relative paths are those of the folder of this process, unless Ray brings a `working_dir` to the actors,
    where they then run.
    """
    return partial(_make, models=models, flags=list(flags), program=program, folder=os.getcwd())


def _make(
    models: Models | None, flags: Sequence[str], program: str | os.PathLike[str] | None, folder: str
) -> Server:
    import ray

    context = ray.get_runtime_context()
    if context.runtime_env.get("working_dir"):
        folder = os.getcwd()
    node = next(node["Resources"] for node in ray.nodes() if node["NodeID"] == context.get_node_id())
    return Server(
        models=absolute(models, folder),
        flags=[*share(context.get_assigned_resources(), node), *flags],
        program=None if program is None else os.path.join(folder, program),
    )


def absolute(models: Models | None, folder: str) -> Models | None:
    """The models by paths that do not depend on where a process runs."""
    if models is None:
        return None
    if isinstance(models, Mapping):
        return {name: os.path.join(folder, file) for name, file in models.items()}
    return os.path.join(folder, models)


def share(assigned: Mapping[str, float], node: Mapping[str, float]) -> list[str]:
    """Flags by which a server takes of an actor's resources what it would take of a machine's by itself.

    Both have processors as `CPU` and bytes as `memory`. An actor has one processor at least, and of the
    node's memory its part by processors where Ray has reserved none for it.
    """
    cpus = max(1, assigned.get("CPU", 0))
    threads = math.ceil(cpus)
    flags = ["--threads", str(1 if threads <= 2 else threads), "--model-threads", str(threads)]
    memory = assigned.get("memory", 0)
    if not memory and node.get("CPU", 0):
        memory = node.get("memory", 0) * min(1, cpus / node["CPU"])
    if memory:
        flags += ["--memory-budget", str(int(memory / 2)), "--receive-budget", str(int(memory / 5))]
    return flags
