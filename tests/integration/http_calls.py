"""Runs models over HTTP, by Python's own client, with elements as bytes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness import TIMEOUT_S, Server

HTTP = ("--http-listen", "127.0.0.1:0")
LENGTH = "Inference-Header-Content-Length"


def connect_http(server: Server) -> http.client.HTTPConnection:
    assert server.http is not None
    return http.client.HTTPConnection(server.http, timeout=TIMEOUT_S)


def binary_body(arrays: Mapping[str, tuple[str, np.ndarray]], **more: Any) -> tuple[bytes, dict[str, str]]:
    """The body and the fields of a request, from a datatype and an array for each input."""
    inputs = [
        {"name": name, "datatype": datatype, "shape": array.shape, "parameters": {"binary_data_size": array.nbytes}}
        for name, (datatype, array) in arrays.items()
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}, **more}).encode()
    return head + b"".join(array.tobytes() for _, array in arrays.values()), {LENGTH: str(len(head))}


def binary_outputs(response: http.client.HTTPResponse) -> dict[str, bytes]:
    """The elements of each output of an answer in which all are binary."""
    body = response.read()
    assert response.status == 200, body
    head = int(response.headers[LENGTH])
    rest = memoryview(body)[head:]
    elements: dict[str, bytes] = {}
    for output in json.loads(body[:head])["outputs"]:
        nbytes = output["parameters"]["binary_data_size"]
        elements[output["name"]] = bytes(rest[:nbytes])
        rest = rest[nbytes:]
    assert not rest
    return elements
