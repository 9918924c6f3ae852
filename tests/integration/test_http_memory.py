"""Memory that calls over HTTP take: bodies, what JSON becomes, and answers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from harness import MIB, Server, becomes_true
from http_calls import HTTP, binary_body, binary_outputs, connect_http
from metrics import Scrape, families_of, text_of
from npy_files import saved

ADMIN = ("--admin-listen", "127.0.0.1:0")
BUDGET = 48 * MIB
PATH = "/v2/models/identity/infer"
HEAD = '{"parameters":{"binary_data_output":true},"inputs":[{"name":"x","datatype":"%s","shape":[%d],"data":['


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(*HTTP, *ADMIN, "--memory-budget", f"{BUDGET >> 20}MiB") as running:
        yield running
        assert running.alive(), running.log()
        assert becomes_true(lambda: held(running) == 0)


def held(server: Server) -> float:
    return Scrape.of(families_of(text_of(server))).value("tensorferry_inflight_bytes")


@pytest.fixture(autouse=True)
def free(server: Server) -> None:
    """What the request before took is given back when its answer has been sent, or later."""
    wait_until_free(server)


def wait_until_free(server: Server) -> None:
    assert becomes_true(lambda: held(server) == 0)


def json_body(datatype: str, elements: int, element: str = "1") -> bytes:
    return (HEAD % (datatype, elements)).encode() + b",".join([element.encode()] * elements) + b"]}]}"


def refusal(server: Server, body: bytes, fields: dict[str, str] | None = None) -> tuple[int, str, str | None]:
    connection = connect_http(server)
    connection.request("POST", PATH, body, fields or {})
    response = connection.getresponse()
    told = response.status, json.loads(response.read())["reason"], response.headers["Retry-After"]
    connection.close()
    return told


def test_elements_of_json_take_little_more_than_they_are(server: Server) -> None:
    elements = 4 * MIB
    body = json_body("INT8", elements)
    connection = connect_http(server)
    before = server.peak_rss()
    connection.request("POST", PATH, body)
    assert binary_outputs(connection.getresponse())["x"] == b"\1" * elements
    connection.close()
    # The body, the elements while they grow, and the service's copy of them.
    assert server.peak_rss() - before < len(body) + 6 * elements


@pytest.mark.parametrize(
    ("datatype", "element"), [("FP64", "1"), ("COMPLEX128", "[1,1]"), ("BYTES", '""'), ("BYTES", '"' + "x" * MIB + '"')]
)
def test_json_that_becomes_too_much_is_refused(server: Server, datatype: str, element: str) -> None:
    body = json_body(datatype, 24 * MIB // (len(element) + 1), element)
    before = server.peak_rss()
    assert refusal(server, body) == (400, "TENSOR_TOO_LARGE", None)
    assert server.peak_rss() - before < 2 * BUDGET


@pytest.mark.parametrize("text", ['{"id":"%s","inputs":[]}', '{"inputs":[%s', '{"parameters":{"%s":1}}'])
def test_a_text_that_is_too_long_is_refused_before_it_takes_memory(server: Server, text: str) -> None:
    before = server.peak_rss()
    for filling in ("x", " "):
        wait_until_free(server)
        status, reason, _ = refusal(server, (text % (filling * (32 * MIB))).encode())
        assert (status, reason) == (400, "TENSOR_TOO_LARGE")
    assert server.peak_rss() - before < 2 * BUDGET


def test_what_others_hold_is_refused_for_now(server: Server) -> None:
    """An upload that has not come to its end holds most of the budget."""
    body, fields = binary_body({"x": ("UINT8", np.ones(40 * MIB, np.uint8))})
    bytes_that_fit_alone = binary_body({"x": ("UINT8", np.ones(16 * MIB, np.uint8))})
    elements_that_fit_alone = json_body("FP64", 2 * MIB)
    uploading = connect_http(server)
    uploading.putrequest("POST", PATH)
    for name, value in {**fields, "Content-Length": str(len(body))}.items():
        uploading.putheader(name, value)
    uploading.endheaders()
    uploading.send(body[:-1])
    assert becomes_true(lambda: held(server) >= 38 * MIB)
    assert refusal(server, *bytes_that_fit_alone) == (429, "MEMORY_BUDGET", "1")
    status, reason, retry = refusal(server, elements_that_fit_alone)
    assert (status, reason) == (429, "MEMORY_BUDGET")
    assert retry is not None
    uploading.close()
    assert becomes_true(lambda: held(server) == 0)


def npz(save: Callable[..., None], **arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


# Bodies whose arrays fit the budget alone, but not beside what their request holds already: the body, a member that is
# unpacked, and what is to be returned of others.
BESIDE: dict[str, Callable[[], tuple[bytes, dict[str, str]]]] = {
    "npy": lambda: (saved(np.ones(30 * MIB, np.uint8)), {}),
    "stored": lambda: (npz(np.savez, x=np.ones(30 * MIB, np.uint8)), {}),
    "deflated": lambda: (npz(np.savez_compressed, x=np.ones(30 * MIB, np.uint8)), {}),
    "returned": lambda: (
        npz(np.savez, x=np.ones(14 * MIB, np.uint8), y=np.ones(14 * MIB, np.uint8)),
        {"Accept": "application/x-npz"},
    ),
}


def test_inputs_that_never_fit_beside_their_body(server: Server) -> None:
    assert refusal(server, *binary_body({"x": ("UINT8", np.ones(30 * MIB, np.uint8))})) == (
        400,
        "TENSOR_TOO_LARGE",
        None,
    )
    wait_until_free(server)
    two = {name: ("UINT8", np.ones(13 * MIB, np.uint8)) for name in "xy"}
    assert refusal(server, *binary_body(two)) == (400, "TENSOR_TOO_LARGE", None)


@pytest.mark.parametrize("case", BESIDE)
def test_arrays_that_never_fit_beside_their_body(case: str, server: Server) -> None:
    body, fields = BESIDE[case]()
    connection = connect_http(server)
    connection.request("POST", "/v1/convert", body, fields)
    response = connection.getresponse()
    told = json.loads(response.read())
    connection.close()
    assert (response.status, response.headers["Retry-After"]) == (207 if told["tensors"] else 400, None)
    assert [entry["error"]["reason"] for entry in told["refused"]] == ["TENSOR_TOO_LARGE"]


def test_answers_in_json_are_refused_when_they_become_too_much(server: Server) -> None:
    body, fields = binary_body({"x": ("UINT8", np.full(12 * MIB, 255, np.uint8))}, parameters={})
    before = server.peak_rss()
    status, reason, _ = refusal(server, body, fields)
    assert (status, reason) in {(400, "TENSOR_TOO_LARGE"), (429, "MEMORY_BUDGET")}
    assert server.peak_rss() - before < 2 * BUDGET


def test_bodies_that_never_fit(server: Server) -> None:
    body, fields = binary_body({"x": ("UINT8", np.ones(BUDGET, np.uint8))})
    connection = connect_http(server)
    connection.putrequest("POST", PATH)
    for name, value in {**fields, "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["reason"]) == (413, "TENSOR_TOO_LARGE")
    connection.close()
