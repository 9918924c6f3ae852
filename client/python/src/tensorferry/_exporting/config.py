"""The configuration that lies beside a model."""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch

from tensorferry._exporting.signature import Signature, Spec

# config.pbtxt calls dtypes so. Those that are missing go into parameters of their own.
_CONFIG_TYPES = {
    "bool": "TYPE_BOOL", "uint8": "TYPE_UINT8", "uint16": "TYPE_UINT16", "uint32": "TYPE_UINT32",
    "uint64": "TYPE_UINT64", "int8": "TYPE_INT8", "int16": "TYPE_INT16", "int32": "TYPE_INT32",
    "int64": "TYPE_INT64", "float16": "TYPE_FP16", "float32": "TYPE_FP32", "float64": "TYPE_FP64",
    "bfloat16": "TYPE_BF16",
}  # fmt: skip

# The file decides which engine runs; this says it to people, and to Triton, which has no engine for programs.
_ENGINES = {
    "aotinductor": 'platform: "torch_aoti"',
    "torchscript": 'platform: "pytorch_libtorch"',
    "exported": 'backend: "pytorch"',
}


def config(format: str, signature: Signature, samples: Mapping[str, torch.Tensor]) -> str:
    """`samples`: the inputs that lie beside the model for the warm-up."""
    inputs, outputs, max_batch_size = signature
    batched = max_batch_size > 0
    lines = [_ENGINES[format]]
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
        sample = spec._replace(shape=tuple(samples[spec.name].shape))
        lines += [
            *_type_and_dims(sample, batched, "      "),
            f"      input_data_file: {json.dumps(spec.name)}",
        ]
        lines += ["    }", "  }"]
    lines.append("}")
    for spec in {spec.name: spec for spec in (*inputs, *outputs)}.values():
        if spec.dtype not in _CONFIG_TYPES:
            value = f"{{ string_value: {json.dumps(spec.dtype)} }}"
            lines.append(f"parameters {{ key: {json.dumps('dtype:' + spec.name)} value {value} }}")
    return "\n".join(lines) + "\n"


def _type_and_dims(spec: Spec, batched: bool, indent: str) -> list[str]:
    dims = spec.shape[1:] if batched else spec.shape
    lines = [f"{indent}dims: [ {', '.join(map(str, dims))} ]"]
    if spec.dtype in _CONFIG_TYPES:
        lines.insert(0, f"{indent}data_type: {_CONFIG_TYPES[spec.dtype]}")
    return lines
