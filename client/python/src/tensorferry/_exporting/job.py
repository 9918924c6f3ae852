"""What is to be exported, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from tensorferry._exporting.cases import Case
from tensorferry._exporting.comparison import Expected, Tolerances, compare
from tensorferry._exporting.evaluation import copied
from tensorferry._exporting.examples import Tensors
from tensorferry._exporting.notices import last_line
from tensorferry._exporting.signature import Signature, named_outputs


class Options(NamedTuple):
    """The arguments of export that say how."""

    format: str
    dynamic_batch: bool
    max_batch_size: int
    portable: bool
    tolerances: Tolerances
    allow_tracer_warnings: bool


class Job(NamedTuple):
    module: torch.nn.Module
    result: Any  # What the module returns for the example.
    cases: Sequence[Case]  # The first is the example.
    signature: Signature
    options: Options

    def traced(self) -> Tensors:
        """Inputs to run the module with while its operators are recorded: with a batch two or three rows that
        differ, as torch takes a dimension of 1 for one that never changes."""
        several = [case.inputs for case in self.cases if case.rows() in (2, 3)]
        return copied(several[-1] if several and self.options.dynamic_batch else self.cases[0].inputs)

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
        """Refuses an exported model that does not compute what the module does."""
        for case in cases:
            try:
                outputs = named_outputs(run(**copied(case.inputs)))
            except RuntimeError as error:
                raise RuntimeError(
                    f"the exported model fails for {case.what}, where the module does not: {last_line(error)}"
                ) from error
            expected = Expected(case.expected, case.what, self.cases[0].expected)
            compare(outputs, expected, self.options.tolerances)
