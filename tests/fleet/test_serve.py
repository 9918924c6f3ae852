"""An application of Ray Serve on two nodes: its proxy passes calls on to a server beside each replica."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import ml_dtypes
import numpy as np
import pytest
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation, gRPCOptions

import tensorferry
import tensorferry.ray
from conftest import TIMEOUT_S, RecordingServer, ended, wait_until

FOLDER = Path(os.environ["TENSORFERRY_FLEET_FILES"])
REPLICAS = 2
MEMORY = 512 << 20


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def address(nodes: set[str], recording_server: RecordingServer) -> Iterator[str]:
    port = free_port()
    serve.start(
        proxy_location=ProxyLocation.HeadOnly,
        http_options=HTTPOptions(port=free_port()),
        grpc_options=gRPCOptions(port=port, grpc_servicer_functions=["tensorferry.ray.add_services"]),
    )
    application = tensorferry.ray.app(
        models=str(FOLDER / "models"),
        program=str(recording_server.program),
        num_replicas=REPLICAS,
        max_replicas_per_node=1,
        health_check_period_s=1,
        flags=["--model-threads", "3"],
        ray_actor_options={"num_cpus": 1, "memory": MEMORY},
    )
    serve.run(application, name="tensorferry")
    yield f"127.0.0.1:{port}"
    serve.shutdown()


def test_replicas_answer_as_the_server_beside_them(address: str, recording_server: RecordingServer) -> None:
    started = recording_server.started()
    assert len(started) == len({server.node for server in started}) == REPLICAS
    assert {server.flag("--memory-budget") for server in started} == {str(MEMORY // 2)}
    assert {server.flag("--model-threads") for server in started} == {"3"}
    rows, expected = np.load(FOLDER / "all.npy"), np.load(FOLDER / "expected.npy")

    with tensorferry.Client(address, timeout=TIMEOUT_S) as client:
        for dtype in (">f4", "bool", "complex128", ml_dtypes.bfloat16):
            receipt = client.convert(np.arange(-3, 3).astype(dtype))
            assert receipt.dtype_equal and receipt.digest_equal, receipt
        large = np.random.default_rng(0).normal(size=2 << 20)  # It goes over a stream, in chunks.
        assert client.convert(large).digest_equal
        (outputs,) = client.infer("mlp", {"input": rows}).values()
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
        assert {"identity", "mlp"} <= {model.name for model in client.models()}

        with pytest.raises(tensorferry.TensorferryError) as refused:
            client.infer("absent", {"input": rows})
        assert refused.value.code == grpc.StatusCode.NOT_FOUND
        assert refused.value.reason == "MODEL_NOT_FOUND"  # It travels in the details.

    os.kill(started[0].pid, signal.SIGKILL)
    recording_server.wait_for(REPLICAS + 1)  # Ray Serve replaces a replica whose server is gone.

    os.kill(started[1].actor, signal.SIGKILL)
    wait_until(lambda: ended(started[1].pid), "a server has outlived its replica")
    recording_server.wait_for(REPLICAS + 2)

    serve.shutdown()
    recording_server.wait_for_the_end()
