"""A module as a package that AOTInductor compiles."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch._inductor.config as inductor
from torch._inductor.codegen.cpp_wrapper_cpu import CppWrapperCpu
from torch._inductor.virtualized import V
from torch.utils._sympy.value_ranges import ValueRanges

from tensorferry._exporting.job import Job
from tensorferry._exporting.notices import pass_on, recorded
from tensorferry._exporting.package_check import check_sources
from tensorferry._exporting.program import Way, exported_program, settled, torch_settings, ways_of
from tensorferry._exporting.signature import Signature, named_outputs

# `portable` may use what torch knows by this name: x86-64-v3.
_PORTABLE = {"avx2", "bmi", "bmi2", "f16c", "fma3", "lzcnt", "movbe"}

# Each kernel runs on one thread. An exception that leaves a parallel region ends the process, and the check
# of a caller's indices throws one. Besides, the number of threads would be that of the compiling process.
_SERIAL = {"cpp.threads": 1, "cpp.dynamic_threads": False}

# The weights are a file of their own in the package. A server gives their memory back when the model goes,
# which it cannot do with what lies in a library. Besides, the library is the same for other weights.
_WEIGHTS_BESIDE = {
    "aot_inductor.package_constants_in_so": False,
    "aot_inductor.package_constants_on_disk_format": "binary_blob",
}


def write_package(job: Job, file: Path) -> Job:
    """Returns the job with the ranges that the package has, and without what torch fixed of Dim.AUTO."""
    with recorded() as seen:
        *ways, last = ways_of(job)
        for way in (*ways, last):
            try:
                program = exported_program(job, way)
                written = settled(job, program)
                _compile(program, written, way, file)
            except (RuntimeError, ValueError):
                if way is last:
                    raise
                continue
            run = _load(file, way)
            small = [case for case in written.cases if written.is_small(case)]
            written.check(run, [case for case in written.cases if not written.is_small(case)])
            try:
                written.check(run, small)
            except RuntimeError:
                if way is last:
                    raise
            else:
                break
        if written.refused:
            # Compiled code that lacks a check may read what is no input: the program is asked first.
            written.check_refusals(program.module(check_guards=False))
            written.check_refusals(run)
    pass_on(seen)
    return written


def _compile(program: torch.export.ExportedProgram, job: Job, way: Way, file: Path) -> None:
    portable = job.options.portable
    options: dict[str, Any] = {
        **_SERIAL,
        "emulate_precision_casts": True,  # Halves are rounded after each operator, as in Python.
        "aot_inductor.metadata": {"tensorferry": _metadata(job.signature(), portable)},
    }
    if portable:
        options |= {"cpp.simdlen": 256, "cpp.march": "x86-64-v3"}
    with torch_settings(way), _least_sizes(program):
        has_weights = bool(program.state_dict or program.constants)
        _write(program, options | (_WEIGHTS_BESIDE if has_weights else {}), file)
        if _has_empty_weights(file):
            _write(program, options, file)
    check_sources(file, job, way.least_rows)


def _write(program: torch.export.ExportedProgram, options: dict[str, Any], file: Path) -> None:
    with inductor.patch(options):
        try:
            torch._inductor.aoti_compile_and_package(program, package_path=str(file))
        except Exception as error:  # Whatever torch's compiler throws.
            raise RuntimeError(
                "AOTInductor cannot compile the module. It needs a C++ compiler, g++ or what CXX names; "
                f"format='exported' needs none. torch says: {error}"
            ) from error


def _has_empty_weights(file: Path) -> bool:
    """Whether the package has a file of weights without a byte, which torch's loader does not take."""
    with zipfile.ZipFile(file) as package:
        return any(m.filename.endswith(".blob") and m.file_size == 0 for m in package.infolist())


@contextmanager
def _least_sizes(program: torch.export.ExportedProgram) -> Iterator[None]:
    """Has the package's checks of its inputs allow the least sizes that were asked for.

    Code that was compiled for size 1 must not refuse it because torch assumed 2; whether it computes the
    right thing is compared. `aot_inductor.check_lowerbound` leaves the checks of all least sizes out.
    """
    original = CppWrapperCpu.generate_input_output_runtime_checks

    def generate(self: CppWrapperCpu) -> None:
        ranges = V.graph.sizevars.shape_env.var_to_range
        assumed = dict(ranges)
        for symbol, asked in program.range_constraints.items():
            if symbol in ranges and asked.lower < ranges[symbol].lower == 2:
                ranges[symbol] = ValueRanges(asked.lower, ranges[symbol].upper)
        try:
            original(self)  # type: ignore[no-untyped-call]
        finally:
            ranges.update(assumed)

    CppWrapperCpu.generate_input_output_runtime_checks = generate  # type: ignore[method-assign]
    try:
        yield
    finally:
        CppWrapperCpu.generate_input_output_runtime_checks = original  # type: ignore[method-assign]


def _load(file: Path, way: Way) -> Callable[..., dict[str, torch.Tensor]]:
    """Runs the package as the server does."""
    package = torch._inductor.aoti_load_package(str(file))

    def run(**inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        if way.least_rows == 1:
            return named_outputs(package(**inputs))
        rows = len(next(iter(inputs.values())))
        missing = max(way.least_rows - rows, 0)
        filled = {
            name: torch.cat([tensor, tensor.new_zeros(missing, *tensor.shape[1:])])
            for name, tensor in inputs.items()
        }
        return {name: output[:rows] for name, output in named_outputs(package(**filled)).items()}

    return run


def _metadata(signature: Signature, portable: bool) -> str:
    capabilities = torch.cpu.get_capabilities()
    processor = [name for name, has in sorted(capabilities.items()) if has is True]
    return json.dumps(
        {
            "inputs": [spec._asdict() for spec in signature.inputs],
            "outputs": [spec._asdict() for spec in signature.outputs],
            "processor": [name for name in processor if name in _PORTABLE] if portable else processor,
            "torch": torch.__version__,
        }
    )
