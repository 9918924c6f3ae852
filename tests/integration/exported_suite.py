"""All programs of torch.export that the engine for them is asked to run, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import exported_modules
import random_graphs
from exported_calls import CALLS, MEMORY
from exported_networks import NETWORKS
from exported_operators import CONVERSIONS, DTYPES, OPERATORS
from exported_program import Program
from exported_sizes import FLOW, SIZES
from served_models import dtype_name, elements, infer
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import convert_unary

MODULES = {
    f"nn-{name}": Program(exported_modules.makes(name), example.inputs)
    for name, example in exported_modules.EXAMPLES.items()
}


def _random(seed: int) -> Program:
    module, inputs = random_graphs.random_graph(seed)
    return Program(lambda: module, tuple(inputs))


RANDOM = {f"random-{seed}": _random(seed) for seed in range(60)}

PROGRAMS: dict[str, Program] = {
    **NETWORKS, **MEMORY, **CALLS, **SIZES, **FLOW, **DTYPES, **CONVERSIONS, **OPERATORS, **MODULES, **RANDOM
}  # fmt: skip


def export(program: Program) -> torch.export.ExportedProgram:
    with torch.no_grad():
        return torch.export.export(
            program.make(),
            program.inputs,
            dict(program.keywords) or None,
            dynamic_shapes=program.shapes,
            prefer_deferred_runtime_asserts_over_guards=True,
        )


def sources() -> str:
    """The text of what the programs are made of."""
    files = [*Path(__file__).parent.glob("exported_*.py"), Path(random_graphs.__file__)]
    return "".join(file.read_text() for file in sorted(files))


def save_all(folder: Path, names: Iterable[str] = PROGRAMS) -> None:
    """Writes NAME.pt2 for each program, as torch.export.save does."""
    for name in names:
        torch.export.save(export(PROGRAMS[name]), folder / f"{name}.pt2")


def tensors(tree: Any) -> list[Tensor]:
    """Those of arguments or results, however they are nested."""
    return [leaf for leaf in torch.utils._pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]


def _results(tree: Any) -> list[Tensor]:
    """A number among the results is a tensor without dimensions to a caller."""
    leaves = torch.utils._pytree.tree_leaves(tree)
    dtypes = {bool: torch.bool, int: torch.int64, float: torch.float64}
    return [
        leaf if isinstance(leaf, Tensor) else torch.tensor(leaf, dtype=dtypes[type(leaf)])
        for leaf in leaves
        if leaf is not None
    ]


def plain(tensor: Tensor) -> Tensor:
    return tensor.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)


def check(stub: TensorServiceStub, model: pb.ModelInfo, program: Program, answers: list[list[Tensor]]) -> None:
    """The model of the server is READY, and answers each question so, bit for bit."""
    assert (model.state, model.platform) == (pb.MODEL_STATE_READY, "exported"), model.reason
    for (arguments, keywords), expected in zip(program.questions(), answers, strict=True):
        inputs = [plain(tensor) for tensor in tensors((arguments, dict(keywords)))]
        named = {spec.name: tensor for spec, tensor in zip(model.inputs, inputs, strict=True)}
        outcome = convert_unary(stub, infer(model.name, named))
        assert outcome.refusal is None, outcome.refusal
        for output, wanted in zip(outcome.outputs, map(plain, expected), strict=True):
            assert output.metadata.dtype == dtype_name(wanted)
            assert tuple(output.metadata.shape) == tuple(wanted.shape)
            assert output.data == elements(wanted)


def run(file: Path, program: Program) -> list[list[Tensor]]:
    """What PyTorch computes with the same file for each question, on one thread, from aligned inputs."""
    return run_module(torch.export.load(str(file)).module(), program)


def run_module(module: Callable[..., Any], program: Program) -> list[list[Tensor]]:
    def copied(tree: Any) -> Any:
        return torch.utils._pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, tree)

    torch.set_num_threads(1)
    with torch.no_grad():
        return [
            _results(module(*copied(arguments), **copied(dict(keywords))))
            for arguments, keywords in program.questions()
        ]
