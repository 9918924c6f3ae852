"""What http_bench.py sends, reads, and makes of its slices."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import http_bench
import perf_analyzer
from python_caller import infer_request, raw_http_infer, read_response
from slices import Slice


def made(client: str, contender: str, round_: int, time_us: float) -> Slice:
    return Slice(client, "sum 64 B", contender, round_, 1e6 / time_us, time_us, time_us, cpu_us=time_us / 2)


def test_ratios_are_tritons_to_ours_and_http_to_grpc() -> None:
    slices = [
        made(client, contender, round_, time_us)
        for client, contender, time_us in (
            ("raw-http", "tensorferry/http", 100),
            ("raw-http", "triton/http", 150),
            ("perf_analyzer", "tensorferry/http", 130),
            ("perf_analyzer", "tensorferry/grpc", 100),
        )
        for round_ in range(3)
    ]
    text = http_bench.report(slices)
    assert "| raw-http, sum 64 B | 150 | 100 | 1.50 [1.50, 1.50] |" in text
    assert "| raw-http, sum 64 B | 75.0 | 50.0 | 1.50 [1.50, 1.50] |" in text
    assert "| perf_analyzer, sum 64 B | 130 | 100 | 1.30 [1.30, 1.30] |" in text
    assert "12 slices, 0 of them disturbed." in text


def test_each_client_calls_both_servers_and_perf_analyzer_both_protocols() -> None:
    steps = http_bench.steps_of(http_bench.read_arguments(["--sizes", "64 B", "--models", "sum"]))
    assert {(s.client, s.contender) for s in steps} == {
        ("tritonclient-http", "tensorferry/http"),
        ("tritonclient-http", "triton/http"),
        ("raw-http", "tensorferry/http"),
        ("raw-http", "triton/http"),
        ("perf_analyzer", "tensorferry/http"),
        ("perf_analyzer", "tensorferry/grpc"),
    }


class Echo(BaseHTTPRequestHandler):
    """Answers with the elements of a request, as Python's own server reads it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = int(self.headers["Inference-Header-Content-Length"])
        (tensor,) = json.loads(body[:head])["inputs"]
        fits = self.path == "/v2/models/m/infer" and tensor["parameters"]["binary_data_size"] == len(body) - head
        self.send_response(200 if fits else 400)
        self.send_header("Content-Length", str(len(body) - head))
        self.end_headers()
        self.wfile.write(body[head:])

    def log_message(self, *_: object) -> None:
        pass


def test_the_raw_client_is_understood_and_reads_whole_answers() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            call = raw_http_infer(f"127.0.0.1:{server.server_port}/m")
            assert [call(np.ones(n, np.float32)) for n in (1, 1 << 20, 1)] == [4, 4 << 20, 4]
        finally:
            server.shutdown()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nCont", b""])
def test_the_raw_client_takes_no_error_for_an_answer(answer: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(answer)
        with pytest.raises((RuntimeError, ConnectionError)):
            read_response(ours, bytearray(1024))


def test_a_request_has_the_elements_behind_the_json() -> None:
    assert infer_request("h:1", "m", np.array([1, 2], np.float32)).endswith(np.array([1, 2], "<f4").tobytes())


def test_the_median_is_read_from_the_report_of_perf_analyzer() -> None:
    report = "Concurrency,Inferences/Second,p50 latency,p99 latency\n1,5000,199,305\n"
    assert perf_analyzer.read_p50(report) == 199
