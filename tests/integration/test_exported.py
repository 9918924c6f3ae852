"""What `tensorferry.export` writes is READY under its name, and answers with its module's values and names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import tensorferry
from harness import Server, connect_stub
from served_models import infer, listed
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import convert_unary

NAMES = ["a", "Z9", "a.b-c_d", "-", "_", "7", "1.5", "x.pt", "x.pt2", "warmup", "a" * 128]


class Pair(NamedTuple):
    zeta: Tensor
    alpha: Tensor


@dataclass
class Fields:
    zeta: Tensor
    alpha: Tensor


FORMS: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "namedtuple": Pair,
    "dataclass": Fields,
    "dictionary": lambda zeta, alpha: {"zeta": zeta, "alpha": alpha},
    # Some of these names end as places do; others need quoting.
    "odd-names": lambda zeta, alpha: {"b__1": zeta, 'a "b"\n\u00e9': alpha},
    "tuple": lambda zeta, alpha: (zeta, alpha),
}


class Formed(nn.Module):
    def __init__(self, form: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.form = form

    def forward(self, x: Tensor) -> Any:
        return self.form(x + 1, x * 2)


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TensorServiceStub]:
    root = tmp_path_factory.mktemp("repository")
    example = [torch.rand(2, 3)]
    for name in NAMES:
        tensorferry.export(nn.ReLU(), example, root / name, format="torchscript")
    for name, form in FORMS.items():
        with pytest.warns(UserWarning, match="was traced"):
            tensorferry.export(Formed(form), example, root / name, format="torchscript", dynamic_batch=True)
    with Server("--model-dir", f"{root}") as server, connect_stub(server.address) as connected:
        yield connected
        assert server.alive(), server.log()


def test_every_name_that_export_takes_is_ready(stub: TensorServiceStub) -> None:
    models = listed(stub)
    assert {name: models[name]["1"].state for name in NAMES} == dict.fromkeys(NAMES, pb.MODEL_STATE_READY)


@pytest.mark.parametrize("rows", [1, 3, 64])
@pytest.mark.parametrize("form", FORMS)
def test_outputs_of_every_form_have_their_names(form: str, rows: int, stub: TensorServiceStub) -> None:
    x = torch.rand(rows, 3)
    outcome = convert_unary(stub, infer(form, {"x": x}))
    assert outcome.refusal is None, outcome.refusal
    names = {"tuple": ["OUTPUT__0", "OUTPUT__1"], "odd-names": ["b__1", 'a "b"\n\u00e9']}.get(form, ["zeta", "alpha"])
    assert [output.metadata.name for output in outcome.outputs] == names
    for output, expected in zip(outcome.outputs, (x + 1, x * 2), strict=True):
        assert torch.equal(torch.frombuffer(bytearray(output.data), dtype=torch.float32).reshape(rows, 3), expected)
