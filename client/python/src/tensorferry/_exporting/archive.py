"""A module as a program in an archive of torch.export's: operators to be run one by one, nothing compiled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tensorferry._exporting.comparison import Expected, compare
from tensorferry._exporting.evaluation import copied
from tensorferry._exporting.examples import resized
from tensorferry._exporting.job import Job
from tensorferry._exporting.notices import pass_on, recorded
from tensorferry._exporting.program import Way, exported_program, settled, ways_of
from tensorferry._exporting.signature import named_outputs

# A program checks the least size of a range if it is this or more; else it takes these sizes, too.
_LEAST_CHECKED = 3
_SMALL = (0, 1)


def write_archive(job: Job, file: Path) -> Job:
    """Writes what torch.export.save writes, with the names of inputs and outputs as extra/tensorferry.json.

    Returns the job with the ranges that the program has, and without what torch fixed of Dim.AUTO.
    """
    # Nobody fills batches up for a program, so that it has to take a single row.
    *ways, last = [way for way in ways_of(job) if way.least_rows == 1]
    with recorded() as seen:
        for way in (*ways, last):
            try:
                written = _written(job, way, file)
            except (RuntimeError, ValueError):
                if way is last:
                    raise
                continue
            break
    pass_on(seen)
    return written


def _written(job: Job, way: Way, file: Path) -> Job:
    program = exported_program(job, way)
    written = settled(job, program)
    _resolve(program.state_dict)
    _resolve(program.constants)
    torch.export.save(program, str(file), extra_files={"tensorferry.json": _metadata(written)})
    run = _load(file)
    written.check(run, written.cases)
    written.check_refusals(run)
    _check_small(written, run)
    return written


def _resolve(tensors: dict[str, Any]) -> None:
    """Has every tensor hold its own elements. An archive does not say that one is conjugated or negated, and
    gives it back as it lies in memory (findings/torch-export-conjugate-weights.sh)."""
    for name, tensor in tensors.items():
        if isinstance(tensor, torch.Tensor) and (tensor.is_conj() or tensor.is_neg()):
            plain = tensor.detach().resolve_conj().resolve_neg()
            is_parameter = isinstance(tensor, torch.nn.Parameter)
            tensors[name] = torch.nn.Parameter(plain, requires_grad=False) if is_parameter else plain


def _load(file: Path) -> Callable[..., Any]:
    """Runs the file with the checks of sizes that are a part of the program, and without those of its guards,
    which are Python."""
    return torch.export.load(str(file)).module(check_guards=False)


def _check_small(job: Job, run: Callable[..., Any]) -> None:
    """Refuses a program that answers otherwise than the module for the sizes 0 and 1. A program takes them
    unless its range begins with 3 or more, and may have been recorded for 2 and more
    (findings/torch-export-one-row-other-branch.sh)."""
    for dim in job.dims:
        for size in _SMALL if (dim.least or 0) < _LEAST_CHECKED else ():
            inputs = dict(job.cases[0].inputs)
            for name, number in dim.places:
                inputs[name] = resized(inputs[name], number, size)
            try:
                expected = named_outputs(job.module(**copied(inputs)))
                actual = named_outputs(run(**copied(inputs)))
            except Exception:  # Whatever says that this size is none.
                continue
            wanted = Expected(expected, f"{dim.label} = {size}", job.cases[0].expected)
            try:
                compare(actual, wanted, job.options.tolerances)
            except RuntimeError as error:
                raise ValueError(
                    f"dynamic_shapes: {error}. torch.export takes this size for none that there is, and the "
                    "program runs it all the same. Let the range begin with 3, or use format='torchscript'"
                ) from error


def _metadata(job: Job) -> str:
    signature = job.signature()
    return json.dumps(
        {
            "inputs": [spec._asdict() for spec in signature.inputs],
            "outputs": [spec._asdict() for spec in signature.outputs],
            "torch": torch.__version__,
        }
    )
