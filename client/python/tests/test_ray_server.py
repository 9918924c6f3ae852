"""Servers beside actors of Ray: what they take, where their files are. `make test-fleet` has Ray itself."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest
from fake_server import serving

from tensorferry._ray_serve import Gateway
from tensorferry._ray_server import absolute, beside_actor, share
from tensorferry._server import Models, Server

GIB = 1 << 30
NODE = {"CPU": 64.0, "memory": 640.0 * GIB}


@pytest.mark.parametrize(
    ("assigned", "node", "threads", "model_threads", "memory"),
    [
        ({"CPU": 1.0}, NODE, 1, 1, 10 * GIB),
        ({"CPU": 2.0}, NODE, 1, 2, 20 * GIB),
        ({"CPU": 16.0, "memory": 8.0 * GIB}, NODE, 16, 16, 8 * GIB),
        ({"CPU": 2.5}, NODE, 3, 3, 25 * GIB),
        ({"CPU": 0.25}, NODE, 1, 1, 10 * GIB),
        ({}, NODE, 1, 1, 10 * GIB),
        ({}, {"CPU": 0.5, "memory": GIB}, 1, 1, GIB),
        ({"GPU": 1.0}, {"GPU": 1.0, "memory": GIB}, 1, 1, None),
        ({"CPU": 1.0}, {"CPU": 4.0}, 1, 1, None),
    ],
)
def test_a_server_takes_what_ray_has_given_the_actor(
    assigned: dict[str, float], node: dict[str, float], threads: int, model_threads: int, memory: int | None
) -> None:
    flags = share(assigned, node)
    expected = {"--threads": str(threads), "--model-threads": str(model_threads)}
    if memory is not None:
        expected |= {"--memory-budget": str(memory // 2), "--receive-budget": str(memory // 5)}
    assert dict(zip(flags[::2], flags[1::2])) == expected


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (None, None),
        ("models", "/job/models"),
        (Path("a/b"), "/job/a/b"),
        ("/shared/models", "/shared/models"),
        ({"x": "x.pt", "y": Path("/y.pt")}, {"x": "/job/x.pt", "y": "/y.pt"}),
    ],
)
def test_relative_paths_are_those_of_the_folder_of_the_job(models: Models, expected: Models) -> None:
    assert absolute(models, "/job") == expected


@pytest.mark.parametrize(
    ("environment", "expected"), [({}, "job"), ({"working_dir": "gcs://_ray_pkg_1.zip"}, "actor")]
)
def test_an_actors_server_has_the_files_of_the_job_or_those_that_ray_brings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, Any], expected: str
) -> None:
    program = "#!/bin/sh\necho $* >&2\necho tensorferry-server ready grpc=$0 admin=off\nexec sleep 600\n"
    for folder in ("job", "actor"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "server").write_text(program)
        (tmp_path / folder / "server").chmod(0o755)
    context = SimpleNamespace(
        runtime_env=environment, get_node_id=lambda: "b", get_assigned_resources=lambda: {"CPU": 8.0}
    )
    nodes = [{"NodeID": node, "Resources": NODE} for node in "ab"]
    ray = SimpleNamespace(get_runtime_context=lambda: context, nodes=lambda: nodes)
    monkeypatch.setitem(sys.modules, "ray", cast(Any, ray))

    monkeypatch.chdir(tmp_path / "job")
    make = beside_actor("models", ["--threads", "2"], "server")
    monkeypatch.chdir(tmp_path / "actor")
    server = make()
    with server as address:
        assert address == f"{tmp_path}/{expected}/server"
        assert f"--model-dir {tmp_path}/{expected}/models" in server.log()
        assert "--model-threads 8" in server.log()
        assert server.log().endswith("--threads 2\n")  # The last one is taken.


class Loading:
    """A server's health while it loads models, as of another server's that is started already."""

    def __init__(self, address: str) -> None:
        self._address = address

    def start(self) -> str:
        return self._address


def test_a_replica_is_not_healthy_while_its_server_loads_models() -> None:
    def check(request: bytes, _: grpc.ServicerContext) -> bytes:
        return b"\x08\x01" if request == b"" else b"\x08\x02"

    handler = grpc.unary_unary_rpc_method_handler(check)
    service = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})
    with serving(service) as address, pytest.raises(RuntimeError, match="does not serve"):
        asyncio.run(Gateway(lambda: cast(Server, Loading(address))).check_health())
