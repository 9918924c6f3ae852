"""What a module keeps from one call to the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import xxhash

# Every module has these attributes, whatever it computes: parameters, buffers and submodules among them.
_OF_EVERY_MODULE = set(vars(torch.nn.Module()))
_CONTAINERS = (list, tuple, set, frozenset, deque)
_DEPTH = 4  # Containers within containers that are looked into.


@dataclass(frozen=True, eq=False)
class _TensorState:
    tensor: torch.Tensor  # Held, so that no other gets its identity.
    version: int  # Counts what is written in place.
    digest: int  # XXH3 of the elements; 0 if they are not looked at.

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _TensorState) or self.digest != other.digest:
            return False
        is_same = self.tensor is other.tensor
        return self.version == other.version if is_same else bool(self.digest)


def state_of(module: torch.nn.Module) -> dict[str, object]:
    """What can be compared with a later state. Parameters are not read, as they may take gigabytes: that they
    are written to or replaced is seen all the same."""
    state: dict[str, object] = {}
    for name, parameter in module.named_parameters():
        state[f"parameter {name!r}"] = _TensorState(parameter, _version(parameter), 0)
    for name, buffer in module.named_buffers():
        state[f"buffer {name!r}"] = _TensorState(buffer, _version(buffer), _digest(buffer))
    for path, part in module.named_modules():
        for key, value in vars(part).items():
            if key not in _OF_EVERY_MODULE:
                name = f"{path}.{key}" if path else key
                state[f"attribute {name!r}"] = _described(value, _DEPTH)
    return state


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """The name of the first difference; empty: there is none."""
    for name in {**before, **after}:
        if name not in before or name not in after or before[name] != after[name]:
            return name
    return ""


def _described(value: object, depth: int) -> object:
    """What is equal where the value is; of objects that may hold anything no more than their type."""
    if isinstance(value, torch.Tensor):
        return _TensorState(value, _version(value), _digest(value))
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if depth and isinstance(value, Mapping):
        return [(repr(key), _described(item, depth - 1)) for key, item in value.items()]
    if depth and isinstance(value, _CONTAINERS):
        return [_described(item, depth - 1) for item in value]
    return type(value)


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _digest(tensor: torch.Tensor) -> int:
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
        return 0
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    elements = plain.view(torch.uint8).numpy().data if len(plain) else b""
    return xxhash.xxh3_128_intdigest(elements) or 1
