"""Requests as files, for message_load: the same array to the built-in `identity` in both forms, or in shared memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import grpc

FOLDER = Path(__file__).resolve().parents[2] / "build/bench/messages"
REGION = "tensorferry-bench"
REGION_BYTES = 512 << 20  # The first half is for inputs.
SERVICE = "/inference.GRPCInferenceService"


@dataclass(frozen=True)
class Form:
    """How a request is written. `shared`: its elements lie in the region, and an output that comes goes there."""

    method: str
    shared: bool = False


FORMS = {
    "native": Form("/tensorferry.v1.TensorService/Convert"),
    "oip": Form(f"{SERVICE}/ModelInfer"),
    "shared": Form("/tensorferry.v1.TensorService/Convert", shared=True),
    "shared-both": Form(f"{SERVICE}/ModelInfer", shared=True),
}


def varint(value: int) -> bytes:
    encoded = b""
    while value > 0x7F:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def field(number: int, value: bytes | str | int) -> bytes:
    """One field in protobuf's wire format."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def _native(form: Form, nbytes: int) -> bytes:
    array = field(1, "x") + field(2, "<f4") + field(3, varint(nbytes // 4))
    if form.shared:
        return field(8, array + field(8, field(1, REGION) + field(3, nbytes)))
    return field(2, "identity") + field(8, array + field(5, bytes(nbytes)))


def _parameter(number: int, name: str, value: bytes) -> bytes:
    return field(number, field(1, name) + field(2, value))


def _oip(form: Form, nbytes: int) -> bytes:
    tensor = field(1, "x") + field(2, "FP32") + field(3, varint(nbytes // 4))
    if not form.shared:
        return field(1, "identity") + field(5, tensor) + field(7, bytes(nbytes))

    def place(number: int, offset: int) -> bytes:
        names = {"shared_memory_byte_size": field(2, nbytes), "shared_memory_offset": field(2, offset)}
        numbers = b"".join(_parameter(number, name, value) for name, value in names.items())
        return _parameter(number, "shared_memory_region", field(3, REGION)) + numbers

    output = field(1, "x") + place(2, REGION_BYTES // 2)
    return field(1, "identity") + field(5, tensor + place(4, 0)) + field(6, output)


@cache
def message_file(name: str, nbytes: int) -> Path:
    form = FORMS[name]
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{name}-{nbytes}.bin"
    file.write_bytes(_oip(form, nbytes) if form.method.startswith(SERVICE) else _native(form, nbytes))
    return file


def register_region(addresses: Sequence[str]) -> None:
    """Makes the region, full of zeros, and tells the server of it."""
    with Path("/dev/shm", REGION).open("wb") as region:
        region.write(bytes(REGION_BYTES))
    request = field(1, REGION) + field(2, f"/{REGION}") + field(4, REGION_BYTES)
    with grpc.insecure_channel(addresses[0]) as channel:
        channel.unary_unary(f"{SERVICE}/SystemSharedMemoryRegister")(request, timeout=60)


def remove_region() -> None:
    Path("/dev/shm", REGION).unlink(missing_ok=True)
