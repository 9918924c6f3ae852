"""Programs that `torch.export.save` wrote, served as they are, answer bit by bit as in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import exported_modules
import exported_suite
import oracle
from exported_suite import PROGRAMS
from served_models import cached_export, first_versions, serving_alone
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub


@pytest.fixture(scope="module")
def folder() -> Path:
    """A repository with a file for each program."""
    return cached_export(exported_suite.sources(), exported_suite.save_all)


@pytest.fixture(scope="module")
def stub(folder: Path) -> Iterator[TensorServiceStub]:
    with serving_alone(folder) as connected:
        yield connected


@pytest.fixture(scope="module")
def models(stub: TensorServiceStub) -> Mapping[str, pb.ModelInfo]:
    return first_versions(stub)


def test_each_module_of_torch_nn_has_a_program_or_a_reason() -> None:
    known = {*exported_modules.EXAMPLES, *exported_modules.LEFT_OUT}
    assert known == exported_modules.all_modules()


def test_the_random_programs_have_two_hundred_operators() -> None:
    used = {step.operator for name in exported_suite.RANDOM for step in PROGRAMS[name].make().steps}
    assert len(used) > 200


def test_there_are_programs_with_every_dtype() -> None:
    assert {f"dtype-{name}" for name in oracle.ALL} <= set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_outputs_are_pytorchs(
    name: str, stub: TensorServiceStub, folder: Path, models: Mapping[str, pb.ModelInfo]
) -> None:
    answers = exported_suite.run(folder / f"{name}.pt2", PROGRAMS[name])
    exported_suite.check(stub, models[name], PROGRAMS[name], answers)
