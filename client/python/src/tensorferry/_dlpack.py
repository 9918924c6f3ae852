"""Arrays of any library by DLPack, also of the dtypes that NumPy's own reader does not know."""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

import numpy as np

from tensorferry._elements import Array

# These are DLDataTypeCode and bits of https://github.com/dmlc/dlpack/blob/main/include/dlpack/dlpack.h.
_UINT = 1
_NAMES = {
    (4, 16): "bfloat16",
    (5, 32): "complex32",
    (10, 8): "float8_e4m3fn",
    (11, 8): "float8_e4m3fnuz",
    (12, 8): "float8_e5m2",
    (13, 8): "float8_e5m2fnuz",
    (14, 8): "float8_e8m0fnu",
}


class SupportsDLPack(Protocol):
    """An object that offers its memory by DLPack."""

    def __dlpack__(self, *args: Any, **settings: Any) -> Any: ...

    def __dlpack_device__(self) -> Any: ...


class _DLTensor(ctypes.Structure):
    """The head of DLManagedTensor, up to the dtype."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
    )


class _Exported:
    """A capsule that was exported already, for `np.from_dlpack`."""

    def __init__(self, capsule: Any, device: Any) -> None:
        self._capsule, self._device = capsule, device

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> Any:
        return self._device


def from_dlpack(source: SupportsDLPack) -> tuple[Array, str]:
    """Returns an array over the memory of `source`, and the name of its dtype if NumPy's array has bits only.

    Errors: whatever source and NumPy raise, for memory of a device among other things.
    """
    try:
        return np.from_dlpack(source), ""
    except RuntimeError:
        # NumPy knows no bfloat16, float8 or complex32 here, but takes unsigned integers of their size.
        capsule = source.__dlpack__()
        name = _as_unsigned(capsule)
        if name is None:
            raise
        return np.from_dlpack(_Exported(capsule, source.__dlpack_device__())), name


def _as_unsigned(capsule: Any) -> str | None:
    """Makes the exported elements unsigned integers; returns the name of what they are, None for others.

    The capsule's tensor is the consumer's, which each export makes anew.
    """
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    tensor = _DLTensor.from_address(pointer(capsule, b"dltensor"))
    name = _NAMES.get((tensor.code, tensor.bits))
    if name is None or tensor.lanes != 1:
        return None
    tensor.code = _UINT
    return name
