"""Archives of torch 2.6 to 2.8, whose weights are pickled, are served like those of later versions, or refused."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import exported_suite
import older_archives
import oracle
from exported_calls import CALLS, MEMORY
from exported_networks import NETWORKS
from exported_program import Program, floats, seeded
from exported_sizes import FLOW
from harness import Server, connect_stub
from served_models import cached_export, entries_of, first_versions, from_elements, listed, serving_alone, zipped
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub


class Buffer(nn.Module):
    """Gives back a buffer of a dtype."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.register_buffer("kept", from_elements(name, (3, 4), oracle.random_bytes(name, 12)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + 1, self.kept.clone()


class Kept(nn.Module):
    """Weights that lie in memory in other ways than the one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.turned = nn.Parameter(floats(4, 3).t())
        self.fixed = nn.Parameter(floats(4), requires_grad=False)
        self.register_buffer("cut", floats(9)[2:6])
        self.register_buffer("empty", torch.zeros(0, 4))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        self.calls.add_(1)
        return x @ self.turned.t(), torch.cat([x * self.cut + self.fixed, self.empty]), self.calls


PROGRAMS: dict[str, Program] = {
    **NETWORKS,
    **MEMORY,
    **CALLS,
    **FLOW,
    "kept": Program(seeded(Kept), (floats(5, 4),)),
    **{f"buffer-{name}": Program(partial(Buffer, name), (floats(3),)) for name in oracle.ALL},
}


def save_all(folder: Path) -> None:
    for name, program in PROGRAMS.items():
        exported = exported_suite.export(program)
        for form in older_archives.FORMS:
            older_archives.save(exported, folder / f"{name}.torch-{form}.pt2", form)


@pytest.fixture(scope="module")
def folder() -> Path:
    return cached_export(exported_suite.sources() + Path(older_archives.__file__).read_text(), save_all)


@pytest.fixture(scope="module")
def stub(folder: Path) -> Iterator[TensorServiceStub]:
    with serving_alone(folder) as connected:
        yield connected


@pytest.fixture(scope="module")
def models(stub: TensorServiceStub) -> Mapping[str, pb.ModelInfo]:
    return first_versions(stub)


@pytest.mark.filterwarnings("ignore")  # torch's words about the older form.
@pytest.mark.parametrize("form", older_archives.FORMS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_outputs_are_pytorchs(
    name: str, form: str, stub: TensorServiceStub, folder: Path, models: Mapping[str, pb.ModelInfo]
) -> None:
    model = f"{name}.torch-{form}"
    answers = exported_suite.run(folder / f"{model}.pt2", PROGRAMS[name])
    exported_suite.check(stub, models[model], PROGRAMS[name], answers)


def test_the_only_result_of_a_branch_may_be_a_list_of_one(folder: Path, tmp_path: Path) -> None:
    """torch 2.6 wrote it so; later versions of torch do not load that."""
    file = folder / "branch.torch-2.7.pt2"
    members = entries_of(file)
    program = json.loads(members["serialized_exported_program.json"])
    (branch,) = (node for node in program["graph_module"]["graph"]["nodes"] if node["target"].endswith(".cond"))
    branch["outputs"] = [{"as_tensors": [output["as_tensor"]]} for output in branch["outputs"]]
    members["serialized_exported_program.json"] = json.dumps(program).encode()
    (tmp_path / "branch.pt2").write_bytes(zipped(members))
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        answers = exported_suite.run(file, PROGRAMS["branch"])
        exported_suite.check(stub, listed(stub)["branch"]["1"], PROGRAMS["branch"], answers)


class Calls:
    """Unpickling it calls a function."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self.call


class Marked(Tensor):
    """A class of tensors of its own."""


def torch_pickle(tensors: object) -> bytes:
    """The instructions that torch.save writes."""
    file = io.BytesIO()
    torch.save(tensors, file)
    return next(part for name, part in entries_of(file.getvalue()).items() if name.endswith("/data.pkl"))


# What stands in the place of the dictionary of weights, and words of the refusal.
REFUSED = {
    "a-list": (pickle.dumps([1, 2], protocol=2), "the instruction 0x5d is not one of tensors"),
    "a-number": (pickle.dumps({"weight": 3}, protocol=2), "'weight' is no tensor"),
    "no-dictionary": (pickle.dumps(None, protocol=2), "what should be a dictionary is something else"),
    "cut": (torch_pickle({"weight": floats(2, 3), "bias": floats(2)})[:100], "it ends too early"),
    "another-class": (torch_pickle({"weight": floats(2, 3).as_subclass(Marked)}), "_rebuild_from_type_v2"),
    "sparse": (torch_pickle({"weight": floats(2, 3).to_sparse()}), "_get_layout"),
    "conjugated": (torch_pickle({"weight": torch.complex(floats(2), floats(2)).conj()}), "conjugated or negated"),
    "another-member": (torch_pickle({"weight": floats(2, 3)}).replace(b"X\x01\0\0\x000", b"X\x01\0\0\x009"), "data/9"),
    "another-size": (torch_pickle({"weight": floats(200, 3), "bias": floats(2)}), "lie outside of its file"),
}


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("linear") / "linear.pt2"
    older_archives.save(torch.export.export(nn.Linear(3, 2), (floats(2, 3),)), file, "2.7")
    return file.read_bytes()


def refusal(content: bytes, instructions: bytes, folder: Path) -> str:
    """Why the file is not served with this pickle in it."""
    (folder / "model.pt2").write_bytes(older_archives.with_pickle(content, instructions))
    with Server("--model-dir", f"{folder}") as server, connect_stub(server.address) as stub:
        model = listed(stub)["model"]["1"]
        assert model.state == pb.MODEL_STATE_UNAVAILABLE
        return model.reason


@pytest.mark.parametrize("case", REFUSED)
def test_pickles_of_anything_else_are_refused(case: str, linear: bytes, tmp_path: Path) -> None:
    instructions, words = REFUSED[case]
    assert words in refusal(linear, instructions, tmp_path)


def test_no_code_in_a_pickle_is_run(linear: bytes, tmp_path: Path) -> None:
    mark = tmp_path / "was-run"
    instructions = pickle.dumps({"weight": Calls(eval, f"open({str(mark)!r}, 'w')")}, protocol=2)
    assert "it calls '__builtin__ eval', and this server runs no code" in refusal(linear, instructions, tmp_path)
    assert not mark.exists()
    pickle.loads(instructions)
    assert mark.exists(), "Python would have run it"


def test_a_program_of_torch_2_5_is_refused_by_the_number_of_its_schema(linear: bytes, tmp_path: Path) -> None:
    members = entries_of(linear)
    program = json.loads(members["serialized_exported_program.json"])
    program["schema_version"], program["torch_version"] = {"major": 7, "minor": 3}, "2.5.1"
    members["serialized_exported_program.json"] = json.dumps(program).encode()
    (tmp_path / "model.pt2").write_bytes(zipped(members))
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        reason = listed(stub)["model"]["1"].reason
    assert "its schema version is 7.3, and this server reads 8.x" in reason and "'2.5.1' wrote it" in reason
