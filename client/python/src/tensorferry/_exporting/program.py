"""A module as a program of torch.export, and what is open in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.fx.experimental._config as symbols

from tensorferry._exporting.cases import DEPENDS_ON_VALUES, Case
from tensorferry._exporting.dims import OpenDim, torch_shapes
from tensorferry._exporting.evaluation import copied
from tensorferry._exporting.job import Job
from tensorferry._exporting.notices import users_line


class Way(NamedTuple):
    """How to leave sizes open. `is_oblivious`: torch assumes nothing of them; else they are 2 or more."""

    least_rows: int
    is_oblivious: bool


# These ways are tried in this order. torch's own recurrent and attention layers ask whether there is one row,
# which the first way forbids. The second way lets torch assume two rows or more; as a rule the result is
# right for one row, too, which the comparison with the module shows. In the last resort the program takes no
# single row, and the server fills it up.
_WAYS = (Way(1, True), Way(1, False), Way(2, False))


def ways_of(job: Job) -> tuple[Way, ...]:
    is_batched = job.options.dynamic_batch and job.options.max_batch_size > 1
    if not job.dims:
        return _WAYS if is_batched else _WAYS[:1]
    if is_batched:
        return _WAYS[1:]
    # Where torch assumes nothing it notes no relations between sizes either, so that nobody would check them.
    return (_WAYS[1], _WAYS[0]) if len(job.dims) == 1 else (_WAYS[1],)


@contextmanager
def torch_settings(way: Way) -> Iterator[None]:
    """For recording as well as for compiling."""
    # NNPACK takes batches of some sizes only, and code that is compiled while it is enabled takes no others.
    with (
        symbols.patch(backed_size_oblivious=way.is_oblivious),  # type: ignore[attr-defined]
        torch.backends.nnpack.flags(enabled=False),
    ):
        yield


def exported_program(job: Job, way: Way) -> torch.export.ExportedProgram:
    """Raises ValueError or RuntimeError with a reason for what torch does not take."""
    program = _exported(job, way, is_deferred=False)
    if not job.dims or len(program.range_constraints) < 2:
        return program
    # torch has compared each range with what the module's code asks of that size. What it asks of two of
    # them, such as that one is not larger, gets lost, unless it becomes a part of the program.
    return _exported(job, way, is_deferred=True)


def _exported(job: Job, way: Way, is_deferred: bool) -> torch.export.ExportedProgram:
    rows = job.options.max_batch_size if job.options.dynamic_batch else 0
    name = "batch"
    while name in {dim.name for dim in job.dims}:
        name += "_"
    batch = torch.export.Dim(name, min=way.least_rows, max=rows) if rows > 1 else None
    shapes = torch_shapes(job.dims, job.recorded, batch)
    with torch_settings(way), job.with_plain_results() as module:
        try:
            return torch.export.export(
                module,
                (),
                dict(copied(job.recorded)),
                dynamic_shapes=shapes,
                prefer_deferred_runtime_asserts_over_guards=is_deferred,
            )
        except Exception as error:  # Whatever torch's recorder of Python throws.
            why, is_arguments = _why_no_program(error, job)
            text = f"{why}. torch says: {error or type(error).__name__}"
            raise (ValueError if is_arguments else RuntimeError)(text) from error


def _why_no_program(error: Exception, job: Job) -> tuple[str, bool]:
    """The reason, and whether it is that `dynamic_shapes` does not fit the module."""
    text = str(error)
    if "data-dependent" in text or "DataDependent" in type(error).__name__:
        return (
            f"the module's Python code decides by values{users_line(error)}, which a program of "
            "torch.export cannot. Use torch.where or torch.cond in its place, or format='torchscript', if "
            "torch.jit.script takes the module"
        ), False
    if "Constraints violated" in text or "user-specified dim hint" in text:
        named = set(re.findall(r"\w+", "".join(re.findall(r"Constraints violated \(([^)]*)\)", text))))
        labels = [dim.label for dim in job.dims if dim.name in named or not named]
        if labels:
            return (
                f"dynamic_shapes leaves {', '.join(labels)} open, but the module's code, as torch.export "
                "records it, does not take every size in the range. Narrow the range, leave it out, or use "
                "format='torchscript'"
            ), True
        return (
            "the module's code does not leave the number of rows open. Leave dynamic_batch out, or use "
            "format='torchscript'"
        ), False
    return "torch.export does not take the module; format='torchscript' may", False


def input_sizes(program: torch.export.ExportedProgram, job: Job) -> dict[str, Any]:
    """The sizes of each input: numbers, and symbols for those that are open."""
    nodes = {node.name: node for node in program.graph.nodes}
    names = program.graph_signature.user_inputs
    return {name: nodes[str(node)].meta["val"].shape for name, node in zip(job.recorded, names)}


def settled(job: Job, program: torch.export.ExportedProgram) -> Job:
    """The job with the ranges that the program has, and without what torch fixed of Dim.AUTO."""
    sizes = input_sizes(program, job)
    _check_outputs(job, program, sizes)
    dims = [_settled(dim, program, sizes) for dim in job.dims]

    def is_within(case: Case) -> bool:
        """Whether a server hands the inputs on to the package."""
        by_symbol = {str(sizes[name][number]): size for name, number, size in _open_sizes(case, dims)}
        return all(
            (dim.least or 0) <= size <= (size if dim.most is None else dim.most)
            and size == by_symbol[str(sizes[name][number])]
            for dim in dims
            for name, number, size in _open_sizes(case, [dim])
        )

    return job._replace(
        dims=[dim for dim in dims if dim.least != dim.most],
        cases=[case for case in job.cases if is_within(case)],
        refused=[case for case in job.refused if is_within(case)],
    )


def _check_outputs(job: Job, program: torch.export.ExportedProgram, sizes: dict[str, Any]) -> None:
    """Refuses outputs that have a size of their own, which no input has."""
    nodes = {node.name: node for node in program.graph.nodes}
    known = {symbol for shape in sizes.values() for size in shape for symbol in _symbols(size)}
    for name, node in zip(job.cases[0].expected, program.graph_signature.user_outputs):
        shape = nodes[str(node)].meta["val"].shape if str(node) in nodes else ()
        if any(_symbols(size) - known for size in shape):
            raise ValueError(f"output {name!r} has a size that {DEPENDS_ON_VALUES}")


def _symbols(size: Any) -> set[Any]:
    return set() if isinstance(size, int) else set(size.node.expr.free_symbols)


def _open_sizes(case: Case, dims: Sequence[OpenDim]) -> Iterator[tuple[str, int, int]]:
    for dim in dims:
        for name, number in dim.places:
            yield name, number, case.inputs[name].shape[number]


def _settled(dim: OpenDim, program: torch.export.ExportedProgram, sizes: dict[str, Any]) -> OpenDim:
    name, number = dim.places[0]
    size = sizes[name][number]
    symbol = size if isinstance(size, int) else size.node.expr
    if isinstance(symbol, int) or symbol.is_number:
        if dim.hint == "AUTO" and size == dim.size:
            return dim._replace(least=dim.size, most=dim.size)
        raise ValueError(
            f"dynamic_shapes leaves {dim.label} open, but torch.export takes nothing but {size} there"
        )
    if symbol not in program.range_constraints:
        raise ValueError(
            f"dynamic_shapes leaves {dim.label} open, but the module's code ties it to another size as "
            f"{symbol}, which no server checks: leave it out, or use format='torchscript'"
        )
    found = program.range_constraints[symbol]
    least, most = int(found.lower), int(found.upper) if found.upper < 2**62 else None
    if dim.size < least or (most is not None and dim.size > most):
        raise ValueError(
            f"dynamic_shapes leaves {dim.label} open, and torch.export takes {least} to {most or 'any'} "
            f"there, but the example has {dim.size}: give an example within the range, or a range that has "
            "the example's size"
        )
    return dim._replace(least=least, most=most)
