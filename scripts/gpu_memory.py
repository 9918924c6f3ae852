"""gpu_memory.py SERVER: torch's tensors on a GPU go through a server in CUDA shared memory, and come back there.

scripts/gpu-check.sh runs it with a torch that has CUDA. A tensor of torch's is part of a larger allocation, and a
handle is that of the whole.
"""

import base64
import ctypes
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

import torch

DATATYPES = {torch.float32: "FP32", torch.int64: "INT64", torch.bfloat16: "BF16", torch.bool: "BOOL"}
MIB = 1 << 20


class Allocation:
    """The allocation in which a tensor lies: its handle, in base64, its size, and how many bytes before the tensor."""

    def __init__(self, tensor: torch.Tensor) -> None:
        driver = ctypes.CDLL("libcuda.so.1")
        base, size = ctypes.c_uint64(), ctypes.c_size_t()
        handle = (ctypes.c_char * 64)()
        pointer = ctypes.c_uint64(tensor.data_ptr())
        assert driver.cuMemGetAddressRange_v2(ctypes.byref(base), ctypes.byref(size), pointer) == 0
        assert driver.cuIpcGetMemHandle(handle, base) == 0
        self.handle = base64.b64encode(bytes(handle)).decode()
        self.size, self.offset = size.value, pointer.value - base.value


def registration(allocation: Allocation) -> dict[str, Any]:
    return {"raw_handle": {"b64": allocation.handle}, "device_id": 0, "byte_size": allocation.size}


class Server:
    def __init__(self, program: str) -> None:
        flags = ["--listen", "127.0.0.1:0", "--admin-listen", "off", "--http-listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            [program, *flags, "--shared-memory", "cuda"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._http = "http://" + self._process.stdout.readline().split("http=")[1].strip()

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Posts a body, or gets."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self._http}/v2/{path}", data)) as answer:
            return json.loads(answer.read() or "null")

    def refusal(self, path: str, body: dict[str, Any]) -> str:
        try:
            self.call(path, body)
        except urllib.error.HTTPError as error:
            return str(json.loads(error.read())["error"])
        raise AssertionError(f"{path} was not refused")

    def register(self, name: str, allocation: Allocation) -> None:
        self.call(f"cudasharedmemory/region/{name}/register", registration(allocation))

    def stop(self) -> None:
        self._process.terminate()
        assert self._process.wait() == 0


def place(region: str, allocation: Allocation, nbytes: int) -> dict[str, Any]:
    return {
        "shared_memory_region": region,
        "shared_memory_offset": allocation.offset,
        "shared_memory_byte_size": nbytes,
    }


def check(server: Server, dtype: torch.dtype, count: int) -> float:
    """Sends a tensor, has it written into another, and returns the best time of some rounds, in seconds."""
    given = torch.randint(0, 2, (count,), device="cuda").to(dtype)
    wanted = torch.empty_like(given)
    nbytes = given.numel() * given.element_size()
    torch.cuda.synchronize()
    source, target = Allocation(given), Allocation(wanted)
    server.register("given", source)
    server.register("wanted", target)
    tensor = {"name": "x", "datatype": DATATYPES[dtype], "shape": [count]}
    body = {
        "inputs": [{**tensor, "parameters": place("given", source, nbytes)}],
        "outputs": [{"name": "x", "parameters": place("wanted", target, nbytes)}],
    }
    best = float("inf")
    for _ in range(5):
        wanted.zero_()
        torch.cuda.synchronize()
        begin = time.perf_counter()
        server.call("models/identity/infer", body)
        best = min(best, time.perf_counter() - begin)
        assert torch.equal(given, wanted), dtype
    server.call("cudasharedmemory/unregister", {})
    assert server.call("cudasharedmemory/status") == []
    return best


def check_refusals(server: Server) -> None:
    tensor = torch.zeros(MIB, dtype=torch.uint8, device="cuda")  # Its memory is there as long as it is.
    allocation = Allocation(tensor)
    path = "cudasharedmemory/region/bad/register"
    right = registration(allocation)
    for change, words in (
        ({"raw_handle": {"b64": base64.b64encode(b"x" * 64).decode()}}, "CUDA error"),
        ({"raw_handle": {"b64": base64.b64encode(b"x" * 63).decode()}}, "63 bytes"),
        ({"byte_size": 1 << 50}, "but the memory has"),
        ({"device_id": torch.cuda.device_count()}, "names no GPU"),
    ):
        refusal = server.refusal(path, {**right, **change})
        assert words in refusal, refusal
        print(f"refused: {refusal}")


def main() -> None:
    server = Server(sys.argv[1])
    try:
        for dtype in DATATYPES:
            check(server, dtype, 1000)
        check_refusals(server)
        print(f"{'bytes':>10} {'there and back':>15}  GB/s")
        for nbytes in (64 << 10, MIB, 16 * MIB, 256 * MIB):
            seconds = check(server, torch.int64, nbytes // 8)
            print(f"{nbytes:>10} {2 * nbytes / seconds / 1e9:15.2f}")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
