"""Servers on a Ray cluster: beside the actors of a job on a dataset, and beside the replicas of Ray Serve.

A server ends with the actor that has started it, also if that is killed. It takes what Ray has given the
actor: threads by `num_cpus`, and as budgets of memory half and a fifth of `memory`, or, where none is
reserved, of the node's by its part of the processors. Flags of the caller win.

Relative paths are those of the folder of the process that makes the job or the application. Where Ray's
runtime environment has a `working_dir`, in which actors then run, they are those of that folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorferry._ray_serve import Gateway, add_services
from tensorferry._ray_server import MakeServer, beside_actor
from tensorferry._server import Models
from tensorferry.client import Client

if TYPE_CHECKING:
    import ray.data
    from ray.serve import Application

__all__ = ["Replica", "add_services", "app", "infer"]

_Batch = dict[str, "np.ndarray[Any, Any]"]


class Replica:
    """An actor of a Ray dataset, for `map_batches`: it starts a server and sends its batches there.

    The server ends with the actor, also if that is killed.

    Raises:
        FileNotFoundError: The node has no tensorferry-server.
        RuntimeError: The server did not become ready.
    """

    def __init__(self, model: str, inputs: Mapping[str, str], make_server: MakeServer) -> None:
        self._model = model
        self._inputs = inputs
        self._server = make_server()
        self._client = Client(self._server.start())

    def __call__(self, batch: _Batch) -> _Batch:
        """Returns the batch with the model's outputs as further columns.

        Raises:
            TensorferryError: The server refused the batch, or is not there any more.
        """
        inputs = {name: batch[column] for name, column in self._inputs.items()}
        return {**batch, **self._client.infer(self._model, inputs)}


def infer(
    dataset: ray.data.Dataset,
    model: str,
    inputs: Mapping[str, str],
    *,
    models: Models | None = None,
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
        models: Models as of `tensorferry.Server`, by a path that is there on every node.
        replicas: Servers, each fed by an actor of its own. Ray places them on nodes with a free processor.
        batch_size: Rows of one request.
        flags: Further flags of the servers.
        program: Another tensorferry-server than the installed one, on every node.
        options: Further arguments of `Dataset.map_batches`, such as `num_cpus` and `memory`.

    What `Replica` raises ends the job, as an error of Ray's.
    """
    make_server = beside_actor(models, flags, program)
    return dataset.map_batches(
        Replica,
        fn_constructor_kwargs={"model": model, "inputs": dict(inputs), "make_server": make_server},
        batch_size=batch_size,
        batch_format="numpy",
        concurrency=replicas,
        **options,
    )


def app(
    *,
    models: Models | None = None,
    flags: Sequence[str] = (),
    program: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Application:
    """Returns an application for `ray.serve.run` whose replicas pass gRPC calls on to a server of their own.

    Ray Serve's gRPC proxy must have been started with the full name of this module's `add_services` among its
    `grpc_servicer_functions`. It chooses a replica for each call, and hands the bytes over as they came.

    Args:
        models: Models as of `tensorferry.Server`, by a path that is there on every node.
        flags: Further flags of the servers.
        program: Another tensorferry-server than the installed one, on every node.
        options: Arguments of `ray.serve.deployment`, such as `num_replicas` and `ray_actor_options`.

    A replica whose server does not become ready has failed: Ray Serve tries again some times, then
    `ray.serve.run` raises RuntimeError. A replica whose server has gone is replaced.
    """
    from ray import serve

    make_server = beside_actor(models, flags, program)
    return serve.deployment(Gateway, name="tensorferry", **options).bind(make_server)
