"""What a warm request costs in counts, which do not depend on the machine's speed."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pytest

import oracle
from harness import MIB, SERVER, TIMEOUT_S, Server, connect_stub
from http_calls import HTTP, binary_body, binary_outputs, connect_http
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, chunked_parts, request

COPY_COUNTER = SERVER.with_name("libcopy_counter.so")

BATCHES, REQUESTS = 12, 10
PAGES_OF_16_MIB = 16 * MIB // 4096


def minor_faults(server: Server) -> int:
    return int(Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[7])


@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
def test_warm_requests_of_16_mib_fault_in_no_pages(dtype: str) -> None:
    """gRPC's own memory grows now and then, by what lay unread in a socket: most requests do without."""
    numel = 4 * MIB
    message = request(array(dtype, (numel,), oracle.random_bytes(dtype, numel)), return_data=False)
    faults = []
    with Server() as server, connect_stub(server.address) as stub:
        for _ in range(BATCHES):
            before = minor_faults(server)
            for _ in range(REQUESTS):
                stub.Convert(message, timeout=TIMEOUT_S)
            faults.append((minor_faults(server) - before) / REQUESTS)
    assert faults[0] > PAGES_OF_16_MIB / 20, "the first ones do"
    assert median(faults) < PAGES_OF_16_MIB / 100


class CopyCounter:
    """Counts the bytes that a server copies within its own memory."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "copied"
        self._file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(COPY_COUNTER), "TENSORFERRY_COPY_COUNTER": str(self._file)}

    def bytes(self) -> int:
        return int.from_bytes(self._file.read_bytes(), "little")


def send_in_call(stub: TensorServiceStub, message: pb.ConvertRequest) -> None:
    stub.Convert(message, timeout=TIMEOUT_S)


def send_in_chunks(stub: TensorServiceStub, message: pb.ConvertRequest) -> None:
    for response in stub.ConvertStream(chunked_parts(message, MIB), timeout=TIMEOUT_S):
        assert not response.response.HasField("error")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="copy_counter.c is written for x86-64")
@pytest.mark.parametrize("return_data", [False, True], ids=["metadata", "returned"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
@pytest.mark.parametrize("send", [send_in_call, send_in_chunks])
def test_each_byte_is_copied_once(
    send: Callable[[TensorServiceStub, pb.ConvertRequest], None], dtype: str, return_data: bool, tmp_path: Path
) -> None:
    numel, times = 4 * MIB, 4
    message = request(array(dtype, (numel,), oracle.random_bytes(dtype, numel)), return_data=return_data)
    counter = CopyCounter(tmp_path)
    with Server(environment=counter.environment) as server, connect_stub(server.address) as stub:
        send(stub, message)
        before = counter.bytes()
        for _ in range(times):
            send(stub, message)
        copied = (counter.bytes() - before) / (16 * MIB * times)
    assert 0.999 < copied < 1.01


@pytest.mark.skipif(platform.machine() != "x86_64", reason="copy_counter.c is written for x86-64")
def test_each_byte_over_http_is_copied_once(tmp_path: Path) -> None:
    """They are read to where they are copied from for the model, and sent from where its output lies."""
    elements, times = np.random.default_rng(0).integers(0, 9, 4 * MIB, np.int32), 4
    body, fields = binary_body({"x": ("INT32", elements)})
    counter = CopyCounter(tmp_path)
    with Server(*HTTP, environment=counter.environment) as server:
        connection = connect_http(server)

        def send() -> None:
            connection.request("POST", "/v2/models/identity/infer", body, fields)
            assert binary_outputs(connection.getresponse()) == {"x": elements.tobytes()}

        send()
        before = counter.bytes()
        for _ in range(times):
            send()
        copied = (counter.bytes() - before) / (elements.nbytes * times)
        connection.close()
    assert 0.999 < copied < 1.01


def test_messages_come_in_few_slices() -> None:
    """A slice is at least a frame of HTTP/2, of 16 KiB, but for the ends of what was read at once."""
    numel = 4 * MIB
    message = request(array("<f4", (numel,), oracle.random_bytes("<f4", numel)), return_data=False)
    with Server("--log-level", "trace") as server, connect_stub(server.address) as stub:
        for _ in range(4):
            stub.Convert(message, timeout=TIMEOUT_S)
        lines = re.findall(r"message of (\d+) bytes in (\d+) slices", server.log())
    assert len(lines) == 4
    for nbytes, slices in lines:
        assert int(slices) / (int(nbytes) / MIB) < 150
