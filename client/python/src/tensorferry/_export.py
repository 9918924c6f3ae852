"""From a torch module to a model in a repository. The only part of the package that needs torch."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

# What `portable` may use, as torch calls it: x86-64-v3.
_PORTABLE = {"avx2", "bmi", "bmi2", "f16c", "fma3", "lzcnt", "movbe"}

_BATCH = 64  # Rows of a batch, where nothing else is asked for.

# What config.pbtxt calls a dtype; those that are missing go into parameters of their own.
_CONFIG_TYPES = {
    "bool": "TYPE_BOOL", "uint8": "TYPE_UINT8", "uint16": "TYPE_UINT16", "uint32": "TYPE_UINT32",
    "uint64": "TYPE_UINT64", "int8": "TYPE_INT8", "int16": "TYPE_INT16", "int32": "TYPE_INT32",
    "int64": "TYPE_INT64", "float16": "TYPE_FP16", "float32": "TYPE_FP32", "float64": "TYPE_FP64",
    "bfloat16": "TYPE_BF16",
}  # fmt: skip


class _Spec(NamedTuple):
    """An input or output: its name, dtype and shape, -1 for the batch."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class _Signature(NamedTuple):
    """What the server is told of a package. `rows`: of a batch, at most; 0: there are no batches."""

    inputs: Sequence[_Spec]
    outputs: Sequence[_Spec]
    rows: int


def export(
    module: torch.nn.Module,
    example_inputs: Sequence[torch.Tensor] | Mapping[str, torch.Tensor],
    path: str | os.PathLike[str],
    *,
    format: str = "aotinductor",
    dynamic_batch: bool = False,
    max_batch_size: int = _BATCH,
    portable: bool = False,
) -> Path:
    """Writes a module into a model repository, as its next version, ready to be served.

    Under `path`, a folder whose name is the model's, come `VERSION/model.pt2` or `model.pt`, a `config.pbtxt`
    with the names, dtypes and shapes of inputs and outputs, and the example as a sample for the server's
    warm-up. A server that polls the repository takes the version over without dropping a request.

    Args:
        module: In evaluation mode; its inputs and outputs are tensors.
        example_inputs: One tensor for each argument of `forward`, in order or by name. Their names become the
            inputs'. Outputs are called as the module calls them (keys of a dictionary, fields of a
            NamedTuple), else OUTPUT__0, OUTPUT__1, ….
        path: The model's folder: "models/NAME".
        format: "aotinductor" compiles the module for this machine's processor (needs a C++ compiler);
            "torchscript" scripts it, or where that fails traces it with the example.
        dynamic_batch: The first dimension of every input and output is the batch, of 1 to `max_batch_size`
            rows. The server then runs requests together that wait for the model at the same time.
        max_batch_size: Most rows of a batch.
        portable: Compile for any x86-64 processor with AVX2, rather than for this one.

    Returns:
        The model file.

    Raises:
        ValueError: The arguments contradict each other or the module.
        RuntimeError: The exported model does not compute what the module does, or only for fewer rows.
        ImportError: There is no torch.
    """
    torch = _import_torch()
    if format not in ("aotinductor", "torchscript"):
        raise ValueError(f"format {format!r}: expected 'aotinductor' or 'torchscript'")
    if max_batch_size < 1:
        raise ValueError(f"max_batch_size {max_batch_size}: expected at least 1")
    folder = Path(path)
    examples = _named_examples(module, example_inputs)
    if dynamic_batch:
        _check_batch(examples, max_batch_size)
    rows = max_batch_size if dynamic_batch else 0
    with _evaluated(module), torch.no_grad():
        expected = _named_outputs(module(**examples))
        inputs = [_spec(name, tensor, dynamic_batch) for name, tensor in examples.items()]
        outputs = [_spec(name, tensor, dynamic_batch) for name, tensor in expected.items()]
        config = _config(format, inputs, outputs, rows)
        samples = {name: tensor[:1] if dynamic_batch else tensor for name, tensor in examples.items()}
        with _new_version(folder, config, samples) as (version, new):
            if format == "torchscript":
                file = new / "model.pt"
                exported = _write_torchscript(module, examples, file)
            else:
                file = new / "model.pt2"
                exported = _write_package(module, examples, file, _Signature(inputs, outputs, rows), portable)
            _compare(_named_outputs(exported(**examples)), expected)
            if dynamic_batch:
                _compare(_named_outputs(exported(**samples)), _named_outputs(module(**samples)))
    return folder / str(version) / file.name


def _import_torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError("tensorferry.export needs torch: pip install torch") from error
    return torch


def _dtype_name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _named_examples(
    module: torch.nn.Module, example_inputs: Sequence[torch.Tensor] | Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The examples by the names of forward's arguments, in their order."""
    torch = _import_torch()
    signature = inspect.signature(module.forward)
    try:
        if isinstance(example_inputs, Mapping):
            bound = signature.bind(**example_inputs)
        else:
            bound = signature.bind(*example_inputs)
    except TypeError as error:
        raise ValueError(f"example_inputs do not fit forward{signature}: {error}") from error
    kinds = {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
        inspect.Parameter.POSITIONAL_ONLY,
    }
    for name in bound.arguments:
        if signature.parameters[name].kind in kinds:
            raise ValueError(
                f"forward{signature} takes {name} without a name; give each input an argument of its own"
            )
        if not isinstance(bound.arguments[name], torch.Tensor):
            raise ValueError(
                f"example input {name!r} is {type(bound.arguments[name]).__name__}, expected a tensor"
            )
    if not bound.arguments:
        raise ValueError("example_inputs: expected one tensor for each argument of forward, got none")
    return dict(bound.arguments)


def _named_outputs(result: Any) -> dict[str, torch.Tensor]:
    torch = _import_torch()
    if isinstance(result, torch.Tensor):
        named = {"OUTPUT__0": result}
    elif isinstance(result, Mapping):
        named = dict(result)
    elif isinstance(result, tuple) and hasattr(result, "_fields"):
        named = dict(zip(result._fields, result))
    elif isinstance(result, (tuple, list)):
        named = {f"OUTPUT__{i}": output for i, output in enumerate(result)}
    else:
        raise ValueError(f"the module returns {type(result).__name__}, expected tensors")
    for name, output in named.items():
        if not isinstance(name, str) or not isinstance(output, torch.Tensor):
            raise ValueError(f"output {name!r} is {type(output).__name__}, expected a tensor")
    return named


def _check_batch(examples: Mapping[str, torch.Tensor], max_batch_size: int) -> None:
    rows = {name: int(tensor.shape[0]) if tensor.dim() else None for name, tensor in examples.items()}
    first = next(iter(rows.values()))
    if first is None or any(number != first for number in rows.values()):
        raise ValueError(f"dynamic_batch: the inputs must have the same first dimension, got {rows}")
    if not 1 <= first <= max_batch_size:
        raise ValueError(
            f"dynamic_batch: the example has {rows} rows, expected 1 to max_batch_size, {max_batch_size}"
        )


def _spec(name: str, tensor: torch.Tensor, dynamic_batch: bool) -> _Spec:
    shape = tuple(tensor.shape)
    if dynamic_batch:
        if not shape:
            raise ValueError(f"dynamic_batch: output {name!r} has no dimension for the batch")
        shape = (-1, *shape[1:])
    return _Spec(name, _dtype_name(tensor), shape)


def _write_torchscript(
    module: torch.nn.Module, examples: Mapping[str, torch.Tensor], file: Path
) -> Callable[..., Any]:
    torch = _import_torch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is frozen; the server runs what it writes.
        try:
            torch.jit.script(module).save(str(file))
        except Exception:  # Whatever torch's compiler of Python throws at what it does not know.
            torch.jit.trace(module, example_kwarg_inputs=dict(examples), strict=False).save(str(file))
        exported: Callable[..., Any] = torch.jit.load(str(file))
        return exported


def _write_package(
    module: torch.nn.Module,
    examples: Mapping[str, torch.Tensor],
    file: Path,
    signature: _Signature,
    portable: bool,
) -> Callable[..., Any]:
    torch = _import_torch()
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


def _metadata(signature: _Signature, portable: bool) -> str:
    torch = _import_torch()
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


def _compare(actual: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Kernels may differ in the last bits; names, dtypes and shapes may not."""
    torch = _import_torch()
    if list(actual) != list(expected):
        raise RuntimeError(f"the exported model's outputs are {list(actual)}, the module's {list(expected)}")
    for name, output in expected.items():
        compared = actual[name]
        if compared.dtype != output.dtype or compared.shape != output.shape:
            raise RuntimeError(
                f"output {name!r} of the exported model is {compared.dtype} with shape "
                f"{tuple(compared.shape)}, the module's is {output.dtype} with shape {tuple(output.shape)}"
            )
        wide = torch.complex128 if output.is_complex() else torch.float64
        difference = (compared.to(wide) - output.to(wide)).abs()
        largest = output.to(wide).abs().nan_to_num(0).max().item() if output.numel() else 0.0
        if difference.numel() and difference.nan_to_num(0).max().item() > 0.01 * max(largest, 1.0):
            raise RuntimeError(f"output {name!r} of the exported model is not the module's")


@contextmanager
def _evaluated(module: torch.nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def _new_version(
    folder: Path, config: str, samples: Mapping[str, torch.Tensor]
) -> Iterator[tuple[int, Path]]:
    """A number, and a folder for the model file that appears under it once it is complete; that of a new
    model appears together with all the rest."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    is_new = not folder.exists()
    taken = [int(entry.name) for entry in folder.glob("*") if entry.name.isdecimal()]
    version = max(taken, default=0) + 1
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent if is_new else folder))
    try:
        temporary.chmod(0o755)
        new = temporary / str(version)
        new.mkdir()
        yield version, new
        _write_around(temporary if is_new else folder, config, samples)
        if is_new:
            temporary.rename(folder)
        else:
            new.rename(folder / str(version))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_around(folder: Path, config: str, samples: Mapping[str, torch.Tensor]) -> None:
    torch = _import_torch()
    (folder / "warmup").mkdir(exist_ok=True)
    for name, tensor in samples.items():
        elements = tensor.detach().cpu().contiguous().reshape(-1)
        _replace(
            folder / "warmup" / name, elements.view(torch.uint8).numpy().tobytes() if len(elements) else b""
        )
    _replace(folder / "config.pbtxt", config.encode())


def _replace(file: Path, content: bytes) -> None:
    new = file.with_name(f".{file.name}.new")
    new.write_bytes(content)
    new.replace(file)


def _config(format: str, inputs: Sequence[_Spec], outputs: Sequence[_Spec], max_batch_size: int) -> str:
    batched = max_batch_size > 0
    lines = [f'platform: "{"torch_aoti" if format == "aotinductor" else "pytorch_libtorch"}"']
    if batched:
        lines += [f"max_batch_size: {max_batch_size}", "dynamic_batching {}"]
    for kind, specs in (("input", inputs), ("output", outputs)):
        for spec in specs:
            lines += [
                f"{kind} {{",
                f"  name: {json.dumps(spec.name)}",
                *_type_and_dims(spec, batched, "  "),
                "}",
            ]
    lines += ["model_warmup {", '  name: "example"', "  batch_size: 1"]
    for spec in inputs:
        lines += ["  inputs {", f"    key: {json.dumps(spec.name)}", "    value {"]
        lines += [*_type_and_dims(spec, batched, "      "), f"      input_data_file: {json.dumps(spec.name)}"]
        lines += ["    }", "  }"]
    lines.append("}")
    for spec in {spec.name: spec for spec in (*inputs, *outputs)}.values():
        if spec.dtype not in _CONFIG_TYPES:
            value = f"{{ string_value: {json.dumps(spec.dtype)} }}"
            lines.append(f"parameters {{ key: {json.dumps('dtype:' + spec.name)} value {value} }}")
    return "\n".join(lines) + "\n"


def _type_and_dims(spec: _Spec, batched: bool, indent: str) -> list[str]:
    dims = spec.shape[1:] if batched else spec.shape
    lines = [f"{indent}dims: [ {', '.join(map(str, dims))} ]"]
    if spec.dtype in _CONFIG_TYPES:
        lines.insert(0, f"{indent}data_type: {_CONFIG_TYPES[spec.dtype]}")
    return lines
