"""From a module to a version in a repository, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from tensorferry._exporting.arguments import check_batch, named_examples
from tensorferry._exporting.comparison import Tolerances, check_tolerances, compare
from tensorferry._exporting.config import config
from tensorferry._exporting.evaluation import evaluated
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
    dynamic_batch = options.dynamic_batch
    examples = named_examples(module, example_inputs)
    if dynamic_batch:
        check_batch(examples, options.max_batch_size)
    rows = options.max_batch_size if dynamic_batch else 0
    with evaluated(module), torch.no_grad():
        expected = named_outputs(module(**examples))
        inputs = [spec(name, tensor, dynamic_batch) for name, tensor in examples.items()]
        outputs = [spec(name, tensor, dynamic_batch) for name, tensor in expected.items()]
        text = config(options.format, inputs, outputs, rows)
        samples = {name: tensor[:1] if dynamic_batch else tensor for name, tensor in examples.items()}
        with new_version(folder, text, samples) as (version, new):
            if options.format == "torchscript":
                file = new / "model.pt"
                exported = write_torchscript(module, examples, file)
            else:
                file = new / "model.pt2"
                signature = Signature(inputs, outputs, rows)
                exported = write_package(module, examples, file, signature, options.portable)
            compare(named_outputs(exported(**examples)), expected, options.tolerances, "the example")
            if dynamic_batch:
                compare(
                    named_outputs(exported(**samples)),
                    named_outputs(module(**samples)),
                    options.tolerances,
                    "its first row",
                )
    return folder / str(version) / file.name
