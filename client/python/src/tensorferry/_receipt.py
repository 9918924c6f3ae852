"""What the server states about one converted array."""

from __future__ import annotations

from dataclasses import dataclass, field

from tensorferry._arrays import WireArray
from tensorferry._digest import element_digest
from tensorferry._elements import Array
from tensorferry._enums import enum_name
from tensorferry._errors import VerificationError
from tensorferry._html import table
from tensorferry._results import NO_TIMING, Timing, to_timing
from tensorferry.v1 import tensor_service_pb2 as pb

_SWAPPED = enum_name(pb.Adjustment, pb.ADJUSTMENT_BYTE_ORDER_SWAPPED)


@dataclass(frozen=True)
class Receipt:
    """One converted array: the torch tensor as the server read it back, next to what was sent.

    Attributes:
        name: The array's name, as sent.
        dtype: Torch's name of the tensor's dtype, without `torch.`: "float32".
        numpy_dtype: The canonical NumPy or ml_dtypes name of the array's dtype: "float32".
        source_dtype: The dtype as it was sent: ">f4".
        dtype_equal: Server and client agree that `dtype` is the one that the array's own dtype maps to.
        adjustments: What the conversion changed, here or there: "BYTE_ORDER_SWAPPED", "BOOL_NORMALIZED".
            Empty: not a bit.
        shape: Elements per dimension.
        strides: Of the tensor, in elements, not bytes.
        numel: Elements in all.
        itemsize: Bytes per element.
        nbytes: Bytes of all elements.
        device: Where the tensor was made: "cpu", "cuda:0".
        digest: XXH3-128 that the server took over the tensor's elements (16 bytes); empty if not asked for.
        digest_equal: `digest` is the one this client took over the array's elements; None if not asked for.
        data: With `return_data`, the tensor's elements: a new C-contiguous, writable array.
        request_id: As in the request.
        timing: Where the server's time went.
    """

    name: str
    dtype: str
    numpy_dtype: str
    source_dtype: str
    dtype_equal: bool
    adjustments: tuple[str, ...]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    numel: int
    itemsize: int
    nbytes: int
    device: str
    digest: bytes
    digest_equal: bool | None
    data: Array | None = field(default=None, compare=False, repr=False)
    request_id: str = field(default="", compare=False, repr=False)
    timing: Timing = field(default=NO_TIMING, compare=False, repr=False)

    def __str__(self) -> str:
        """One line: `x: float32 (5, 384), bits equal, BYTE_ORDER_SWAPPED, digest d62cc801…`."""
        bits = {True: "bits equal", False: "BITS NOT EQUAL", None: "no digest"}[self.digest_equal]
        facts = [f"{self.dtype} {self.shape}", bits, *self.adjustments]
        if not self.dtype_equal:
            facts.insert(1, f"DTYPE NOT EQUAL to {self.numpy_dtype}")
        if self.digest:
            facts.append(f"digest {self.digest.hex()[:8]}…")
        return (f"{self.name}: " if self.name else "") + ", ".join(facts)

    def _repr_html_(self) -> str:
        """A table, which notebooks show."""
        is_equal = "" if self.dtype_equal else f", NOT EQUAL to {self.numpy_dtype}"
        return table(
            f"Receipt of {self.name}" if self.name else "Receipt",
            [
                ("dtype", f"{self.dtype}{is_equal}"),
                ("shape", str(self.shape)),
                ("size", f"{self.nbytes:,} bytes"),
                ("device", self.device),
                ("bits", {True: "equal", False: "NOT EQUAL", None: "no digest"}[self.digest_equal]),
                ("changed", ", ".join(self.adjustments)),
                ("digest", self.digest.hex()),
                ("request", self.request_id),
                ("server's time", "" if self.timing == NO_TIMING else str(self.timing)),
            ],
        )


def make_receipt(
    sent: WireArray, tensor: pb.TensorMetadata, data: Array | None, response: pb.ConvertResponse
) -> Receipt:
    """Puts what the server stated next to what was sent."""
    stated = tensor.receipt
    adjustments = tuple(enum_name(pb.Adjustment, value) for value in stated.adjustments)
    receipt = object.__new__(Receipt)
    # The constructor of a frozen dataclass sets field by field, which takes most of this function's time.
    receipt.__dict__.update(
        name=tensor.name,
        dtype=tensor.dtype,
        numpy_dtype=stated.numpy_dtype,
        source_dtype=stated.source_dtype,
        dtype_equal=stated.dtype_equal and stated.numpy_dtype == tensor.dtype == sent.canonical_dtype,
        adjustments=(_SWAPPED, *adjustments) if sent.is_swapped else adjustments,
        shape=tuple(tensor.shape[:]),
        strides=tuple(tensor.strides[:]),
        numel=tensor.numel,
        itemsize=tensor.itemsize,
        nbytes=tensor.nbytes,
        device=tensor.device,
        digest=stated.digest,
        digest_equal=stated.digest == sent.digest if sent.has_digest else None,
        data=data,
        request_id=response.request_id,
        timing=to_timing(response.timing),
    )
    return receipt


def is_faithful(tensor: pb.TensorMetadata, sent: WireArray) -> bool:
    """Whether dtype, shape and digest are those of the array. `verify` says what is not."""
    stated = tensor.receipt
    return (
        stated.dtype_equal
        and stated.numpy_dtype == tensor.dtype == sent.canonical_dtype
        and tuple(tensor.shape[:]) == sent.shape
        and (not sent.has_digest or stated.digest == sent.digest)
    )


def verify(receipt: Receipt, sent: WireArray) -> None:
    """Errors: VerificationError if dtype, shape, digest or returned data are not those of the array."""
    if not receipt.dtype_equal:
        raise VerificationError("dtype", sent.canonical_dtype, receipt.dtype, receipt)
    if receipt.shape != sent.shape:
        raise VerificationError("shape", list(sent.shape), list(receipt.shape), receipt)
    if not sent.has_digest:
        return
    expected = sent.digest
    if receipt.digest != expected:
        raise VerificationError("digest", expected.hex(), receipt.digest.hex(), receipt)
    if receipt.data is not None:
        returned = element_digest(receipt.data)
        if returned != expected:
            raise VerificationError("data", expected.hex(), returned.hex(), receipt)
