"""Shared memory of the clients, by tritonclient's own utilities."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton
import tritonclient.utils.shared_memory as shm
from tritonclient.utils import np_to_triton_dtype

from gates import wait_until

Client = triton.InferenceServerClient


class Region:
    """A POSIX shared memory object, and the name by which the server knows it, if it does."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.key, self.size = name, f"/tensorferry-test-{os.getpid()}-{name}", size
        self._handle = shm.create_shared_memory_region(name, self.key, size)

    def register(self, client: Client, **changes: object) -> None:
        client.register_system_shared_memory(self.name, self.key, **{"byte_size": self.size, **changes})

    def write(self, array: np.ndarray, offset: int = 0) -> None:
        shm.set_shared_memory_region(self._handle, [array], offset)

    def read(self, dtype: type, shape: Sequence[int], offset: int = 0) -> np.ndarray:
        return np.array(shm.get_contents_as_numpy(self._handle, np.dtype(dtype), shape, offset))

    def read_bytes(self) -> bytes:
        return self.read(np.uint8, [self.size]).tobytes()

    def resize(self, size: int) -> None:
        os.truncate(f"/dev/shm{self.key}", size)

    def unlink(self) -> None:
        """The server's mapping, and ours, outlive the name."""
        os.unlink(f"/dev/shm{self.key}")

    def destroy(self) -> None:
        if not os.path.exists(f"/dev/shm{self.key}"):
            Path(f"/dev/shm{self.key}").touch()  # Or the utilities fail to take the name away.
        shm.destroy_shared_memory_region(self._handle)


@contextmanager
def unregistered(name: str, size: int) -> Iterator[Region]:
    region = Region(name, size)
    try:
        yield region
    finally:
        region.destroy()


def unregister(client: Client, name: str) -> bool:
    """Returns whether it was done: Triton 2.51 counts a request as a user for a moment longer than its answer takes."""
    try:
        client.unregister_system_shared_memory(name)
    except triton.InferenceServerException as error:
        if "currently in use" in error.message():
            return False
        raise
    return True


@contextmanager
def registered(client: Client, name: str, size: int) -> Iterator[Region]:
    with unregistered(name, size) as region:
        region.register(client)
        try:
            yield region
        finally:
            wait_until(lambda: unregister(client, name), "the region's last user")


def input_in(region: str, name: str, array: np.ndarray, offset: int = 0) -> triton.InferInput:
    """An input of this array's kind and size, whose elements lie in the region."""
    given = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    given.set_shared_memory(region, array.nbytes, offset)
    return given


def output_in(region: str, name: str, size: int, offset: int = 0) -> triton.InferRequestedOutput:
    wanted = triton.InferRequestedOutput(name)
    wanted.set_shared_memory(region, size, offset)
    return wanted
