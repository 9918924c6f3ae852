"""What callers hand over as arrays: NumPy's, torch's, and whatever offers its memory by a protocol."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, Union

import ml_dtypes  # noqa: F401  Registers bfloat16, float8_… as names that np.dtype knows.
import numpy as np
import numpy.typing as npt

from tensorferry._dlpack import SupportsDLPack, from_dlpack
from tensorferry._elements import Array
from tensorferry._errors import Label, TensorferryError, array_error

Source = Union[npt.ArrayLike, SupportsDLPack]  # What the clients' methods take; torch tensors are ArrayLike.

# These are values of np.dtype.isbuiltin: for NumPy's own types in this machine's byte order, and for types
# that a package registered, as ml_dtypes does.
NUMPY_DTYPE, USER_DTYPE = 1, 2

_ARRAY_PROTOCOLS = ("__array__", "__array_interface__", "__array_struct__")
# `torch.Tensor.numpy` does not give these dtypes away, some of them in older versions only.
_TORCH_BITS = {
    "bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
    "complex32", "uint16", "uint32", "uint64",
}  # fmt: skip
_TORCH_NUMPY = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64", "complex64",
    "complex128",
}  # fmt: skip


def to_elements(source: Any, label: Label) -> tuple[Array, str]:
    """Returns the elements of `source`, and the name of their dtype where NumPy knows none, else "".

    They are the source's own memory where it allows. `label` is what errors call the source.

    Errors: ArrayError if there are no elements to be had, or if the source means more than they do (masks).
    """
    try:
        if isinstance(source, np.ndarray):
            return _unmasked(source, label), ""
        if _is_torch_tensor(source):
            return _from_torch(source, label)
        if _offers_dlpack_alone(source):
            return _from_dlpack(source)
        _refuse_masks_within(source, label)
        elements, name = _from_array_protocol(source)
        _refuse_other_length(source, elements, label)
        return elements, name
    except (MemoryError, TensorferryError):
        raise
    except Exception as error:
        # The source itself answers, and may raise anything.
        problem = f"there is no NumPy array of this {type(source).__name__}: {error}"
        raise array_error(label, problem, "NOT_AN_ARRAY") from error


def named_view(bits: Array, name: str) -> tuple[Array, str]:
    """Returns elements of the dtype of that name, or, where NumPy knows none, `bits` as void and the name."""
    try:
        return bits.view(native(np.dtype(name))), ""
    except TypeError:
        return bits.view(f"V{bits.itemsize}"), name


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Returns the dtype, with this machine's byte order if it is the one that NumPy has for its type.

    All arrays of a registered type share that object, and to unpickle or deep-copy a big-endian one turns its
    byte order round, for arrays that were and will be made. Their elements stay as they are.
    """
    if dtype.byteorder != "=" and dtype.isbuiltin == USER_DTYPE and dtype is np.dtype(dtype.type):
        return dtype.newbyteorder(sys.byteorder)
    return dtype


def native_view(elements: Array) -> Array:
    """Returns the elements with the byte order that they have, whatever was done to their shared dtype."""
    dtype = native(elements.dtype)
    return elements if dtype is elements.dtype else elements.view(dtype)


def _from_array_protocol(source: Any) -> tuple[Array, str]:
    speaks_dlpack = hasattr(type(source), "__dlpack__")
    try:
        elements = np.asarray(source)
    except Exception:
        # Objects on a device refuse to be NumPy arrays, and say by DLPack why, or offer more.
        if not speaks_dlpack:
            raise
        return _from_dlpack(source)
    # Paddle gives bfloat16 as uint16 to NumPy, and float8_e5m2 as int8. Other integers are what they seem.
    if speaks_dlpack and elements.dtype.kind in "iu":
        with suppress(Exception):  # What it cannot say by DLPack is what NumPy got.
            told, name = from_dlpack(source)
            if name and told.shape == elements.shape:
                return named_view(told, name)
    return elements, ""


def _from_dlpack(source: Any) -> tuple[Array, str]:
    elements, name = from_dlpack(source)
    return named_view(elements, name) if name else (elements, "")


def _offers_dlpack_alone(source: Any) -> bool:
    kind = type(source)
    return hasattr(kind, "__dlpack__") and not any(hasattr(kind, name) for name in _ARRAY_PROTOCOLS)


def _unmasked(array: Array, label: Label) -> Array:
    if isinstance(array, np.ma.MaskedArray) and array.dtype.fields is None:
        masked = int(np.count_nonzero(np.ma.getmaskarray(array)))
        if masked:
            problem = f"{masked} of its {array.size} elements are masked, which no tensor can say"
            raise array_error(label, f"{problem}; send array.filled(value) or array.data", "MASKED_ARRAY")
    return np.asarray(array)


def _refuse_masks_within(source: Any, label: Label) -> None:
    """Looks for masked arrays in lists, of which NumPy makes one array without a word on their masks."""
    if isinstance(source, (list, tuple)):
        kinds = set(map(type, source))
        if any(issubclass(kind, (list, tuple, np.ma.MaskedArray)) for kind in kinds):
            for item in source:
                _refuse_masks_within(item, label)
    elif isinstance(source, np.ma.MaskedArray):
        _unmasked(source, label)


def _refuse_other_length(source: Any, elements: Array, label: Label) -> None:
    """A view of a library's array may give NumPy the whole array, as slices of Lance's bfloat16 do."""
    if elements.ndim == 0 or not hasattr(type(source), "__len__"):
        return
    expected, actual = len(source), len(elements)
    if expected != actual:
        kind = type(source).__name__
        problem = f"this {kind} has the length {expected}, and gives NumPy {actual} rows; send a copy of it"
        raise array_error(label, problem, "NOT_AN_ARRAY", expected=str(expected), actual=str(actual))


def _is_torch_tensor(source: Any) -> bool:
    """Whether it is one, without an import of torch: who has a tensor has imported it."""
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    return isinstance(tensor, type) and isinstance(source, tensor)


def _from_torch(tensor: Any, label: Label) -> tuple[Array, str]:
    problem = _torch_problem(tensor)
    if problem:
        raise array_error(label, problem, "MASKED_ARRAY" if _is_masked(tensor) else "NOT_AN_ARRAY")
    name = str(tensor.dtype).rpartition(".")[2]
    if name not in _TORCH_BITS | _TORCH_NUMPY:
        problem = f"dtype {tensor.dtype} is not supported; docs/dtypes.md lists those that are"
        raise array_error(label, problem, "UNSUPPORTED_DTYPE", field="dtype", actual=name)
    # A conjugation or negation may be a mere bit of the tensor, of which its memory knows nothing.
    plain = tensor.detach().resolve_conj().resolve_neg()
    if name in _TORCH_NUMPY:
        return plain.numpy(), ""
    torch = sys.modules["torch"]
    integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return named_view(plain.view(integers[plain.element_size()]).numpy(), name)


def _torch_problem(tensor: Any) -> str:
    """Returns why the tensor's memory is not that of an array, and what to send; "" if it is."""
    if _is_masked(tensor):
        return "it is a masked tensor; send tensor.to_tensor(value) or tensor.get_data()"
    if tensor.is_nested:
        return "it is a nested tensor; send tensor.to_padded_tensor(value), or its tensors one by one"
    if tensor.is_quantized:
        return "it is a quantized tensor; send tensor.dequantize() or tensor.int_repr()"
    if str(tensor.layout) != "torch.strided":
        return f"its layout is {tensor.layout}; send tensor.to_dense()"
    if tensor.device.type == "meta":
        return "it is on the device meta and has no elements"
    return "" if tensor.device.type == "cpu" else f"it is on the device {tensor.device}; send tensor.cpu()"


def _is_masked(tensor: Any) -> bool:
    return type(tensor).__name__ == "MaskedTensor" and hasattr(tensor, "get_mask")
