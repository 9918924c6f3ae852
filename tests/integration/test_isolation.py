"""Models in worker processes answer as in the server's own."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harness import becomes_true
from isolated import ISOLATED, children, plus_one_is_served, serving
from served_models import (
    ECHOED,
    ENGINES,
    FORMATS,
    Echo,
    Plus,
    add_exported,
    check_outputs,
    config_tensor,
    infer,
    listed,
    put,
    random_bits,
    run_in_python,
)
from wire import converse, convert_unary, request_part

DTYPES = [
    "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64",
    "complex64", "complex128", *(each for each in ECHOED if each not in ("bool", "uint16", "complex64")),
]  # fmt: skip


class Layouts(nn.Module):
    """Outputs that lie in memory in every way: views, expanded, transposed, conjugated, without elements, inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.arange(100_000.0).reshape(10, -1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {
            "transposed": (x + 1).t(),
            "part": (x * 2)[1:, ::3],
            "expanded": x[0, 0].expand(3, 4),
            "input": x,
            "buffer": self.kept,
            "part_of_buffer": self.kept[2:4].t(),
            "conjugated": torch.complex(x, x).conj(),
            "scalar": x.sum(),
            "empty": x[:0],
        }


def test_every_dtype_and_layout_is_as_in_the_servers_own_process(tmp_path: Path) -> None:
    for name in ("isolated", "plain"):
        config = ISOLATED if name == "isolated" else ""
        put(tmp_path / f"echo-{name}", Echo(), config)
        put(tmp_path / f"layouts-{name}", Layouts(), config)
    with serving(tmp_path) as (server, stub):
        assert len(children(server.pid)) == 2
        for dtype in DTYPES:
            empty = random_bits(dtype, 1, 3)[:0]
            for x in (empty, *(random_bits(dtype, *shape) for shape in ((), (5,), (300, 200)))):
                check_outputs(convert_unary(stub, infer("echo-isolated", {"x": x})), {"OUTPUT__0": x})
        for shape in ((3, 4), (200, 500)):
            message = infer("layouts-isolated", {"x": torch.randn(shape)})
            isolated = convert_unary(stub, message)
            message.model_name = "layouts-plain"
            plain = convert_unary(stub, message)
            assert plain.refusal is None
            assert isolated.refusal is None, isolated.refusal
            assert [(output.metadata, output.data) for output in isolated.outputs] == [
                (output.metadata, output.data) for output in plain.outputs
            ]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["perceptron", "images", "echoes"])
def test_all_engines_answer_as_pytorch_does(tmp_path: Path, name: str, format: str) -> None:
    file = add_exported(tmp_path, name, format)
    with serving(tmp_path, "--isolation", "process") as (server, stub):
        assert len(children(server.pid)) == 1
        assert listed(stub)[f"{name}-{format}"]["1"].platform == format
        inputs = ENGINES[name].inputs
        outcome = convert_unary(stub, infer(f"{name}-{format}", inputs))
        check_outputs(outcome, run_in_python(file, **inputs))


def test_answers_keep_their_values_while_the_worker_runs_on(tmp_path: Path) -> None:
    put(tmp_path / "model", Plus(1), ISOLATED)
    inputs = [torch.full((256, 256), float(number)) for number in range(64)]
    with serving(tmp_path) as (_, stub):
        outcomes, ended = converse(stub, [request_part(infer("model", {"x": x})) for x in inputs])
        assert ended is None
        for x, outcome in zip(inputs, outcomes, strict=True):
            check_outputs(outcome, {"OUTPUT__0": x + 1})


class Remembering(nn.Module):
    """Keeps its last input, and answers with the one before it."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.zeros(1, 40_000)

    def forward(self, x: Tensor) -> Tensor:
        before = self.last
        self.last = x
        return before


def test_a_model_may_keep_its_inputs_and_begins_as_its_file_has_it(tmp_path: Path) -> None:
    config = ISOLATED + config_tensor("input", "x", "TYPE_FP32", "1, 40000")  # Known sizes: it is warmed up.
    put(tmp_path / "model", Remembering(), config)
    inputs = [torch.zeros(1, 40_000), *(torch.rand(1, 40_000) for _ in range(8))]
    with serving(tmp_path) as (_, stub):
        for before, x in itertools.pairwise(inputs):
            check_outputs(convert_unary(stub, infer("model", {"x": x})), {"OUTPUT__0": before})


class Picking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.arange(10.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.table[x]


def test_an_error_of_the_model_is_as_in_the_servers_own_process(tmp_path: Path) -> None:
    put(tmp_path / "isolated", Picking(), ISOLATED)
    put(tmp_path / "plain", Picking())
    with serving(tmp_path) as (server, stub):
        (worker,) = children(server.pid)
        isolated, plain = (
            convert_unary(stub, infer(name, {"x": torch.tensor([99])})).refusal for name in ("isolated", "plain")
        )
        assert isolated.reason == "MODEL_FAILED"
        assert isolated.message == plain.message.replace("'plain'", "'isolated'")
        assert children(server.pid) == [worker]


def test_each_executor_has_a_process(tmp_path: Path) -> None:
    put(tmp_path / "one", Echo(), ISOLATED)
    put(tmp_path / "three", Echo(), ISOLATED + "instance_group { count: 3 kind: KIND_CPU }\n")
    put(tmp_path / "none", Echo(), ISOLATED.replace('"process"', '"none"'))
    with serving(tmp_path, "--isolation", "process") as (server, _):
        assert len(children(server.pid)) == 4


@pytest.mark.parametrize("value", ["", "PROCESS", "thread"])
def test_another_value_is_refused(tmp_path: Path, value: str) -> None:
    put(tmp_path / "model", Echo(), ISOLATED.replace('"process"', f'"{value}"'))
    with serving(tmp_path) as (_, stub):
        assert "parameter isolation is" in listed(stub)["model"]["1"].reason


class Printing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        print("a word of the model's")
        return x + 1


def test_what_a_model_prints_goes_to_the_log(tmp_path: Path) -> None:
    put(tmp_path / "model", Printing(), ISOLATED)
    with serving(tmp_path, "--log-level", "debug") as (server, stub):
        plus_one_is_served(stub)
        assert becomes_true(lambda: "a word of the model's" in server.log())
    assert server.trailing_stdout == ""
