"""NumPy arrays to the wire, and tensors of the wire to NumPy arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tensorferry._digest import ElementDigest
from tensorferry._elements import Array, element_blocks
from tensorferry._errors import ProtocolError, array_error
from tensorferry._sources import Source, to_elements
from tensorferry.v1 import tensor_service_pb2 as pb

_BLOCK_NBYTES = 1 << 20
_USER_DTYPE = 2  # Value of np.dtype.isbuiltin for types that a package registered, as ml_dtypes does.


class WireArray:
    """One array on its way to the server: in its own byte order and, where contiguous, its own layout.

    Borrows the array's memory: nothing may change it until the response is there.

    Attributes:
        dtype: As the wire spells it: `>f4`, or the name where NumPy has no unambiguous type string.
        canonical_dtype: The NumPy or ml_dtypes name, without byte order, which is torch's as well: `float32`.
        shape: Elements per dimension.
        nbytes: Bytes of the elements.
        digest: Of the elements, keeping pace with `chunks`; None if not wanted.
    """

    def __init__(
        self,
        array: Source,
        *,
        name: str = "",
        dtype: npt.DTypeLike | None = None,
        digest: bool = True,
        index: int | None = None,
    ) -> None:
        """Takes `dtype` as what the elements of a void array really are (np.load makes bfloat16 `|V2`).

        `index` is the array's position among others without names, for the texts of errors.

        Errors: ArrayError if NumPy makes no array of `array`, or if it is not one of void elements of the
            size that `dtype` has.
        """
        self.label = _label(name, index)
        elements, label = to_elements(array, self.label)
        if dtype is not None:
            elements, label = _relabel(elements, dtype, self.label)
        own = elements.dtype
        self.name = name
        self.shape = elements.shape
        self.dtype = label or own.str
        self.canonical_dtype = label or own.name
        self._wire_dtype = own
        if own.hasobject:
            # Pointers never travel; the server refuses the dtype by its type string.
            self.dtype, elements = "|O", np.empty(0, np.uint8)
        elif own.isbuiltin == _USER_DTYPE:
            # A name carries no byte order: elements travel little-endian.
            self.dtype, self._wire_dtype = own.name, own.newbyteorder("<")
        self.fortran_order = elements.flags.f_contiguous and not elements.flags.c_contiguous
        self.nbytes = elements.nbytes
        self.digest = ElementDigest(elements) if digest else None
        self._elements = elements.T if self.fortran_order else elements
        self._copy: bytes | None = None

    def keep(self, data: bytes) -> None:
        """Takes the bytes that `inline` sent: the array may have changed when they are sent once more."""
        self._copy = data

    def chunks(self, limit: int) -> Iterator[bytes]:
        """Yields the elements as they travel, at most `limit` bytes at a time, the digest keeping pace."""
        if self._copy is not None:
            yield from (self._copy[start : start + limit] for start in range(0, self.nbytes, limit))
            return
        for block in element_blocks(self._elements, self._wire_dtype, limit):
            if self.digest is not None:
                # Before the chunk goes: after the last one another thread may ask for the digest.
                self.digest.advance()
            yield bytes(block)

    def inline(self) -> pb.Array:
        """Returns the message with all elements in it; from here on the array may change."""
        message = self._header()
        message.data = b"".join(self.chunks(_BLOCK_NBYTES))
        if self.digest is not None:
            self.digest.digest()
        return message

    def announced(self) -> pb.Array:
        """Returns the message without the elements, which follow in `chunks`."""
        message = self._header()
        message.chunked_nbytes = self.nbytes
        return message

    def _header(self) -> pb.Array:
        return pb.Array(name=self.name, dtype=self.dtype, shape=self.shape, fortran_order=self.fortran_order)


def to_array(metadata: pb.TensorMetadata, elements: npt.NDArray[np.uint8]) -> Array:
    """Gives the bytes of a tensor its dtype and shape; the array owns `elements`.

    Errors: ProtocolError if NumPy and ml_dtypes do not know the dtype, or dtype, shape and bytes do not fit.
    """
    dtype = _tensor_dtype(metadata.dtype)
    if dtype is None:
        raise ProtocolError(
            f"tensor '{metadata.name}': this NumPy and ml_dtypes know no dtype '{metadata.dtype}'"
        )
    shape = tuple(metadata.shape)
    problem = f"tensor '{metadata.name}': {dtype} with shape {list(shape)} in {elements.nbytes} bytes"
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != elements.nbytes:
        raise ProtocolError(problem)
    try:
        return elements.view(dtype.newbyteorder("<")).reshape(shape)
    except ValueError as error:  # More dimensions than this NumPy has.
        raise ProtocolError(f"{problem}: {error}") from error


def _tensor_dtype(name: str) -> np.dtype[Any] | None:
    """Returns the dtype of that name, whose elements are numbers or bools; None if there is none."""
    try:
        dtype: np.dtype[Any] = np.dtype(name)
    except Exception:  # NumPy's parser of dtypes raises more than TypeErrors.
        return None
    is_number = dtype.kind in "biufc" or dtype.isbuiltin == _USER_DTYPE
    return dtype if is_number and dtype.name == name else None


def _label(name: str, index: int | None) -> str:
    """Returns what errors call an array."""
    if name:
        return f"array '{name}'"
    return "the array" if index is None else f"array {index}"


def _relabel(array: Array, dtype: npt.DTypeLike, label: str) -> tuple[Array, str]:
    """Returns the void array as one of `dtype`, or, if NumPy knows none, as it is with the name to send."""
    try:
        known: np.dtype[Any] | None = np.dtype(dtype)
    except Exception:  # NumPy's parser of dtypes raises more than TypeErrors.
        known = None
    if known is not None and known.newbyteorder("=") == array.dtype.newbyteorder("="):
        return array, ""
    if array.dtype.type is not np.void or array.dtype.fields is not None:
        problem = f"dtype= says what void elements are, and casts nothing; this array's are {array.dtype}"
        raise array_error(label, problem, "CONFLICTING_FIELDS", field="dtype")
    if known is None:
        return array, str(dtype)
    if known.itemsize != array.dtype.itemsize:
        problem = f"dtype= {known} has {known.itemsize} bytes per element, {array.dtype} does not"
        raise array_error(label, problem, "CONFLICTING_FIELDS", field="dtype")
    return array.view(known), ""
