"""All programs of torch.export that the engine for them is asked to run, by name."""

from __future__ import annotations

from collections.abc import Iterable
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


def run(file: Path, program: Program) -> list[list[Tensor]]:
    """What PyTorch computes with the same file for each question, on one thread, from aligned inputs."""

    def copied(tree: Any) -> Any:
        return torch.utils._pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, tree)

    torch.set_num_threads(1)
    module = torch.export.load(str(file)).module()
    with torch.no_grad():
        return [
            _results(module(*copied(arguments), **copied(dict(keywords))))
            for arguments, keywords in program.questions()
        ]
