"""From a module to a version in a repository, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tensorferry._exporting.arguments import check_batch, named_examples
from tensorferry._exporting.cases import Case, cases_of_rows, cases_of_values
from tensorferry._exporting.comparison import Tolerances, check_tolerances, compare
from tensorferry._exporting.config import config
from tensorferry._exporting.evaluation import Evaluation, copied, evaluated
from tensorferry._exporting.notices import last_line
from tensorferry._exporting.package import write_package
from tensorferry._exporting.repository import new_version
from tensorferry._exporting.signature import Signature, named_outputs, spec
from tensorferry._exporting.torchscript import write_torchscript


class Options(NamedTuple):
    """The arguments of export that say how."""

    format: str
    dynamic_batch: bool
    max_batch_size: int
    portable: bool
    tolerances: Tolerances
    allow_tracer_warnings: bool


def write_version(
    module: torch.nn.Module,
    example_inputs: Sequence[torch.Tensor] | Mapping[str, torch.Tensor],
    folder: Path,
    options: Options,
) -> Path:
    """Returns the model file."""
    if options.format not in ("aotinductor", "torchscript"):
        raise ValueError(f"format {options.format!r}: expected 'aotinductor' or 'torchscript'")
    if options.max_batch_size < 1:
        raise ValueError(f"max_batch_size {options.max_batch_size}: expected at least 1")
    check_tolerances(options.tolerances)
    example = named_examples(module, example_inputs)
    if options.dynamic_batch:
        check_batch(example, options.max_batch_size)
    with evaluated(module) as own, torch.no_grad(), torch.random.fork_rng(devices=[]):
        evaluation = Evaluation(own, options.tolerances)
        if options.dynamic_batch:
            cases = cases_of_rows(evaluation, example, options.max_batch_size)
        else:
            cases = cases_of_values(evaluation, example)
        return _write(own, cases, folder, options)


def _write(module: torch.nn.Module, cases: Sequence[Case], folder: Path, options: Options) -> Path:
    example = cases[0]
    batched = options.dynamic_batch
    inputs = [spec(name, tensor, batched) for name, tensor in example.inputs.items()]
    outputs = [spec(name, tensor, batched) for name, tensor in example.expected.items()]
    signature = Signature(inputs, outputs, options.max_batch_size if batched else 0)
    samples = {name: tensor[:1] if batched else tensor for name, tensor in example.inputs.items()}
    # Rows that differ from each other, where there are any.
    traced = max(cases, key=lambda case: batched and len(next(iter(case.inputs.values()))) in (2, 3)).inputs
    with new_version(folder, config(options.format, signature), samples) as (version, new):
        if options.format == "torchscript":
            file = new / "model.pt"
            exported = write_torchscript(module, traced, file, options.allow_tracer_warnings)
        else:
            file = new / "model.pt2"
            exported = write_package(module, traced, file, signature, options.portable)
        for case in cases:
            compare(_run(exported, case), case.expected, options.tolerances, case.what)
    return folder / str(version) / file.name


def _run(exported: Callable[..., Any], case: Case) -> Mapping[str, torch.Tensor]:
    try:
        return named_outputs(exported(**copied(case.inputs)))
    except RuntimeError as error:
        raise RuntimeError(
            f"the exported model fails for {case.what}, where the module does not: {last_line(error)}"
        ) from error
