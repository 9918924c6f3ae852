"""Memory of a GPU, by NVIDIA's driver itself, or by what stands in for it: whichever libcuda.so.1 the loader finds."""

from __future__ import annotations

import base64
import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

HANDLE_BYTES = 64


class _Handle(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_char * HANDLE_BYTES),)


class Gpu:
    """The first GPU. This process's memory there is made, filled and read on the thread that made this object."""

    def __init__(self) -> None:
        self._driver = ctypes.CDLL("libcuda.so.1")
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuInit", ctypes.c_uint(0))
        self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(0))
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxPushCurrent_v2", context)

    def call(self, function: str, *arguments: object) -> None:
        error = getattr(self._driver, function)(*arguments)
        assert error == 0, f"{function}: CUDA error {error}"


class GpuMemory:
    """Some bytes of a GPU's memory, which other processes can open by `handle`, as clients send it: in base64."""

    def __init__(self, gpu: Gpu, size: int) -> None:
        self._gpu, self.size = gpu, size
        self._pointer = ctypes.c_uint64()
        handle = _Handle()
        gpu.call("cuMemAlloc_v2", ctypes.byref(self._pointer), ctypes.c_size_t(size))
        gpu.call("cuIpcGetMemHandle", ctypes.byref(handle), self._pointer)
        self.handle = base64.b64encode(bytes(handle))

    def _at(self, offset: int) -> ctypes.c_uint64:
        return ctypes.c_uint64(self._pointer.value + offset)

    def write(self, array: np.ndarray, offset: int = 0) -> None:
        data = array.tobytes()
        self._gpu.call("cuMemcpyHtoD_v2", self._at(offset), data, ctypes.c_size_t(len(data)))
        self._gpu.call("cuStreamSynchronize", None)

    def read(self, dtype: type, shape: Sequence[int], offset: int = 0) -> np.ndarray:
        array = np.empty(shape, dtype)
        place = array.ctypes.data_as(ctypes.c_void_p)
        self._gpu.call("cuMemcpyDtoH_v2", place, self._at(offset), ctypes.c_size_t(array.nbytes))
        return array

    def free(self) -> None:
        self._gpu.call("cuMemFree_v2", self._pointer)


@contextmanager
def gpu_memory(gpu: Gpu, size: int) -> Iterator[GpuMemory]:
    memory = GpuMemory(gpu, size)
    try:
        yield memory
    finally:
        memory.free()
