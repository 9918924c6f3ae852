"""What people see who print things: one line each, names for numbers, and which array an error speaks of."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import numpy as np
import pytest
from both_clients import CLIENTS, call, serving
from test_errors_copied import RECEIPT

import tensorferry
from tensorferry import HealthStatus, Model, Receipt, ServerInfo, TensorSpec
from tensorferry._errors import Label, about, from_response_error
from tensorferry.v1 import tensor_service_pb2 as pb


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "x: float32 (2,), BITS NOT EQUAL, digest 00000000…"),
        ({"name": "", "digest_equal": True}, "float32 (2,), bits equal, digest 00000000…"),
        ({"digest": b"", "digest_equal": None}, "x: float32 (2,), no digest"),
        (
            {"adjustments": ("BOOL_NORMALIZED",), "digest": b""},
            "x: float32 (2,), BITS NOT EQUAL, BOOL_NORMALIZED",
        ),
        (
            {"dtype_equal": False, "numpy_dtype": "int8", "digest": b""},
            "DTYPE NOT EQUAL to int8, BITS NOT EQUAL",
        ),
    ],
)
def test_a_receipt_is_one_readable_line(changes: dict[str, Any], line: str) -> None:
    receipt: Receipt = dataclasses.replace(RECEIPT, **changes)
    assert line in str(receipt)
    assert f"{receipt}" == str(receipt)


def test_health_is_a_name_and_a_number() -> None:
    status = HealthStatus.SERVING
    assert (str(status), f"{status}", f"{status:>8}", f"{status:d}") == (
        "SERVING",
        "SERVING",
        " SERVING",
        "1",
    )
    assert status == 1


def test_a_server_and_a_model_are_one_line() -> None:
    info = ServerInfo("0.1.0", "2.13.0", 64 << 20, 8 << 30, 1 << 20, 64, (), ())
    assert str(info) == "tensorferry 0.1.0, torch 2.13.0, 0 dtypes, messages up to 64 MiB, arrays up to 8 GiB"
    assert (
        str(dataclasses.replace(info, max_message_bytes=1000001)).count("messages up to 1000001 bytes") == 1
    )
    model = Model("m", "3", "READY", "", "torchscript", (TensorSpec("x", "int8", (-1, 2)),), (), "")
    assert str(model) == "m 3 READY: x int8 [-1, 2] -> ?"
    assert str(dataclasses.replace(model, state="UNAVAILABLE", reason="gone")) == "m 3 UNAVAILABLE: gone"
    assert str(TensorSpec("y", "", ())) == "y"


def test_a_client_shows_its_address_and_no_secrets() -> None:
    client = tensorferry.Client("localhost:8001", metadata=[("authorization", "Bearer secret")])
    assert repr(client) == "<tensorferry.Client 'localhost:8001'>"
    client.close()
    assert repr(client) == "<tensorferry.Client 'localhost:8001' closed>"

    async def main() -> None:
        async with tensorferry.aio.Client("unix:/s") as asynchronous:
            assert repr(asynchronous) == "<tensorferry.aio.Client 'unix:/s'>"
        assert repr(asynchronous) == "<tensorferry.aio.Client 'unix:/s' closed>"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("label", "message", "expected"),
    [
        (Label("", 3), "array '': dtype no", "array 3: dtype no"),
        (Label("", 3), "array 0: dtype no", "array 3: dtype no"),
        (Label("", 3), "the array: dtype no", "array 3: dtype no"),
        (Label(), "array '': dtype no", "the array: dtype no"),
        (Label(), "needs bytes of array ''", "needs bytes of the array"),
        (Label("x", 3), "array 'x': dtype no", "array 'x': dtype no"),
        (Label("", 3), "no room", "no room"),
    ],
)
def test_an_error_says_which_array(label: Label, message: str, expected: str) -> None:
    error = about(from_response_error(pb.Error(code=3, reason="R", message=message)), label)
    assert (error.message, str(error)) == (expected, f"R: {expected}")
    assert error.metadata.get("index") == (None if label.name else "3" if label.index else None)


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_wrong_with_one_of_many_says_its_index(client: str) -> None:
    """An answer without a digest: each array of the stream is found not equal."""
    answer = pb.ConvertResponse(tensors=[pb.Tensor()])
    stream = pb.ConvertStreamResponse(response=answer).SerializeToString()
    with serving({"ConvertStream": stream, "Convert": answer.SerializeToString()}) as address:
        outcomes = call(client, address, "convert_many", [np.ones(2)] * 3, on_error="return")
        with pytest.raises(
            tensorferry.VerificationError, match=r"DTYPE_NOT_EQUAL: the array: dtype expected"
        ):
            call(client, address, "convert", np.ones(2))
    assert [str(error)[:24] for error in outcomes] == [f"DTYPE_NOT_EQUAL: array {i}" for i in range(3)]
    assert [error.metadata["index"] for error in outcomes] == ["0", "1", "2"]
