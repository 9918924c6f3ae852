"""Regions of callers' memory that servers know by a name, of each kind, and arrays of the native service in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.protobuf.message import Message

from cuda_driver import STAND_IN
from harness import TIMEOUT_S
from rpc_protos import (
    CudaSharedMemoryRegisterRequest,
    CudaSharedMemoryUnregisterRequest,
    SystemSharedMemoryRegisterRequest,
    SystemSharedMemoryUnregisterRequest,
)
from tensorferry.v1 import tensor_service_pb2 as pb

SIZE = 1 << 20
REGION = "region"


@dataclass(frozen=True)
class Kind:
    """A kind of memory: how a server is told to take it, and how callers register regions of it."""

    flag: str  # Of --shared-memory.
    feature: str
    variables: Mapping[str, str]  # Of the server's environment.
    methods: str  # What the names of its methods begin with.
    region: Callable[[str, Path, int], Message]
    unregistered: Callable[..., Message]

    def register(self, channel: grpc.Channel, memory: Path, name: str = REGION, byte_size: int = SIZE) -> None:
        self._call(channel, "Register", self.region(name, memory, byte_size))

    def unregister(self, channel: grpc.Channel, name: str = REGION) -> None:
        self._call(channel, "Unregister", self.unregistered(name=name))

    def _call(self, channel: grpc.Channel, method: str, message: Message) -> None:
        path = f"/inference.GRPCInferenceService/{self.methods}{method}"
        channel.unary_unary(path)(message.SerializeToString(), timeout=TIMEOUT_S)


def _system_region(name: str, memory: Path, byte_size: int) -> Message:
    return SystemSharedMemoryRegisterRequest(name=name, key=f"/{memory.name}", byte_size=byte_size)


def _cuda_region(name: str, memory: Path, byte_size: int) -> Message:
    handle = f"/{memory.name}".encode().ljust(64, b"\0")
    return CudaSharedMemoryRegisterRequest(name=name, raw_handle=handle, byte_size=byte_size)


SYSTEM = Kind("system", "shared_memory", {}, "SystemSharedMemory", _system_region, SystemSharedMemoryUnregisterRequest)
CUDA = Kind("cuda", "cuda_shared_memory", STAND_IN, "CudaSharedMemory", _cuda_region, CudaSharedMemoryUnregisterRequest)


@contextmanager
def shared_object() -> Iterator[Path]:
    """An object of POSIX shared memory. To the stand-in for NVIDIA's driver it is memory of a GPU."""
    file = Path(f"/dev/shm/tensorferry-test-{os.getpid()}")
    file.write_bytes(bytes(SIZE))
    try:
        yield file
    finally:
        file.unlink()


def write(memory: Path, offset: int, data: bytes) -> None:
    with memory.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def shared(
    dtype: str, shape: tuple[int, ...], offset: int, nbytes: int, region: str = REGION, **more: object
) -> pb.Array:
    place = pb.SharedMemoryRange(region=region, offset=offset, nbytes=nbytes)
    return pb.Array(name="x", dtype=dtype, shape=shape, shared_memory=place, **more)
