"""NumPy arrays to the wire, and tensors of the wire to NumPy arrays."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from tensorferry._digest import ElementDigest, element_digest
from tensorferry._elements import Array, element_blocks, whole_elements
from tensorferry._errors import Label, ProtocolError, array_error
from tensorferry._sealed import Pages, SealedMemory, frozen, pages_of, sealed_copy
from tensorferry._sources import NUMPY_DTYPE, USER_DTYPE, Source, native, native_view, to_elements
from tensorferry._strict import check_strict
from tensorferry._upload import MakeChunks, NativeChunks
from tensorferry._wire import Buffer, announced_array, array_head, placed_array
from tensorferry.v1 import tensor_service_pb2 as pb

_COPY_NBYTES = 1 << 20  # Elements are copied and hashed in blocks that stay in a core's cache in between.
_LITTLE_ENDIAN = "<|=" if sys.byteorder == "little" else "<|"  # These are values of np.dtype.byteorder.


class WireArray:
    """One array on its way to the server: in its own byte order and, where contiguous, its own layout.

    Borrows the array's memory: nothing may change it until the response is there.

    Attributes:
        dtype: As the wire spells it: `>f4`, or the name where NumPy has no unambiguous type string.
        canonical_dtype: The NumPy or ml_dtypes name, without byte order, which is torch's as well: `float32`.
        shape: Elements per dimension.
        nbytes: Bytes of the elements.
        is_swapped: Whether the elements travel in another byte order than they have, as a name carries none.
        has_digest: Whether a digest is wanted.
    """

    __slots__ = (
        "_copy", "_digest", "_elements", "_in_c_order", "_index", "_wire_dtype", "canonical_dtype", "dtype",
        "fortran_order", "has_digest", "is_swapped", "name", "nbytes", "shape",
    )  # fmt: skip

    def __init__(
        self,
        array: Source,
        *,
        name: str = "",
        dtype: npt.DTypeLike | None = None,
        strict: bool = False,
        digest: bool = True,
        index: int | None = None,
        big_endian: bool = False,
    ) -> None:
        """Takes `dtype` as what the elements of a void array really are (np.load makes bfloat16 `|V2`).

        `strict` refuses here what the server cannot see: whatever is not about dtype, byte order and bools.
        `index` is the array's position among others without names, for the texts of errors. With `big_endian`
        void elements are so, of whatever dtype.

        Errors: ArrayError if there is no NumPy array of `array`, or if it is not one of void elements of the
            size that `dtype` has.
        """
        self.name = name
        self._index = index
        if strict:
            check_strict(array, self.label)
        # What most callers hand over needs no look at what else it might be.
        elements, dtype_name = (array, "") if type(array) is np.ndarray else to_elements(array, self.label)
        if dtype is not None:
            elements, dtype_name = _relabel(elements, dtype, self.label)
        self.is_swapped = False
        if big_endian and dtype is not None and elements.itemsize > 1:
            elements, self.is_swapped = _reversed(elements, dtype_name or elements.dtype.name), True
        if elements.dtype.isbuiltin != NUMPY_DTYPE:
            elements = native_view(elements)
        own = elements.dtype
        self.shape = elements.shape
        wire_name, own_name = _names(own) if own.isbuiltin == NUMPY_DTYPE else (own.str, own.name)
        self.dtype = dtype_name or wire_name
        self.canonical_dtype = dtype_name or own_name
        self._wire_dtype = own
        if own.hasobject or own.fields is not None:
            elements = _without_pointers(elements, self.label)
            self.dtype = "|O"
        elif own.isbuiltin == USER_DTYPE:
            # A name carries no byte order: elements travel little-endian.
            self.dtype, self._wire_dtype = own.name, own.newbyteorder("<")
            self.is_swapped = self.is_swapped or (own.itemsize > 1 and own.byteorder not in _LITTLE_ENDIAN)
        if self.is_swapped and strict:
            problem = "its elements are big-endian, and strict takes little-endian ones only"
            raise array_error(self.label, problem, "BYTE_ORDER", field="dtype", actual=f">{self.dtype}")
        self.fortran_order = elements.ndim > 1 and _is_fortran(elements)
        self.nbytes = elements.nbytes
        self.has_digest = digest
        self._digest: ElementDigest | NativeChunks | SealedDigest | bytes = b""
        self._in_c_order = elements
        self._elements = elements.T if self.fortran_order else elements
        self._copy: bytes | None = None

    @property
    def label(self) -> Label:
        """What errors call the array."""
        return Label(self.name, self._index)

    @property
    def digest(self) -> bytes:
        """The digest of the elements as they were sent last; empty if none is wanted."""
        if not isinstance(self._digest, bytes):
            self._digest = self._digest.digest()
        return self._digest

    def keep(self, data: bytes) -> None:
        """Takes the bytes that `inline` sent: the array may have changed when they are sent once more."""
        self._copy = data

    def chunks(self, limit: int) -> Iterator[Buffer]:
        """Returns the elements as they travel, at most `limit` bytes at a time, the digest keeping pace.

        They borrow the array's memory until the next is asked for.

        The digest starts anew: another thread may still be at the chunks that were asked for before.
        """
        if self._copy is not None:
            copy = self._copy
            return (copy[start : start + limit] for start in range(0, self.nbytes, limit))
        digest = ElementDigest(self._in_c_order) if self.has_digest else None
        self._digest = digest or b""
        return self._chunks(limit, digest)

    def native_chunks(self, limit: int, make: MakeChunks) -> NativeChunks:
        """Returns what `chunks` does, with the digest, as the compiled core makes it."""
        if self._copy is not None:
            copy = np.frombuffer(self._copy, np.uint8)
            return make(copy, copy.dtype, False, False, limit)
        chunks = make(self._elements, self._wire_dtype, self.fortran_order, self.has_digest, limit)
        self._digest = chunks if self.has_digest else b""
        return chunks

    def _chunks(self, limit: int, digest: ElementDigest | None) -> Iterator[Buffer]:
        for block in element_blocks(self._elements, self._wire_dtype, limit):
            if digest is not None:
                # This comes before the yield: after the last chunk another thread may ask for the digest.
                digest.advance()
            yield block

    def inline(self) -> tuple[bytes, Buffer]:
        """Returns the array's field of a request, and its elements, which follow in it.

        The elements borrow the array's memory.
        """
        if self._copy is not None:
            elements: Buffer = self._copy
        else:
            elements = whole_elements(self._elements, self._wire_dtype)
            if self.has_digest:
                self._digest = self._digest_of(elements)
        return array_head(self.name, self.dtype, self.shape, self.fortran_order, self.nbytes), elements

    def announced(self) -> bytes:
        """Returns the array's field of a request without the elements, which follow in `chunks`."""
        return announced_array(self.name, self.dtype, self.shape, self.fortran_order, self.nbytes)

    def seal(self, may_copy: bool, may_change: bool) -> tuple[SealedMemory, int] | None:
        """Returns sealed memory that has the elements as they travel, and the first byte of them.

        It is that of the array if it lies in such memory, else a copy, or None where that is not wanted.
        `may_change`: The caller may write to the array from now on: its digest is taken here.

        Errors: OSError where the system has no memory for it.
        """
        if self._copy is None and self._elements.dtype == self._wire_dtype:
            pages = pages_of(self._elements)
            is_first = pages is not None and pages.is_shared and self.has_digest
            # Once the array is sealed, each page would have to be mapped anew for it.
            digest = element_digest(self._in_c_order) if is_first else b""
            place = frozen(self._elements)
            if pages is not None and place is not None:
                if self.has_digest and not is_first:
                    sealed = SealedDigest(self._in_c_order, pages)
                    self._digest = sealed.digest() if may_change else sealed
                else:
                    self._digest = digest
                return place
        return (sealed_copy(self.chunks(_COPY_NBYTES)), 0) if may_copy else None

    def placed(self, region: str, offset: int) -> bytes:
        """Returns the array's field of a request without the elements, which lie in a region."""
        head = (self.name, self.dtype, self.shape, self.fortran_order)
        return placed_array(head, region, offset, self.nbytes)

    def _digest_of(self, elements: Buffer) -> bytes:
        """Returns the digest, over the bytes that travel if these are in its order."""
        is_canonical = self._wire_dtype.byteorder in _LITTLE_ENDIAN and self._in_c_order.dtype.kind != "b"
        if self.fortran_order or not is_canonical:
            return element_digest(self._in_c_order)
        return xxhash.xxh3_128_digest(elements)


class SealedDigest:
    """The digest of an array that lies in sealed memory, as it was sealed."""

    def __init__(self, array: Array, pages: Pages) -> None:
        self._array = array
        self._pages = pages

    def digest(self) -> bytes:
        return self._pages.digest_of(self._array, element_digest)


def to_array(metadata: pb.TensorMetadata, elements: npt.NDArray[np.uint8]) -> Array:
    """Gives the bytes of a tensor its dtype and shape; the array owns `elements`.

    Errors: ProtocolError if NumPy and ml_dtypes do not know the dtype, or dtype, shape and bytes do not fit.
    """
    dtype = _numpy_dtype(metadata.dtype) or _tensor_dtype(metadata.dtype)
    if dtype is None:
        problem = f"this NumPy and ml_dtypes know no dtype '{metadata.dtype}'"
        raise ProtocolError(f"{_tensor_label(metadata)}: {problem}")
    shape = tuple(metadata.shape[:])  # A slice takes half the time of protobuf's iteration.
    array = elements.view(dtype) if elements.nbytes % dtype.itemsize == 0 else None
    if array is not None and array.shape == shape:
        return array
    if array is None or min(shape, default=0) < 0 or math.prod(shape) != array.size:
        raise ProtocolError(_misfit(metadata, dtype, elements))
    try:
        return array.reshape(shape)
    except ValueError as error:  # More dimensions than this NumPy has.
        raise ProtocolError(f"{_misfit(metadata, dtype, elements)}: {error}") from error


def _misfit(metadata: pb.TensorMetadata, dtype: np.dtype[Any], elements: Array) -> str:
    declared = f"{dtype.name} with shape {list(metadata.shape)}"
    return f"{_tensor_label(metadata)}: {declared} in {elements.nbytes} bytes"


def _tensor_label(metadata: pb.TensorMetadata) -> str:
    return f"tensor '{metadata.name}'" if metadata.name else "the tensor"


@lru_cache(maxsize=64)
def _numpy_dtype(name: str) -> np.dtype[Any] | None:
    """Returns what `_tensor_dtype` does, of NumPy's own types alone: those of others may change meanwhile."""
    dtype = _tensor_dtype(name)
    return None if dtype is None or dtype.isbuiltin == USER_DTYPE else dtype


def _tensor_dtype(name: str) -> np.dtype[Any] | None:
    """Returns the little-endian dtype of that name, of numbers or bools; None if there is none."""
    try:
        dtype: np.dtype[Any] = np.dtype(name)
    except Exception:  # NumPy's parser of dtypes raises more than TypeErrors.
        return None
    is_number = dtype.kind in "biufc" or dtype.isbuiltin == USER_DTYPE
    return dtype.newbyteorder("<") if is_number and dtype.name == name else None


@lru_cache(maxsize=64)
def _names(dtype: np.dtype[Any]) -> tuple[str, str]:
    """Returns type string and name of one of NumPy's own dtypes, which it makes anew whenever it is asked."""
    return dtype.str, dtype.name


def _relabel(array: Array, dtype: npt.DTypeLike, label: Label) -> tuple[Array, str]:
    """Returns the void array as one of `dtype`, or, if NumPy knows none, as it is with the name to send."""
    known = _known_dtype(dtype)
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


def _reversed(array: Array, name: str) -> Array:
    """Returns a copy in the other byte order, of complex numbers part by part: ml_dtypes mixes parts up."""
    is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    elements = array.T if is_fortran else array
    part_nbytes = array.itemsize // (2 if name.startswith("complex") else 1)
    parts = np.ascontiguousarray(elements).reshape(-1).view(np.uint8).reshape(-1, part_nbytes)
    swapped = parts[:, ::-1].reshape(-1).view(array.dtype).reshape(elements.shape)
    return swapped.T if is_fortran else swapped


def _known_dtype(dtype: npt.DTypeLike) -> np.dtype[Any] | None:
    try:
        return native(np.dtype(dtype))
    except Exception:  # NumPy's parser of dtypes raises more than TypeErrors.
        return None


def _without_pointers(elements: Array, label: Label) -> Array:
    """Returns nothing in the place of objects: pointers never travel, and the server refuses their dtype.

    Errors: ArrayError for dtypes that no type string says: structs, NumPy's own strings.
    """
    dtype = elements.dtype
    if dtype.fields is not None:
        fields = ", ".join(f"'{name}'" for name in dtype.names or ())
        problem = f"dtype {dtype} has fields, and a tensor has none; send each by itself: {fields}"
        raise array_error(label, problem, "UNSUPPORTED_DTYPE", field="dtype", actual=str(dtype))
    if dtype.kind != "O":
        problem = f"dtype {dtype} is not supported: torch has no such dtype"
        raise array_error(label, problem, "UNSUPPORTED_DTYPE", field="dtype", actual=str(dtype))
    return np.empty(0, np.uint8)


def _is_fortran(elements: Array) -> bool:
    """Whether column-major order describes the memory, as its strides say where both orders do."""
    flags = elements.flags
    if not flags.f_contiguous or not flags.c_contiguous:
        return flags.f_contiguous
    if elements.size == 0:
        return False
    itemsize = elements.itemsize
    row_major = tuple(itemsize * math.prod(elements.shape[axis + 1 :]) for axis in range(elements.ndim))
    column_major = tuple(itemsize * math.prod(elements.shape[:axis]) for axis in range(elements.ndim))
    return elements.strides == column_major != row_major
