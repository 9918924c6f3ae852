"""From a module to a version in a repository, step by step."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from tensorferry._exporting.archive import write_archive
from tensorferry._exporting.arguments import check_batch, check_module, check_options, named_examples
from tensorferry._exporting.cases import cases_of_rows, cases_of_values
from tensorferry._exporting.config import config
from tensorferry._exporting.config_merge import former_config, merged_config
from tensorferry._exporting.dims import OpenDim, open_dims
from tensorferry._exporting.evaluation import Evaluation, evaluated
from tensorferry._exporting.examples import Tensors, take_rows
from tensorferry._exporting.job import Job, Options
from tensorferry._exporting.repository import checked_folder, new_version
from tensorferry._exporting.sizes import cases_of_sizes
from tensorferry._exporting.summary import summary
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
    former_config(folder)  # One that cannot be read is refused before anything is compiled.
    example = named_examples(module, example_inputs)
    if options.dynamic_batch:
        check_batch(example, options.max_batch_size)
    dims = open_dims(options.dynamic_shapes, example, options.dynamic_batch)
    with evaluated(module) as own, torch.no_grad(), torch.random.fork_rng(devices=[]):
        job = _prepared(own, example, options, dims)
        with new_version(folder) as version:
            file = version.files / ("model.pt" if options.format == "torchscript" else "model.pt2")
            job = _written(job, file)
            version.samples = take_rows(example, [0]) if options.dynamic_batch else example
            version.written = config(options.format, job.signature(), version.samples)
            merged = merged_config(folder, version.written)
            version.config = merged.text
            if name := merged.model_file:
                file = file.rename(version.files / name)
            if not options.quiet:
                print(summary(folder.name, version.number, job, merged), file=sys.stderr, flush=True)
    return folder / str(version.number) / file.name


def _written(job: Job, file: Path) -> Job:
    """Returns the job as the file has it."""
    if job.options.format == "torchscript":
        write_torchscript(job, file)
        return job
    if job.options.format == "exported":
        return write_archive(job, file)
    from tensorferry._exporting.package import write_package  # Only this takes torch's compiler.

    return write_package(job, file)


def _prepared(module: torch.nn.Module, example: Tensors, options: Options, dims: Sequence[OpenDim]) -> Job:
    evaluation = Evaluation(module, options.tolerances)
    if options.dynamic_batch:
        cases = cases_of_rows(evaluation, example, options.max_batch_size)
    else:
        cases = cases_of_values(evaluation, example)
    result = evaluation.result
    # torch takes a dimension of 1 for one that never changes: two or three rows that differ are recorded.
    several = [case for case in cases if options.dynamic_batch and case.rows() in (2, 3)]
    base = several[-1] if several else cases[0]
    if not dims:
        return Job(module, result, cases, [], [], base.inputs, options)
    sized = cases_of_sizes(evaluation, base, dims)
    cases += sized.cases
    if options.dynamic_batch:
        alone = next(case for case in cases if case.rows() == 1)
        cases += cases_of_sizes(evaluation, alone, sized.dims).cases
    return Job(module, result, cases, sized.refused, sized.dims, sized.recorded.inputs, options)
