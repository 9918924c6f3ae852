"""A module as a package that AOTInductor compiles."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tensorferry._exporting.signature import Signature

# What `portable` may use, as torch calls it: x86-64-v3.
_PORTABLE = {"avx2", "bmi", "bmi2", "f16c", "fma3", "lzcnt", "movbe"}


def write_package(
    module: torch.nn.Module,
    examples: Mapping[str, torch.Tensor],
    file: Path,
    signature: Signature,
    portable: bool,
) -> Callable[..., Any]:
    import torch._inductor.config as inductor
    import torch.fx.experimental._config as symbols

    dynamic_shapes = None
    if signature.rows > 1:
        batch = torch.export.Dim("batch", min=1, max=signature.rows)
        dynamic_shapes = {name: {0: batch} for name in examples}
        # torch takes a dimension of 1 for one that never changes.
        examples = {name: torch.cat([tensor, tensor[:1]])[:2] for name, tensor in examples.items()}
    options: dict[str, Any] = {"aot_inductor.metadata": {"tensorferry": _metadata(signature, portable)}}
    if portable:
        options |= {"cpp.simdlen": 256, "cpp.march": "x86-64-v3"}
    # A batch of one row is no other program, and compiled code that checks its inputs does not refuse it.
    options["aot_inductor.check_lowerbound"] = False
    # NNPACK takes batches of some sizes only, and what is compiled while it is about takes no others.
    with (
        symbols.patch(backed_size_oblivious=True),  # type: ignore[attr-defined]
        inductor.patch(options),
        torch.backends.nnpack.flags(enabled=False),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        program = torch.export.export(module, (), dict(examples), dynamic_shapes=dynamic_shapes)
        torch._inductor.aoti_compile_and_package(program, package_path=str(file))
    _check_rows(file, signature.rows)
    exported: Callable[..., Any] = torch._inductor.aoti_load_package(str(file))
    return exported


def _metadata(signature: Signature, portable: bool) -> str:
    capabilities = torch.cpu.get_capabilities()
    processor = [name for name, has in sorted(capabilities.items()) if has is True]
    return json.dumps(
        {
            "inputs": [spec._asdict() for spec in signature.inputs],
            "outputs": [spec._asdict() for spec in signature.outputs],
            "processor": [name for name in processor if name in _PORTABLE] if portable else processor,
        }
    )


def _check_rows(file: Path, rows: int) -> None:
    """Torch compiles for fewer where a module's computation depends on their number."""
    with zipfile.ZipFile(file) as package:
        sources = [
            package.read(name).decode() for name in package.namelist() if name.endswith(".wrapper.cpp")
        ]
    most = [int(found) for source in sources for found in re.findall(r"if \(\w+_size\[0\] > (\d+)\)", source)]
    if rows > 1 and most and min(most) < rows:
        raise RuntimeError(
            f"torch compiled the module for at most {min(most)} rows, expected max_batch_size, {rows}: "
            "ask for fewer"
        )
