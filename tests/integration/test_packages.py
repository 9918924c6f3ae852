"""The libraries of packages: what a server takes of the machine for them, and what they need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import compiled
from compiled import (
    counting_package,
    laid_inputs,
    laid_package,
    package_that_needs_libtorch,
    package_without_library,
    related_inputs,
)
from harness import MIB, Server, becomes_true, connect_stub
from served_models import check_outputs, infer, listed, put, put_bytes, put_file, run_in_python
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import convert_unary

POLL = ["--model-control", "poll", "--model-poll-interval", "50ms"]
X = torch.arange(4.0).reshape(1, 4)


ONE_EXECUTOR = "max_batch_size: 64 instance_group { count: 1 kind: KIND_CPU }"


def counted(stub: TensorServiceStub, model: str) -> int:
    outcome = convert_unary(stub, infer(model, {"KWARGS[x]": X.repeat(2, 1)}))
    assert outcome.refusal is None, outcome.refusal
    return int(torch.frombuffer(bytearray(outcome.outputs[0].data), dtype=torch.float32)[0] - X[0, 0])


def libraries(server: Server) -> set[str]:
    """The libraries of packages that the server has in its memory."""
    maps = Path(f"/proc/{server.pid}/maps").read_text()
    return set(re.findall(r"\S*/tensorferry-\w+/\S+\.so\S*", maps))


def test_a_library_that_is_loaded_again_takes_no_more_memory(tmp_path: Path) -> None:
    """The weights are in the library, which the process cannot give back."""

    def swap(version: int) -> None:
        put_file(tmp_path / "counting", counting_package(), version=version)
        ready = {str(version): pb.MODEL_STATE_READY}
        assert becomes_true(lambda: {v: i.state for v, i in listed(stub).get("counting", {}).items()} == ready)
        counts.append(counted(stub, "counting"))

    counts: list[int] = []
    (tmp_path / "counting").mkdir()
    (tmp_path / "counting/config.pbtxt").write_text(ONE_EXECUTOR)
    with Server("--model-dir", f"{tmp_path}", *POLL) as server, connect_stub(server.address) as stub:
        for version in (1, 2):
            swap(version)
        rss = server.rss()
        for version in range(3, 13):
            swap(version)
        assert becomes_true(lambda: server.rss() - rss < 40 * MIB)
        assert len(libraries(server)) == 1
        assert len(set(counts)) == 1, "each version has a state of its own"


def test_models_of_one_library_have_state_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "other"):
        put_file(tmp_path / name, counting_package(), ONE_EXECUTOR)
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        first = counted(stub, "one")
        assert [counted(stub, "one") for _ in range(2)] == [first + 1, first + 2]
        assert [counted(stub, "other") for _ in range(2)] == [first, first + 1]
        assert counted(stub, "one") == first + 3
        assert len(libraries(server)) == 1


def test_runs_of_the_warm_up_and_of_other_executors_are_not_seen(tmp_path: Path) -> None:
    put_file(tmp_path / "counting", counting_package(), "max_batch_size: 64 instance_group { count: 2 kind: KIND_CPU }")
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        assert "2 executors have one set each" in server.log()
        assert counted(stub, "counting") == 1


def test_a_package_may_need_libtorch(tmp_path: Path) -> None:
    package = package_that_needs_libtorch()
    put_file(tmp_path / "softmax", package)
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        assert listed(stub)["softmax"]["1"].reason == ""
        outcome = convert_unary(stub, infer("softmax", {"ARGS[0]": x}))
    check_outputs(outcome, {"RESULT": run_in_python(package, x)["OUTPUT__0"]})


@pytest.mark.parametrize("sizes", [(2, 4, 5), (3, 6, 2)])
def test_inputs_have_the_strides_that_a_package_was_compiled_for(sizes: tuple[int, int, int], tmp_path: Path) -> None:
    """Elements arrive in C order, and torch in Python answers for tensors that lie as the example's did."""
    put_file(tmp_path / "laid", laid_package())
    inputs = laid_inputs(*sizes)
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        outcome = convert_unary(stub, infer("laid", {f"ARGS[{i}]": each for i, each in enumerate(inputs)}))
    check_outputs(outcome, {f"RESULT[{i}]": each for i, each in enumerate(compiled.Laid()(*inputs))})


def test_what_is_no_library_is_not_opened(tmp_path: Path) -> None:
    put_bytes(tmp_path / "broken/1/model.pt2", package_without_library())
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        info = listed(stub)["broken"]["1"]
    assert info.state == pb.MODEL_STATE_UNAVAILABLE
    assert info.reason.startswith("the library in the package is incomplete")


RELATED = ["x", "table", "double", "joined", "triples"]

# Each case changes sizes of the inputs of `Related`.
SIZES: dict[str, dict[str, int]] = {
    "as-exported": {},
    "longer": {"x": 5, "table": 50, "double": 10, "joined": 55, "triples": 30},
    "equal": {"x": 6, "double": 12, "joined": 12},
    "table-too-short": {"x": 7, "double": 14, "joined": 13},
    "not-double": {"double": 9},
    "not-joined": {"joined": 11},
    "no-whole-triples": {"triples": 13},
}


@pytest.fixture(scope="module")
def related(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TensorServiceStub]:
    root = tmp_path_factory.mktemp("repository")
    put_file(root / "related", compiled.related_package())
    with Server("--model-dir", f"{root}") as server, connect_stub(server.address) as stub:
        yield stub
        assert server.alive(), server.log()
        assert "nobody checks it" not in server.log()


@pytest.mark.parametrize("case", SIZES)
def test_sizes_that_do_not_fit_each_other_are_refused(case: str, related: TensorServiceStub) -> None:
    inputs = related_inputs(**SIZES[case])
    try:
        compiled.related_program()(*inputs)
        fits = True
    except (AssertionError, RuntimeError):
        fits = False
    sent = {f"ARGS[{place}]": x for place, x in enumerate(inputs)}
    outcome = convert_unary(related, infer("related", sent))
    if fits:
        results = run_in_python(compiled.related_package(), *inputs)
        check_outputs(outcome, {f"RESULT[{i}]": result for i, result in enumerate(results.values())})
        return
    assert outcome.refusal is not None
    assert outcome.refusal.reason == "INPUT_MISMATCH", outcome.refusal.message
    (changed,) = [name for name in reversed(SIZES[case]) if name not in ("double", "joined")] or SIZES[case]
    assert f"'ARGS[{RELATED.index(changed)}]'" in outcome.refusal.message
    assert "got " in outcome.refusal.message


def test_what_nobody_checks_is_told(tmp_path: Path) -> None:
    put_file(tmp_path / "cut", compiled.cut_package())
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        inputs = dict(zip(["ARGS[0]", "ARGS[1]"], related_inputs(), strict=False))
        check_outputs(
            convert_unary(stub, infer("cut", inputs)),
            {"RESULT": run_in_python(compiled.cut_package(), *inputs.values())["OUTPUT__0"]},
        )
        (line,) = [line for line in server.log().splitlines() if "nobody checks it" in line]
    assert "dimension 0 of 'ARGS[0]' and dimension 0 of 'ARGS[1]'" in line


class Twice(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.tensorferry_test.twice(x)


def test_an_operator_of_another_library_is_preloaded(tmp_path: Path) -> None:
    library = compiled.operator_library()
    torch.ops.load_library(str(library))
    put(tmp_path / "twice", Twice())
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        info = listed(stub)["twice"]["1"]
    assert info.state == pb.MODEL_STATE_UNAVAILABLE
    assert "tensorferry_test::twice" in info.reason
    assert "LD_PRELOAD" in info.reason
    preloaded = {"LD_PRELOAD": f"{library}"}
    with Server("--model-dir", f"{tmp_path}", environment=preloaded) as server, connect_stub(server.address) as stub:
        check_outputs(convert_unary(stub, infer("twice", {"x": X})), {"OUTPUT__0": Twice()(X)})
