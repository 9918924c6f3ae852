"""Servers on a Ray cluster: beside the actors of a job on a dataset, and beside the replicas of Ray Serve."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorferry._ray_serve import Gateway, add_services
from tensorferry._server import Server
from tensorferry.client import Client

if TYPE_CHECKING:
    import ray.data
    from ray.serve import Application

__all__ = ["Replica", "add_services", "app", "infer"]

_Batch = dict[str, "np.ndarray[Any, Any]"]


class Replica:
    """An actor of a Ray dataset, for `map_batches`: it starts a server and sends its batches there.

    The server ends with the actor, as Ray ends the processes that an actor leaves.
    """

    def __init__(self, model: str, inputs: Mapping[str, str], server: Mapping[str, Any]) -> None:
        self._model = model
        self._inputs = inputs
        self._server = Server(**server)
        self._client = Client(self._server.__enter__())

    def __call__(self, batch: _Batch) -> _Batch:
        """Returns the batch with the model's outputs as further columns."""
        inputs = {name: batch[column] for name, column in self._inputs.items()}
        return {**batch, **self._client.infer(self._model, inputs)}


def infer(
    dataset: ray.data.Dataset,
    model: str,
    inputs: Mapping[str, str],
    *,
    models: str | os.PathLike[str] | Mapping[str, str] | None = None,
    replicas: int = 1,
    batch_size: int = 256,
    flags: Sequence[str] = (),
    program: str | os.PathLike[str] | None = None,
    **options: Any,
) -> ray.data.Dataset:
    """Returns the dataset with the outputs of a model as further columns, computed when it is consumed.

    An output takes the place of a column that has its name.

    Args:
        dataset: Rows whose columns are arrays of one shape, as `ray.data.read_numpy` makes them.
        model: The model's name. The first dimension of its arrays is the batch.
        inputs: Column of each input.
        models: Models as of `tensorferry.Server`; the path must be there on every node.
        replicas: Servers, each fed by an actor of its own. Ray places them on nodes with a free processor.
        batch_size: Rows of one request.
        flags: Further flags of the servers.
        program: Another tensorferry-server than the installed one, on every node.
        options: Further arguments of `Dataset.map_batches`, such as `num_cpus`.
    """
    server = {"models": models, "flags": list(flags), "program": program}
    return dataset.map_batches(
        Replica,
        fn_constructor_kwargs={"model": model, "inputs": dict(inputs), "server": server},
        batch_size=batch_size,
        batch_format="numpy",
        concurrency=replicas,
        **options,
    )


def app(
    *,
    models: str | os.PathLike[str] | Mapping[str, str] | None = None,
    flags: Sequence[str] = (),
    program: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Application:
    """Returns an application for `ray.serve.run` whose replicas pass gRPC calls on to a server of their own.

    Ray Serve's gRPC proxy must have been started with the full name of this module's `add_services` among its
    `grpc_servicer_functions`. It chooses a replica for each call, and hands the bytes over as they came.

    Args:
        models: Models as of `tensorferry.Server`; the path must be there on every node.
        flags: Further flags of the servers.
        program: Another tensorferry-server than the installed one, on every node.
        options: Arguments of `ray.serve.deployment`, such as `num_replicas` and `ray_actor_options`.
    """
    from ray import serve

    server = {"models": models, "flags": list(flags), "program": program}
    return serve.deployment(Gateway, name="tensorferry", **options).bind(server)
