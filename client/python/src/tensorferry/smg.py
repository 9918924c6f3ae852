"""`TensorData`, in which the SMG gateway sends arrays to engines such as vLLM, from NumPy's arrays and back.

The messages are those of the package smg-grpc-proto, of any engine. This module does not import it.

>>> tensorferry.smg.fill(inputs.pixel_values, pixels)
>>> receipt = client.convert(tensorferry.smg.array_of(inputs.pixel_values))
"""

from __future__ import annotations

import math
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from tensorferry._arrays import _tensor_dtype
from tensorferry._elements import Array, whole_elements
from tensorferry._errors import Label, array_error
from tensorferry._sources import Source, native_view, to_elements

__all__ = ["array_of", "fill", "shared"]

_SHARED = Path("/dev/shm")
_MOST_IN_A_DIMENSION = (1 << 32) - 1


def fill(tensor: Any, array: Source) -> None:
    """Puts an array into a `TensorData`, with its elements in the message.

    Errors: ArrayError if it is no array; ValueError if a dimension does not fit 32 bits.
    """
    setattr(tensor, _inline_field(tensor), bytes(_describe(tensor, array)))


@contextmanager
def shared(tensor: Any, array: Source) -> Iterator[None]:
    """Puts an array into a `TensorData`, with its elements in /dev/shm, for an engine on this machine.

    The engine must run as the same user. It removes them when it has read them; what is left is removed when
    the block ends.

    Errors: those of fill; ValueError if this engine's messages have no shared memory; OSError.
    """
    if "shm" not in tensor.DESCRIPTOR.fields_by_name:
        raise ValueError(f"{tensor.DESCRIPTOR.full_name} has no shared memory; fill() sends the elements")
    elements = _describe(tensor, array)
    name = f"tensorferry-{secrets.token_hex(8)}"
    try:
        with open(os.open(_SHARED / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(elements)
        tensor.shm.name = name
        tensor.shm.offset = 0
        tensor.shm.nbytes = len(elements)
        tensor.shm.owner_id = str(os.getpid())
        yield
    finally:
        with suppress(FileNotFoundError):
            (_SHARED / name).unlink()


def array_of(tensor: Any, *, unlink: bool = True) -> Array:
    """Returns the array of a `TensorData`. It has the message's elements, and a copy of those in /dev/shm.

    Args:
        tensor: The message. Its sender is trusted with the file that it names in /dev/shm.
        unlink: Remove the elements from /dev/shm when they were read, as the gateway expects of an engine.

    Errors: ValueError if dtype, shape and elements do not fit each other, or if there are none; OSError.
    """
    dtype = _tensor_dtype(tensor.dtype)
    if dtype is None:
        raise ValueError(f"TensorData: this NumPy and ml_dtypes know no dtype '{tensor.dtype}'")
    shape = tuple(tensor.shape)
    expected = math.prod(shape) * dtype.itemsize
    is_shared = tensor.HasField("shm") if "shm" in tensor.DESCRIPTOR.fields_by_name else False
    nbytes = tensor.shm.nbytes if is_shared else len(getattr(tensor, _inline_field(tensor)))
    if nbytes != expected:
        raise ValueError(f"TensorData: {tensor.dtype} of shape {shape} has {expected} bytes, not {nbytes}")
    if is_shared:
        elements: bytes | bytearray = _read_shared(tensor.shm, unlink)
    else:
        elements = getattr(tensor, _inline_field(tensor))
    return np.frombuffer(elements, dtype).reshape(shape)


def _inline_field(tensor: Any) -> str:
    """SGLang's messages have the elements in `data`, those of other engines in `inline`."""
    return "inline" if "inline" in tensor.DESCRIPTOR.fields_by_name else "data"


def _describe(tensor: Any, array: Source) -> bytes | memoryview:
    """Sets shape and dtype, and returns the elements: little-endian, in C order, uncopied if possible."""
    label = Label()
    elements, name = to_elements(array, label)
    elements = native_view(elements)
    dtype = elements.dtype if name else _tensor_dtype(elements.dtype.name)
    if dtype is None:
        raise array_error(
            label, f"dtype {elements.dtype} has no torch dtype", "UNSUPPORTED_DTYPE", field="dtype"
        )
    for dimension in elements.shape:
        if dimension > _MOST_IN_A_DIMENSION:
            raise ValueError(f"a dimension of {dimension} does not fit the 32 bits of TensorData's")
    tensor.shape[:] = elements.shape
    tensor.dtype = name or dtype.name
    return whole_elements(elements, dtype)


def _read_shared(handle: Any, unlink: bool) -> bytearray:
    """Reads the elements. They are copied, as their sender may change or cut them at any time."""
    name = handle.name.lstrip("/")
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"TensorData: '{handle.name}' is no name in {_SHARED}")
    with open(os.open(_SHARED / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"TensorData: {_SHARED / name} is no file")
        end = handle.offset + handle.nbytes
        if status.st_size < end:
            raise ValueError(f"TensorData: {_SHARED / name} has {status.st_size} bytes, but {end} are needed")
        elements = bytearray(handle.nbytes)
        file.seek(handle.offset)
        got = file.readinto(elements)
    if unlink:
        (_SHARED / name).unlink(missing_ok=True)
    if got != len(elements):
        raise ValueError(f"TensorData: {_SHARED / name} was cut while it was read")
    return elements
