"""A module as a package that AOTInductor compiles."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch._inductor.config as inductor
import torch.fx.experimental._config as symbols

from tensorferry._exporting.job import Job
from tensorferry._exporting.notices import pass_on, recorded, users_line
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


class _Way(NamedTuple):
    """A way to leave the number of rows open. `is_oblivious`: torch assumes nothing of it."""

    least_rows: int
    is_oblivious: bool


# These ways are tried in this order. torch's own recurrent and attention layers ask whether there is one row,
# which the first way forbids. The second way lets torch assume two rows or more; as a rule the result is
# right for one row, too, which the comparison with the module shows. In the last resort the package takes no
# single row, and the server fills it up.
_WAYS = (_Way(1, True), _Way(1, False), _Way(2, False))


def write_package(job: Job, file: Path) -> None:
    ways = _WAYS if job.signature.rows > 1 else _WAYS[:1]
    alone = [case for case in job.cases if len(ways) > 1 and case.rows() == 1]
    others = [case for case in job.cases if len(ways) == 1 or case.rows() > 1]
    with recorded() as seen:
        for way in ways:
            is_last = way is ways[-1]
            try:
                _compile(_program(job, way), job, way, file)
            except RuntimeError:
                if is_last:
                    raise
                continue
            run = _load(file, way)
            job.check(run, others)
            try:
                job.check(run, alone)
            except RuntimeError:
                if is_last:
                    raise
            else:
                break
    pass_on(seen)


def _program(job: Job, way: _Way) -> torch.export.ExportedProgram:
    examples = dict(job.traced())
    dynamic_shapes = None
    if job.signature.rows > 1:
        batch = torch.export.Dim("batch", min=way.least_rows, max=job.signature.rows)
        dynamic_shapes = {name: {0: batch} for name in examples}
    with _compiling(way), job.with_plain_results() as module:
        try:
            return torch.export.export(module, (), examples, dynamic_shapes=dynamic_shapes)
        except Exception as error:  # Whatever torch's recorder of Python throws.
            raise RuntimeError(_why_no_program(error)) from error


@contextmanager
def _compiling(way: _Way) -> Iterator[None]:
    # NNPACK takes batches of some sizes only, and code that is compiled while it is enabled takes no others.
    with (
        symbols.patch(backed_size_oblivious=way.is_oblivious),  # type: ignore[attr-defined]
        torch.backends.nnpack.flags(enabled=False),
    ):
        yield


def _compile(program: torch.export.ExportedProgram, job: Job, way: _Way, file: Path) -> None:
    portable = job.options.portable
    options: dict[str, Any] = {
        **_SERIAL,
        "emulate_precision_casts": True,  # Halves are rounded after each operator, as in Python.
        "aot_inductor.metadata": {"tensorferry": _metadata(job.signature, portable)},
        # Code that takes one row must not refuse it because torch assumed two. If it takes none, its check
        # tells the server to fill the batch up.
        "aot_inductor.check_lowerbound": way.least_rows > 1,
    }
    if portable:
        options |= {"cpp.simdlen": 256, "cpp.march": "x86-64-v3"}
    with _compiling(way):
        has_weights = bool(program.state_dict or program.constants)
        _write(program, options | (_WEIGHTS_BESIDE if has_weights else {}), file)
        if _has_empty_weights(file):
            _write(program, options, file)
    _check_sources(file, job.signature.rows)


def _write(program: torch.export.ExportedProgram, options: dict[str, Any], file: Path) -> None:
    with inductor.patch(options):
        try:
            torch._inductor.aoti_compile_and_package(program, package_path=str(file))
        except Exception as error:  # Whatever torch's compiler throws.
            raise RuntimeError(
                "AOTInductor cannot compile the module. It needs a C++ compiler, g++ or what CXX names; "
                f"format='torchscript' needs none. torch says: {error}"
            ) from error


def _has_empty_weights(file: Path) -> bool:
    """Whether the package has a file of weights without a byte, which torch's loader does not take."""
    with zipfile.ZipFile(file) as package:
        return any(m.filename.endswith(".blob") and m.file_size == 0 for m in package.infolist())


def _load(file: Path, way: _Way) -> Callable[..., dict[str, torch.Tensor]]:
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


def _why_no_program(error: Exception) -> str:
    text = str(error)
    if "data-dependent" in text or "DataDependent" in type(error).__name__:
        why = (
            f"the module's Python code decides by values{users_line(error)}, which a compiled package "
            "cannot. Use torch.where or torch.cond in its place, or format='torchscript', if "
            "torch.jit.script takes the module"
        )
    elif "Constraints violated" in text:
        why = (
            "the module's code does not leave the number of rows open. Leave dynamic_batch out, or use "
            "format='torchscript'"
        )
    else:
        why = "torch.export does not take the module; format='torchscript' may"
    return f"{why}. torch says: {text or type(error).__name__}"


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


def _check_sources(file: Path, rows: int) -> None:
    """Looks at what torch compiled, the text of which lies in the package."""
    with zipfile.ZipFile(file) as package:
        sources = [package.read(name).decode() for name in package.namelist() if name.endswith(".cpp")]
    if any(re.search(r"#\s*pragma\s+omp\s+parallel", source) for source in sources):
        raise RuntimeError("torch compiled parallel regions into the package, although cpp.threads is 1")
    # A module whose computation depends on the number of rows may take fewer rows than wanted.
    most = [int(found) for source in sources for found in re.findall(r"if \(\w+_size\[0\] > (\d+)\)", source)]
    if rows > 1 and most and min(most) < rows:
        raise RuntimeError(
            f"torch compiled the module for at most {min(most)} rows, expected max_batch_size, {rows}: "
            "ask for fewer"
        )
