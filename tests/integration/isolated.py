"""Servers whose models run in worker processes, and what can be seen of these through /proc."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from harness import Server, becomes_true, connect_stub
from served_models import check_outputs, infer
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import convert_unary

ISOLATED = 'parameters { key: "isolation" value { string_value: "process" } }\n'


def children(pid: int) -> list[int]:
    """The processes that a process has started and not yet reaped, in whatever thread."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # The thread may end meanwhile.
            found += [int(child) for child in (task / "children").read_text().split()]
    return sorted(found)


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@contextmanager
def serving(root: Path, *flags: str) -> Iterator[tuple[Server, TensorServiceStub]]:
    with Server("--model-dir", str(root), *flags) as server, connect_stub(server.address) as stub:
        yield server, stub
        workers = children(server.pid)
        assert (server.stop() if server.alive() else server.process.returncode) == 0
        assert becomes_true(lambda: not any(exists(worker) for worker in workers))


def plus_one_is_served(stub: TensorServiceStub, model: str = "model") -> None:
    x = torch.arange(6.0).reshape(2, 3)
    check_outputs(convert_unary(stub, infer(model, {"x": x})), {"OUTPUT__0": x + 1})
