"""What is to be exported, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from tensorferry._exporting.cases import Case
from tensorferry._exporting.comparison import Expected, Tolerances, compare
from tensorferry._exporting.dims import OpenDim
from tensorferry._exporting.evaluation import copied
from tensorferry._exporting.examples import Tensors
from tensorferry._exporting.notices import last_line
from tensorferry._exporting.signature import Signature, named_outputs, spec
from tensorferry._exporting.surroundings import advice, as_served


class Options(NamedTuple):
    """The arguments of export that say how."""

    format: str
    dynamic_batch: bool
    max_batch_size: int
    portable: bool
    tolerances: Tolerances
    allow_tracer_warnings: bool
    dynamic_shapes: Any
    quiet: bool


class Job(NamedTuple):
    module: torch.nn.Module
    result: Any  # What the module returns for the example.
    cases: Sequence[Case]  # The first is the example.
    refused: Sequence[
        Case
    ]  # Inputs that the module does not take, because their sizes do not fit each other.
    dims: Sequence[OpenDim]  # Those that are open beside the batch.
    recorded: Tensors  # Inputs to run the module with while its operators are recorded.
    options: Options

    def signature(self) -> Signature:
        example = self.cases[0]
        batch = {0} if self.options.dynamic_batch else set()
        inputs = [spec(name, tensor, batch | self._open(name)) for name, tensor in example.inputs.items()]
        outputs = [
            spec(name, tensor, batch | self._varied(name)) for name, tensor in example.expected.items()
        ]
        return Signature(inputs, outputs, self.options.max_batch_size if batch else 0)

    def is_small(self, case: Case) -> bool:
        """Whether an open size is less than 2, for which torch may have made other code."""
        places = [place for dim in self.dims for place in dim.places]
        if self.options.dynamic_batch:
            places += [(name, 0) for name in case.inputs]
        return any(case.inputs[name].shape[number] < 2 for name, number in places)

    def _open(self, name: str) -> set[int]:
        return {number for dim in self.dims for input, number in dim.places if input == name}

    def _varied(self, name: str) -> set[int]:
        """The dimensions of an output whose size is not always the example's."""
        shapes = [case.expected[name].shape for case in self.cases]
        return {n for shape in shapes for n, size in enumerate(shape) if size != shapes[0][n]}

    @contextmanager
    def with_plain_results(self) -> Iterator[torch.nn.Module]:
        """The module, which returns a dictionary in place of what torch cannot write, such as a dataclass, or
        would forget the names of, such as a NamedTuple."""
        if isinstance(self.result, torch.Tensor) or type(self.result) in (dict, list, tuple):
            yield self.module
            return
        hook = self.module.register_forward_hook(lambda module, inputs, result: named_outputs(result))
        try:
            yield self.module
        finally:
            hook.remove()

    def check(self, run: Callable[..., Any], cases: Sequence[Case]) -> None:
        """Refuses an exported model that does not compute, in a server, what the module does here."""
        for case in cases:
            try:
                with as_served():
                    outputs = named_outputs(run(**copied(case.inputs)))
            except RuntimeError as error:
                raise RuntimeError(
                    f"the exported model fails for {case.what}, where the module does not: "
                    f"{last_line(error)}{advice()}"
                ) from error
            expected = Expected(case.expected, case.what, self.cases[0].expected)
            try:
                compare(outputs, expected, self.options.tolerances)
            except RuntimeError as error:
                raise RuntimeError(f"{error}{advice()}") from None

    def check_refusals(self, run: Callable[..., Any]) -> None:
        """Refuses an exported model that answers where the module does not."""
        for case in self.refused:
            try:
                run(**copied(case.inputs))
            except Exception:  # Whatever says that sizes do not fit.
                continue
            raise RuntimeError(
                f"the exported model answers for {case.what}, where the module fails: these sizes do not "
                "fit each other, and nothing checks it. Give narrower ranges, or have the module compare "
                "them with torch._check"
            )
