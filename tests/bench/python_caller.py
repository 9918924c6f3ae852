"""One of the Python clients that python_bench.py and http_bench.py compare, in a process of its own: each has packages
of its own.

    python_caller.py CONTENDER ADDRESS

It answers each line `NBYTES SECONDS` with the number of calls that it made in that time, and the seconds they took.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable

import numpy as np

Call = Callable[[np.ndarray], object]
MESSAGE_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
MODEL = "identity"
INPUT = "x"


def tritonclient_infer(address: str) -> Call:
    import tritonclient.grpc as triton

    client = triton.InferenceServerClient(address)

    def call(array: np.ndarray) -> object:
        given = triton.InferInput(INPUT, list(array.shape), "FP32")
        given.set_data_from_numpy(array)
        return client.infer(MODEL, [given]).as_numpy(INPUT)

    return call


def tritonclient_http_infer(address: str) -> Call:
    """The address is HOST:PORT/MODEL."""
    import tritonclient.http as triton

    host, _, model = address.partition("/")
    client = triton.InferenceServerClient(host)

    def call(array: np.ndarray) -> object:
        given = triton.InferInput(INPUT, list(array.shape), "FP32")
        given.set_data_from_numpy(array)
        result = client.infer(model, [given])
        return result.as_numpy(result.get_response()["outputs"][0]["name"])

    return call


def infer_request(host: str, model: str, array: np.ndarray) -> bytes:
    """A POST of the array's elements as bytes, which asks for outputs as bytes."""
    tensor = {"name": INPUT, "datatype": "FP32", "shape": array.shape}
    tensor["parameters"] = {"binary_data_size": array.nbytes}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    lines = (
        f"POST /v2/models/{model}/infer HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/octet-stream",
        f"Inference-Header-Content-Length: {len(head)}",
        f"Content-Length: {len(head) + array.nbytes}",
        "",
        "",
    )
    return "\r\n".join(lines).encode() + head + array.tobytes()


def read_response(connection: socket.socket, buffer: bytearray) -> int:
    """Reads one response, of a length that its head tells, into the buffer; returns the length of its body."""
    filled, view = 0, memoryview(buffer)
    while (end := buffer.find(b"\r\n\r\n", 0, filled)) < 0:
        filled += receive(connection, view[filled:])
    head = bytes(view[:end])
    status, *fields = head.lower().split(b"\r\n")
    if status.split()[1] != b"200":
        raise RuntimeError(head.decode(errors="replace"))
    length = next(int(field.partition(b":")[2]) for field in fields if field.startswith(b"content-length:"))
    while filled < end + 4 + length:
        filled += receive(connection, view[filled : end + 4 + length])
    return length


def receive(connection: socket.socket, into: memoryview) -> int:
    count = connection.recv_into(into)
    if count == 0:
        raise ConnectionError("the server closed the connection, or the response exceeds the buffer")
    return count


def raw_http_infer(address: str) -> Call:
    """A request that was written once, on a connection that is kept: hardly more than what the server takes."""
    host, _, model = address.partition("/")
    name, _, port = host.rpartition(":")
    connection = socket.create_connection((name, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    written: dict[int, tuple[bytes, bytearray]] = {}  # By the array's length.

    def call(array: np.ndarray) -> object:
        if array.nbytes not in written:
            written[array.nbytes] = infer_request(host, model, array), bytearray(array.nbytes + 64 * 1024)
        request, buffer = written[array.nbytes]
        connection.sendall(request)
        return read_response(connection, buffer)

    return call


def tensorferry_infer(address: str) -> Call:
    import tensorferry

    client = tensorferry.Client(address)
    return lambda array: client.infer(MODEL, {INPUT: array})[INPUT]


def tensorferry_infer_unproven(address: str) -> Call:
    import tensorferry

    client = tensorferry.Client(address)
    return lambda array: client.infer(MODEL, {INPUT: array}, digest=False)[INPUT]


def tensorferry_convert(address: str) -> Call:
    import tensorferry

    return tensorferry.Client(address).convert


def compiled(make: Callable[[str], Call]) -> Callable[[str], Call]:
    """The same call on the client's compiled core."""

    def make_compiled(address: str) -> Call:
        os.environ["TENSORFERRY_CORE"] = "compiled"
        return make(address)

    return make_compiled


def stub_infer(address: str) -> Call:
    """What one would write with the generated stub alone."""
    import grpc

    from tensorferry.v1 import tensor_service_pb2 as pb
    from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub

    stub = TensorServiceStub(grpc.insecure_channel(address, MESSAGE_OPTIONS))

    def call(array: np.ndarray) -> object:
        given = pb.Array(name=INPUT, dtype=array.dtype.str, shape=array.shape, data=array.tobytes())
        (output,) = stub.Convert(pb.ConvertRequest(model_name=MODEL, arrays=[given])).outputs
        return np.frombuffer(output.data, output.metadata.dtype).reshape(tuple(output.metadata.shape))

    return call


def torch_clone(_: str) -> Call:
    """What the same costs where nothing travels."""
    import torch

    return lambda array: torch.from_numpy(array).clone()


CONTENDERS = {
    "tritonclient": tritonclient_infer,
    "tensorferry": tensorferry_infer,
    "tensorferry-nodigest": tensorferry_infer_unproven,
    "tensorferry-convert": tensorferry_convert,
    "compiled": compiled(tensorferry_infer),
    "compiled-convert": compiled(tensorferry_convert),
    "stub": stub_infer,
    "torch": torch_clone,
}

HTTP_CONTENDERS = {"tritonclient-http": tritonclient_http_infer, "raw-http": raw_http_infer}


def measure(call: Call, array: np.ndarray, seconds: float) -> tuple[int, float]:
    """Returns how many calls were made, one at least, and the seconds they took."""
    call(array)
    count, start = 0, time.perf_counter()
    while True:
        call(array)
        count += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return count, elapsed


def main() -> None:
    contender, address = sys.argv[1:]
    call = {**CONTENDERS, **HTTP_CONTENDERS}[contender](address)
    print("ready", flush=True)
    for line in sys.stdin:
        nbytes, seconds = line.split()
        array = np.ones(int(nbytes) // 4, np.float32)
        answer = call(array)
        if not contender.endswith(("-convert", "-http")):  # These answer with receipts, or as the model likes.
            np.testing.assert_array_equal(answer, array)
        print(*measure(call, array, float(seconds)), flush=True)


if __name__ == "__main__":
    main()
