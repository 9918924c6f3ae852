"""From a module to a version in a repository, step by step."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from tensorferry._exporting.arguments import check_batch, check_module, check_options, named_examples
from tensorferry._exporting.cases import cases_of_rows, cases_of_values
from tensorferry._exporting.config import config
from tensorferry._exporting.evaluation import Evaluation, evaluated
from tensorferry._exporting.job import Job, Options
from tensorferry._exporting.repository import checked_folder, new_version
from tensorferry._exporting.signature import Signature, spec
from tensorferry._exporting.torchscript import write_torchscript


def write_version(
    module: torch.nn.Module,
    example_inputs: Sequence[torch.Tensor] | Mapping[str, torch.Tensor],
    path: str | os.PathLike[str],
    options: Options,
) -> Path:
    """Returns the model file."""
    check_options(options)
    check_module(module)
    folder = checked_folder(path)
    example = named_examples(module, example_inputs)
    if options.dynamic_batch:
        check_batch(example, options.max_batch_size)
    with evaluated(module) as own, torch.no_grad(), torch.random.fork_rng(devices=[]):
        job = _prepared(own, example, options)
        batched = options.dynamic_batch
        samples = {name: tensor[:1] if batched else tensor for name, tensor in example.items()}
        with new_version(folder, config(options.format, job.signature), samples) as (version, new):
            if options.format == "torchscript":
                file = new / "model.pt"
                write_torchscript(job, file)
            else:
                from tensorferry._exporting.package import write_package  # Only this takes torch's compiler.

                file = new / "model.pt2"
                write_package(job, file)
    return folder / str(version) / file.name


def _prepared(module: torch.nn.Module, example: Mapping[str, torch.Tensor], options: Options) -> Job:
    evaluation = Evaluation(module, options.tolerances)
    batched = options.dynamic_batch
    if batched:
        cases = cases_of_rows(evaluation, example, options.max_batch_size)
    else:
        cases = cases_of_values(evaluation, example)
    inputs = [spec(name, tensor, batched) for name, tensor in example.items()]
    outputs = [spec(name, tensor, batched) for name, tensor in cases[0].expected.items()]
    signature = Signature(inputs, outputs, options.max_batch_size if batched else 0)
    return Job(module, evaluation.result, cases, signature, options)
