"""TorchScript files are served in the mode in which they were saved, evaluation or training, as PyTorch runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harness import Server, connect_stub
from served_models import Plus, check_outputs, infer, listed
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import convert_unary

X = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))


class Parts(nn.Module):
    """What it computes depends on the mode of each part, and not on chance."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.dropout = nn.Dropout(1.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.norm(x), self.dropout(x), x * 2 if self.training else x


def module(training: bool, *, dropout: bool | None = None) -> nn.Module:
    made = Parts().train(training)
    if dropout is not None:
        made.dropout.train(dropout)
    return made


MODULES = {
    "evaluation": module(False),
    "training": module(True),
    "training-in-part": module(False, dropout=True),
    "evaluation-in-part": module(True, dropout=False),
}
FREEZE = 'parameters { key: "FREEZE" value { string_value: "true" } }'


def save(folder: Path, saved: nn.Module, config: str = "") -> Path:
    """Saves a module in the mode that it is in."""
    file = folder / "1" / "model.pt"
    file.parent.mkdir(parents=True)
    torch.jit.script(saved).save(str(file))
    if config:
        (folder / "config.pbtxt").write_text(config)
    return file


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    for name, saved in MODULES.items():
        save(folder / name, saved)
    for name, config in {"whatever-mode": "", "whatever-mode-frozen": FREEZE}.items():
        save(folder / name, Plus(1).train(), config)
    save(folder / "frozen", MODULES["evaluation"], FREEZE)
    save(folder / "frozen-in-training", MODULES["training"], FREEZE)
    return folder


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    with Server("--model-dir", f"{root}", "--model-threads", "1") as running:
        yield running
        assert running.alive(), running.log()


@pytest.fixture(scope="module")
def stub(server: Server) -> Iterator[TensorServiceStub]:
    with connect_stub(server.address) as connected:
        yield connected


@pytest.mark.parametrize("name", [*MODULES, "frozen"])
def test_a_file_runs_in_its_own_mode(name: str, root: Path, stub: TensorServiceStub) -> None:
    torch.set_num_threads(1)
    loaded = torch.jit.load(root / name / "1" / "model.pt")
    for x in (X, X + 1):  # The second run shows what the first has left in the running statistics.
        with torch.inference_mode():
            expected = {f"OUTPUT__{i}": output for i, output in enumerate(loaded(x.clone()))}
        check_outputs(convert_unary(stub, infer(name, {"x": x})), expected)


@pytest.mark.parametrize("name", ["whatever-mode", "whatever-mode-frozen"])
def test_a_module_that_does_not_heed_its_mode_is_served_anyway(name: str, stub: TensorServiceStub) -> None:
    check_outputs(convert_unary(stub, infer(name, {"x": X})), {"OUTPUT__0": X + 1})


def test_the_log_says_which_files_are_in_training_mode(server: Server, stub: TensorServiceStub) -> None:
    lines = [line for line in server.log().splitlines() if "saved in training mode, and is served so" in line]
    for name in ("training", "training-in-part", "evaluation-in-part"):
        assert len([line for line in lines if f"model {name}:" in line]) == 1
    assert len(lines) == 3, "a module that does not heed its mode is none of them"


def test_a_file_in_training_mode_cannot_be_frozen(stub: TensorServiceStub) -> None:
    info = listed(stub)["frozen-in-training"]["1"]
    assert info.state == pb.MODEL_STATE_UNAVAILABLE
    assert "parameter FREEZE is true, but the file was saved in training mode" in info.reason
