"""POST /v1/convert: files in, receipts or files out, against NumPy, ml_dtypes and safetensors."""

from __future__ import annotations

import http.client
import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import array_layouts
import cli
import metrics
import oracle
from array_layouts import LAYOUTS, Array, random_array
from harness import MIB, TIMEOUT_S, Server, becomes_true
from npy_files import file_of, saved

NPY, NPZ, SAFETENSORS = "application/x-npy", "application/x-npz", "application/x-safetensors"
NOT_IN = {NPY: set(), NPZ: set(), SAFETENSORS: {"complex128", "complex32"}}
FLOATS = random_array("float32")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    flags = ["--http-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    with Server(*flags, "--max-message-bytes", "4MiB", "--memory-budget", "24MiB") as running:
        yield running
        assert running.alive(), running.log()
        assert becomes_true(lambda: is_free(running))
        assert running.stop() == 0


def is_free(server: Server) -> bool:
    """Whether the budget is whole. What a request took is given back when its answer has been sent, or later."""
    return metrics.scrape(server).value("tensorferry_inflight_bytes") == 0


def post(server: Server, body: bytes, fields: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    assert server.http is not None
    connection = http.client.HTTPConnection(server.http, timeout=TIMEOUT_S)
    connection.request("POST", "/v1/convert", body, fields or {})
    response = connection.getresponse()
    answer = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    connection.close()
    return answer


def outcome(server: Server, body: bytes, *, status: int = 200, **fields: str) -> dict[str, Any]:
    got, headers, answer = post(server, body, {name.replace("_", "-"): value for name, value in fields.items()})
    assert got == status, answer
    assert headers["content-type"] == "application/json"
    told: dict[str, Any] = json.loads(answer)
    return told


def tensor_of(array: Array) -> torch.Tensor:
    dtype = getattr(torch, array.dtype.name)
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(dtype).reshape(array.shape)


def bits_of(tensor: torch.Tensor) -> bytes:
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()


def written(media_type: str, arrays: dict[str, Array], *, deflate: bool = False) -> bytes:
    """The file, by the library whose format it is."""
    file = io.BytesIO()
    if media_type == NPY:
        return saved(*arrays.values())
    if media_type == SAFETENSORS:
        return safetensors.torch.save({name: tensor_of(array) for name, array in arrays.items()})
    (np.savez_compressed if deflate else np.savez)(file, **arrays)
    return file.getvalue()


def elements_in(media_type: str, body: bytes) -> dict[str, tuple[tuple[int, ...], bytes]]:
    """Shape and elements of each array, as that library reads them."""
    if media_type == SAFETENSORS:  # Its reader of bytes does not know each dtype that its reader of files knows.
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            tensors = safetensors.torch.load_file(file.name)
        return {name: (tuple(each.shape), bits_of(each)) for name, each in tensors.items()}
    loaded = np.load(io.BytesIO(body))
    arrays = {"body": loaded} if media_type == NPY else dict(loaded)
    return {name: (array.shape, array.tobytes()) for name, array in arrays.items()}


def check_tensors(told: dict[str, Any], arrays: dict[str, Array], media_type: str = NPZ) -> None:
    expected = [cli.tensor_json(name, array_layouts.expect(array)) for name, array in arrays.items()]
    for tensor, array in zip(expected, arrays.values(), strict=True):
        # A .npy states the few dtypes of ml_dtypes that are no voids by type strings of their own.
        if media_type != SAFETENSORS and array.dtype.kind not in "VW":
            tensor["source_dtype"] = array.dtype.str
    assert sorted(told["tensors"], key=lambda each: each["name"]) == sorted(expected, key=lambda each: each["name"])


@pytest.mark.parametrize("media_type", [NPY, NPZ, SAFETENSORS])
def test_every_dtype_comes_and_goes_in_every_format(server: Server, media_type: str) -> None:
    for name in oracle.ALL:
        if name in NOT_IN[media_type]:
            continue
        array = random_array(name)
        body = written(media_type, {"body": array})
        open_type = name in oracle.BY_NAME and media_type != SAFETENSORS
        stated = f'{media_type}; dtype="{name}"' if open_type else media_type
        told = outcome(server, body, content_type=stated)
        check_tensors(told, {"body": array}, media_type)
        assert (told["refused"], told["skipped"], told["outputs"], told["server"]) == ([], [], [], server.http)
        for wanted in (NPY, NPZ, SAFETENSORS):
            status, fields, answer = post(server, body, {"Content-Type": stated, "Accept": wanted})
            if name in NOT_IN[wanted]:
                assert status == 406 and name in json.loads(answer)["error"]
                continue
            assert (status, fields["content-type"]) == (200, wanted), answer
            assert elements_in(wanted, answer) == {"body": (array.shape, array.tobytes())}


@pytest.mark.parametrize("deflate", [False, True])
def test_members_of_every_layout(server: Server, deflate: bool) -> None:
    arrays = {name: layout(random_array("float32")) for name, layout in LAYOUTS.items()}
    body = written(NPZ, arrays, deflate=deflate)
    saved_arrays = dict(np.load(io.BytesIO(body)))
    told = outcome(server, body, x_request_id="call 7")
    check_tensors(told, saved_arrays)
    assert told["request_id"] == "call 7"
    status, _, answer = post(server, body, {"Accept": NPZ})
    assert status == 200
    native = {name: array.astype("<f4", order="C") for name, array in saved_arrays.items()}
    assert elements_in(NPZ, answer) == {name: (array.shape, array.tobytes()) for name, array in native.items()}


def test_what_is_refused_costs_the_others_nothing(server: Server) -> None:
    file = io.BytesIO()
    np.savez(file, a=FLOATS, words=np.array(["x"]), objects=np.array([{}], object), open=random_array("bfloat16"))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("readme.txt", "no array")
    told = outcome(server, file.getvalue(), status=207)
    check_tensors(told, {"a": FLOATS})
    reasons = {each["name"]: each["error"]["reason"] for each in told["refused"]}
    assert reasons == {"words": "UNSUPPORTED_DTYPE", "objects": "OBJECT_DTYPE", "open": "AMBIGUOUS_DTYPE"}
    assert {each["file"] for each in told["refused"]} == {"body"}
    assert (told["skipped"], "error" in told) == (["readme.txt"], False)
    # A file without some of the arrays would look like a whole one.
    assert outcome(server, file.getvalue(), status=207, accept=NPZ)["tensors"] == told["tensors"]
    named = outcome(server, file.getvalue(), status=207, content_type=f"{NPZ}; dtype=bfloat16")
    check_tensors(named, {"a": FLOATS, "open": random_array("bfloat16")})


def test_each_array_is_a_call(server: Server) -> None:
    def calls() -> dict[str, float]:
        found = metrics.scrape(server).named("grpc_server_handled_total")
        return {labels["grpc_code"]: count for labels, count in found if labels["grpc_method"] == "Convert"}

    before = calls()
    body = written(NPZ, {"a": FLOATS, "b": FLOATS, "words": np.array(["x"])})
    outcome(server, body, status=207)
    wanted = {"OK": before.get("OK", 0) + 2, "InvalidArgument": before.get("InvalidArgument", 0) + 1}
    assert becomes_true(lambda: {code: calls().get(code, 0) for code in wanted} == wanted)


def test_without_arrays(server: Server) -> None:
    empty = written(NPZ, {})
    told = outcome(server, empty)
    assert (told["tensors"], told["refused"], told["skipped"]) == ([], [], [])
    for wanted in (NPZ, SAFETENSORS):
        status, fields, answer = post(server, empty, {"Accept": wanted})
        assert (status, fields["content-type"]) == (200, wanted)
        assert elements_in(wanted, answer) == {}
    assert post(server, empty, {"Accept": NPY})[0] == 406
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "no array")
    told = outcome(server, file.getvalue(), status=400)
    assert (told["skipped"], told["error"]["code"]) == (["readme.txt"], "INVALID_ARGUMENT")


BIG_ENDIAN = saved(np.ones(3, ">f4"))
TENSORS = written(SAFETENSORS, {"x": FLOATS})
# Each case is a body, the fields of the request, the status, and the reason of the error in the outcome.
REFUSED = {
    "nothing": (b"", {}, 400, "BAD_MAGIC"),
    "text": (b"hello", {}, 400, "BAD_MAGIC"),
    "stated": (b"hello", {"Content-Type": NPY}, 400, "BAD_MAGIC"),
    "cut": (saved(FLOATS)[:-1], {}, 400, "SIZE_MISMATCH"),
    "trailing": (saved(FLOATS) + b"x", {}, 400, "TRAILING_BYTES"),
    "header": (file_of(shape="(-1,)"), {}, 400, "BAD_SHAPE"),
    "object": (saved(np.array([{}], object), allow_pickle=True), {}, 400, "OBJECT_DTYPE"),
    "open": (saved(random_array("bfloat16")), {}, 400, "AMBIGUOUS_DTYPE"),
    "named": (saved(FLOATS), {"Content-Type": f"{NPY}; dtype=int32"}, 400, "CONFLICTING_FIELDS"),
    "tensor": (TENSORS, {"Content-Type": f"{SAFETENSORS}; dtype=int8"}, 400, "CONFLICTING_FIELDS"),
    "zip": (b"PK\x03\x04" + bytes(40), {}, 400, "BAD_HEADER"),
    "safetensors": (struct.pack("<Q", 20) + b"{" + bytes(30), {}, 400, "BAD_HEADER"),
    "strict": (BIG_ENDIAN, {"Prefer": "respond-async, handling=strict"}, 400, "BYTE_ORDER"),
    "late": (saved(FLOATS), {"grpc-timeout": "1n"}, 504, "DEADLINE"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_have_the_reason(server: Server, name: str) -> None:
    body, fields, status, reason = REFUSED[name]
    got, headers, answer = post(server, body, fields)
    told = json.loads(answer)
    assert (got, told["error"]["reason"], headers["content-type"]) == (status, reason, "application/json"), told
    assert told["tensors"] == []


def test_an_empty_body_is_told_as_such(server: Server) -> None:
    _, _, answer = post(server, b"", {})
    assert json.loads(answer)["error"]["metadata"]["actual"] == "an empty body"


# Each case is what a request says of itself, the status, and a part of what the answer says.
CONTRADICTIONS = {
    "other": ({"Content-Type": NPZ}, 400, "begins as application/x-npy does"),
    "unknown": ({"Content-Type": "text/plain"}, 415, "text/plain is not taken"),
    "packed": ({"Content-Encoding": "gzip"}, 415, "compressed bodies are not taken"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradictions_are_refused(server: Server, name: str) -> None:
    fields, status, message = CONTRADICTIONS[name]
    got, _, answer = post(server, saved(FLOATS), fields)
    told = json.loads(answer)
    assert (got, told["status"]) == (status, status)
    assert message in told["error"]


def test_formats_that_cannot_hold_an_answer(server: Server) -> None:
    two = written(NPZ, {"a": FLOATS, "b": FLOATS})
    assert post(server, two, {"Accept": NPY})[0] == 406
    status, fields, _ = post(server, two, {"Accept": "image/png, */*;q=0.1"})
    assert (status, fields["content-type"]) == (200, "application/json")
    assert post(server, saved(FLOATS), {"Accept": f"application/json;q=0.5, {NPY}"})[1]["content-type"] == NPY


def deflated(*sizes: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for i, size in enumerate(sizes):
            archive.writestr(f"{i}.npy", saved(np.zeros(size, np.uint8)))
    return file.getvalue()


def lying() -> bytes:
    """A member that states 2 MiB in both of its records, and unpacks to less."""
    file = bytearray(deflated(100_000))
    size = struct.pack("<I", 100_128)
    assert file.count(size) == 2
    return bytes(file.replace(size, struct.pack("<I", 100_129)))


def overlapping() -> bytes:
    """Two entries of the directory that mean one member."""
    file = bytearray(written(NPZ, {"a": FLOATS, "b": FLOATS}))
    second = file.rindex(b"PK\x01\x02")
    file[second + 42 : second + 46] = bytes(4)
    return bytes(file)


MANY = {str(i): np.zeros(1, "i1") for i in range(4097)}
# Each case is a body, the reason, and a part of the message.
HOSTILE = {
    "bomb": (deflated(*[MIB] * 5), "TENSOR_TOO_LARGE", "unpacks to more than 4194304 bytes"),
    "lying": (lying(), "BAD_HEADER", "does not unpack to 100129 bytes"),
    "overlapping": (overlapping(), "BAD_HEADER", ""),
    "members": (written(NPZ, MANY), "TENSOR_TOO_LARGE", "more than 4096"),
    "tensors": (written(SAFETENSORS, MANY), "TENSOR_TOO_LARGE", "at most 4096"),
    "header": (struct.pack("<Q", 1 << 26) + b"{", "BAD_HEADER", "67108864 bytes of text, at most 4194304"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_bounded_memory(server: Server, name: str) -> None:
    body, reason, message = HOSTILE[name]
    post(server, saved(FLOATS))
    before = server.rss()
    got, _, answer = post(server, body)
    told = json.loads(answer)
    assert (got, told["error"]["reason"]) == (400, reason) if name != "overlapping" else got in {207, 400}, told
    errors = [each["error"] for each in told["refused"]] or [told["error"]]
    assert {error["reason"] for error in errors} == {reason}
    assert all(message in error["message"] for error in errors), errors
    assert becomes_true(lambda: server.rss() < before + 16 * MIB)


def test_the_budget_bounds_what_is_converted() -> None:
    """Of a body and of a packed member, once more for the tensor, and no more than that."""
    size = 8 * MIB
    flags = ("--max-message-bytes", "9MiB", "--memory-budget", "17MiB", "--admin-listen", "127.0.0.1:0")
    with Server("--http-listen", "127.0.0.1:0", *flags) as running:
        outcome(running, saved(FLOATS))
        most = running.peak_rss() + 2 * size + 8 * MIB
        for body in (saved(np.ones(size, np.uint8)), deflated(size)):
            assert becomes_true(lambda: is_free(running))
            assert outcome(running, body)["tensors"][0]["digest_equal"] is True
        assert becomes_true(lambda: is_free(running))
        # The archive would be a third copy.
        status, fields, answer = post(running, saved(np.ones(size, np.uint8)), {"Accept": NPZ})
        assert (status, json.loads(answer)["reason"]) == (429, "MEMORY_BUDGET")
        assert int(fields["retry-after"]) >= 1
        assert becomes_true(lambda: is_free(running))
        told = outcome(running, saved(np.ones(size + MIB - 512, np.uint8)), status=400)
        assert told["error"]["reason"] == "TENSOR_TOO_LARGE", "it never fits beside its body"
        assert running.peak_rss() < most
        assert running.stop() == 0


def test_roles_are_those_of_convert(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("infer tf-infer-2f9c\nmetrics tf-metrics-b06e\n")
    with Server("--http-listen", "127.0.0.1:0", "--auth-token-file", str(tokens)) as running:
        for token, status in {"": 401, "Bearer tf-metrics-b06e": 403, "Bearer tf-infer-2f9c": 200}.items():
            fields = {"Authorization": token} if token else {}
            assert post(running, saved(FLOATS), fields)[0] == status
        assert running.stop() == 0
