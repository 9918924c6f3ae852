"""What the module computes, from the example and from others: what exported models are compared with."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from tensorferry._exporting import examples
from tensorferry._exporting.comparison import difference, growth
from tensorferry._exporting.evaluation import Evaluation, ModuleError
from tensorferry._exporting.examples import Tensors
from tensorferry._exporting.notices import warn

_EXAMPLE = "the example"

DEPENDS_ON_VALUES = (
    "depends on the inputs' values, which a model's configuration cannot say. Fill the output up to one "
    "shape, and give what was filled as another output"
)


class Case(NamedTuple):
    what: str  # For error texts.
    inputs: Tensors
    expected: Tensors

    def rows(self) -> int:
        """Returns the number of rows of the inputs, which have at least one dimension."""
        return len(next(iter(self.inputs.values())))


def cases_of_values(evaluation: Evaluation, example: Tensors) -> list[Case]:
    """The example, and others of the same shapes as far as the module takes them."""
    expected = evaluation.run_twice(example, _EXAMPLE)
    cases = [Case(_EXAMPLE, example, expected)]
    for what, inputs in examples.other_values(example):
        try:
            outputs = evaluation.run_twice(inputs, what)
        except ModuleError:
            continue  # It has its reasons: not all values make sense.
        _check_outputs(outputs, expected, what, first_dim=0)
        cases.append(Case(what, inputs, outputs))
    _check_exchanged(evaluation, example, expected, first_dim=0)
    return cases


def _check_exchanged(evaluation: Evaluation, example: Tensors, expected: Tensors, first_dim: int) -> None:
    """Refuses outputs whose shapes depend on a mask. Their values say nothing: all may be masked."""
    what = "the example with 0 and 1 exchanged"
    inputs = {name: examples.exchanged(tensor) for name, tensor in example.items()}
    try:
        outputs = evaluation.run(inputs, what)
    except ModuleError:
        return  # Not all values make sense.
    _check_outputs(outputs, expected, what, first_dim)


def cases_of_rows(evaluation: Evaluation, example: Tensors, most: int) -> list[Case]:
    """The example, rows alone, and rows together, `most` of them at most.

    Raises:
        ValueError: A row's outputs depend on its neighbours, or there is not one for each row.
    """
    expected = evaluation.run_twice(example, _EXAMPLE)
    number = len(next(iter(example.values())))
    _check_batch(expected, expected, number, _EXAMPLE)
    _check_exchanged(evaluation, example, expected, first_dim=1)
    rows, alone = _rows_alone(evaluation, example, expected)
    cases = [Case(_EXAMPLE, example, expected), *alone]
    first = Case(_EXAMPLE, {}, {name: output[:1] for name, output in expected.items()})
    _check_rows(evaluation, first, [alone[0]])
    for picked in _batches(most):
        what = f"{len(picked)} rows together"
        inputs = examples.take_rows(rows, picked)
        try:
            outputs = evaluation.run_twice(inputs, what) if len(picked) < 4 else evaluation.run(inputs, what)
        except ModuleError as error:
            raise ValueError(
                f"dynamic_batch: {error}. The model must take 1 to {most} rows: leave dynamic_batch out, or "
                "set max_batch_size"
            ) from error
        _check_batch(outputs, expected, len(picked), what)
        cases.append(Case(what, inputs, outputs))
        _check_rows(evaluation, cases[-1], [alone[row] for row in picked])
    return cases


def _batches(most: int) -> Iterator[list[int]]:
    """The rows of each batch, out of three: so mixed that each has each other beside it."""
    if most >= 2:
        yield [1, 0]
    if most >= 3:
        yield [0, 1, 2]
    if most > 3:
        yield random.Random(0).choices([0, 1, 2], k=most)


def _rows_alone(evaluation: Evaluation, example: Tensors, expected: Tensors) -> tuple[Tensors, list[Case]]:
    """Three rows and what the module makes of each; the example's own where it takes no others."""
    try:
        rows: Tensors = examples.other_rows(example)
        alone = _alone(evaluation, rows, expected)
    except ModuleError:
        rows = examples.example_rows(example)
        try:
            alone = _alone(evaluation, rows, expected)
        except ModuleError as error:
            raise ValueError(
                f"dynamic_batch: {error}. The model must take a batch of one row: leave dynamic_batch out"
            ) from error
    if any(all(examples.have_same_bits(t[0], t[i]) for t in rows.values()) for i in (1, 2)):
        warn(
            "dynamic_batch: the rows of the example are equal, so that it cannot be seen whether a row's "
            "outputs depend on its neighbours; give an example of different rows"
        )
    return rows, alone


def _alone(evaluation: Evaluation, rows: Tensors, expected: Tensors) -> list[Case]:
    cases = []
    for i in range(3):
        what = "a row alone" if i else "the example's first row alone"
        inputs = examples.take_rows(rows, [i])
        outputs = evaluation.run_twice(inputs, what)
        _check_batch(outputs, expected, 1, what)
        cases.append(Case(what, inputs, outputs))
    return cases


def _check_batch(outputs: Tensors, expected: Tensors, rows: int, what: str) -> None:
    for name, output in outputs.items():
        if not output.dim():
            raise ValueError(f"dynamic_batch: output {name!r} has no dimension for the batch")
        if len(output) != rows:
            raise ValueError(
                f"dynamic_batch: output {name!r} has shape {tuple(output.shape)} for {what}, "
                f"expected {rows} in the first dimension: it is no batch"
            )
    _check_outputs(outputs, expected, what, first_dim=1)


def check_form(outputs: Tensors, expected: Tensors, what: str, why: str) -> None:
    """Refuses outputs that differ from the example's in more than shapes. `why`: what they depend on."""
    if list(outputs) != list(expected):
        raise ValueError(
            f"the module's outputs are {list(expected)} for the example, but {list(outputs)} for {what}"
        )
    for name, output in outputs.items():
        other = expected[name]
        if output.dtype != other.dtype or output.dim() != other.dim():
            raise ValueError(
                f"output {name!r} is {other.dtype} with {other.dim()} dimensions for the example, but "
                f"{output.dtype} with {output.dim()} for {what}: it depends on the inputs' {why}, "
                "and a model's configuration has one dtype and one number of dimensions"
            )


def _check_outputs(outputs: Tensors, expected: Tensors, what: str, first_dim: int) -> None:
    check_form(outputs, expected, what, "values")
    for name, output in outputs.items():
        other = expected[name]
        if output.shape[first_dim:] != other.shape[first_dim:]:
            raise ValueError(
                f"output {name!r} has shape {tuple(other.shape)} for the example, but {tuple(output.shape)} "
                f"for {what}: it {DEPENDS_ON_VALUES}"
            )


def _check_rows(evaluation: Evaluation, batch: Case, alone: Sequence[Case]) -> None:
    for name, output in batch.expected.items():
        rows = torch.cat([row.expected[name] for row in alone])
        # Another number of rows may choose another kernel, which rounds the last bits differently.
        if found := difference(output, rows, evaluation.tolerances, growth(rows)):
            raise ValueError(
                f"dynamic_batch: output {name!r} of a row depends on the rows beside it: that of "
                f"{batch.what} was compared with what the module gives for each row alone: {found}. "
                "The first dimension must be a batch of rows that have nothing to do with each other: leave "
                "dynamic_batch out; or if that is close enough, allow it with rtol= and atol="
            )
