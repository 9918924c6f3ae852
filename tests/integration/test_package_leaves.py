"""Packages whose calls have leaves that are no tensors: the tensors alone are inputs and outputs, as in Python."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import served_models
from harness import Server, connect_stub
from served_models import check_outputs, config_tensor, infer, listed, put_file
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import convert_unary

X, Y = torch.arange(12.0).reshape(3, 4), torch.full((3, 4), 0.5)


class Attend(nn.Module):
    """Takes None between two tensors, and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor, mask: Tensor | None = None, bias: Tensor | None = None, scale: int = 1) -> Tensor:
        x = self.layer(x) * scale
        x = x if mask is None else x * mask
        return x if bias is None else x + bias


class Masked(nn.Module):
    """Takes None first."""

    def forward(self, mask: Tensor | None, x: Tensor, y: Tensor) -> Tensor:
        return x - y if mask is None else x * mask - y


class Heads(nn.Module):
    """Gives None first, and behind it a number."""

    def forward(self, x: Tensor) -> tuple[None, Tensor, int, Tensor]:
        return None, x + 1, 7, x.clone()


# For each package the module, its example, and the leaves of the example that are tensors.
PACKAGES: dict[str, tuple[type[nn.Module], tuple[object, ...], list[str]]] = {
    "attend": (Attend, (X, None, Y, 3), ["ARGS[0]", "ARGS[2]"]),
    "masked": (Masked, (None, X, Y), ["ARGS[1]", "ARGS[2]"]),
    "heads": (Heads, (X,), ["ARGS[0]"]),
}


def package(name: str) -> Path:
    make, example, _ = PACKAGES[name]

    def build(folder: Path) -> None:
        torch.manual_seed(0)
        program = torch.export.export(make().eval(), example)
        torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2"))

    return served_models.cached_export(f"leaves {inspect.getsource(make)} {example}", build) / "model.pt2"


def tensors(kind: str, *names: str) -> str:
    return "".join(config_tensor(kind, name, "TYPE_FP32", "3, 4") for name in names)


# Each case has a package, its configuration, and the names of its inputs.
SERVED: dict[str, tuple[str, str, list[str]]] = {
    "bare-attend": ("attend", "", ["ARGS[0]", "ARGS[2]"]),
    "bare-masked": ("masked", "", ["ARGS[0]", "ARGS[1]"]),  # The package does not tell, and the log says so.
    "by-leaf": ("attend", tensors("input", "ARGS[2]", "ARGS[0]"), ["ARGS[0]", "ARGS[2]"]),
    "by-leaf-masked": ("masked", tensors("input", "ARGS[1]", "ARGS[2]"), ["ARGS[1]", "ARGS[2]"]),
    "by-place": ("attend", tensors("input", "BIAS__2", "X__0"), ["X__0", "BIAS__2"]),
    "by-order": ("attend", tensors("input", "x", "bias"), ["x", "bias"]),
}

# Each case has a package, its configuration, and the reason why it cannot be served.
REFUSED: dict[str, tuple[str, str, str]] = {
    "no-tensor": (
        "attend",
        tensors("input", "ARGS[0]", "ARGS[1]"),
        "config.pbtxt: input 'ARGS[1]' is no tensor in the",
    ),
    "no-place": ("attend", tensors("input", "X__0", "M__1"), "input 'M__1' names a place where the model has no input"),
    "too-few": ("attend", tensors("input", "ARGS[0]"), "config.pbtxt has no input for the package's 'ARGS[2]'"),
    "no-output": ("heads", tensors("output", "RESULT[0]"), "config.pbtxt: output 'RESULT[0]' is no tensor in the"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("repository")
    for case, (name, config, _) in (SERVED | REFUSED).items():
        put_file(root / case, package(name), config)
    shutil.copy(package("heads"), root / "heads.pt2")
    put_file(root / "heads-by-leaf", package("heads"), tensors("output", "RESULT[3]", "RESULT[1]"))
    put_file(root / "heads-by-place", package("heads"), tensors("output", "LAST__3"))
    put_file(root / "heads-by-order", package("heads"), tensors("output", "first"))
    with Server("--model-dir", f"{root}") as running:
        yield running
        assert running.alive(), running.log()


@pytest.fixture(scope="module")
def stub(server: Server) -> Iterator[TensorServiceStub]:
    with connect_stub(server.address) as connected:
        yield connected


def in_python(name: str) -> list[Tensor | None]:
    """The leaves of what the package gives in Python for its own example."""
    torch.set_num_threads(1)
    result = torch._inductor.aoti_load_package(str(package(name)))(*PACKAGES[name][1])
    return [result] if isinstance(result, Tensor) else list(result)


@pytest.mark.parametrize("case", SERVED)
def test_the_tensors_alone_are_inputs(case: str, stub: TensorServiceStub) -> None:
    name, _, inputs = SERVED[case]
    info = listed(stub)[case]["1"]
    assert info.state == pb.MODEL_STATE_READY, info.reason
    assert {spec.name for spec in info.inputs} == set(inputs)
    example = [leaf for leaf in PACKAGES[name][1] if isinstance(leaf, Tensor)]
    outcome = convert_unary(stub, infer(case, dict(zip(inputs, example, strict=True))))
    (expected,) = in_python(name)
    check_outputs(outcome, {"RESULT": expected})


def test_the_tensors_alone_are_outputs(stub: TensorServiceStub) -> None:
    none, *results = in_python("heads")
    assert none is None
    assert [spec.name for spec in listed(stub)["heads"]["1"].outputs] == ["RESULT[1]", "RESULT[2]", "RESULT[3]"]
    named = {f"RESULT[{i}]": output for i, output in enumerate(results, start=1)}
    check_outputs(convert_unary(stub, infer("heads", {"ARGS[0]": X})), named)
    for case, names in {
        "heads-by-leaf": {"RESULT[3]": 3, "RESULT[1]": 1},
        "heads-by-place": {"LAST__3": 3},
        "heads-by-order": {"first": 1},
    }.items():
        wanted = {name: results[leaf - 1] for name, leaf in names.items()}
        check_outputs(convert_unary(stub, infer(case, {"ARGS[0]": X})), wanted)


def test_the_log_says_where_a_package_does_not_tell_its_tensors(server: Server, stub: TensorServiceStub) -> None:
    said = [line for line in server.log().splitlines() if "it does not tell for certain which" in line]
    assert any("model bare-masked: 2 of the 3 leaves" in line and "'ARGS[0]'" in line for line in said)
    assert not any("model by-leaf-masked" in line for line in said), "its configuration tells"


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_tensor_cannot_be_configured(case: str, stub: TensorServiceStub) -> None:
    info = listed(stub)[case]["1"]
    assert info.state == pb.MODEL_STATE_UNAVAILABLE
    assert REFUSED[case][2] in info.reason
