"""Errors of the protocol's calls carry google.rpc details, which agree with their status."""

from __future__ import annotations

import grpc
import pytest

from harness import TIMEOUT_S, Server, connect
from wire import refusal_of_call

# These requests are in protobuf's wire format: models of no such name, and an input without elements.
BAD_REQUESTS = {
    "MODEL_NOT_FOUND": b"\x0a\x04nope",
    "INPUT_MISMATCH": b"\x0a\x08identity\x2a\x0c\x0a\x01x\x12\x04FP32\x1a\x01\x01",
    "BAD_DTYPE": b"\x0a\x08identity\x2a\x0c\x0a\x01x\x12\x04FP31\x1a\x01\x01",
    "BAD_CHUNK": b"\x0a\x08id",
}


@pytest.mark.parametrize(("reason", "message"), BAD_REQUESTS.items(), ids=BAD_REQUESTS)
def test_the_details_agree(reason: str, message: bytes, oip_server: Server) -> None:
    with connect(oip_server.address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError) as caught:
            call(message, timeout=TIMEOUT_S)
    refusal = refusal_of_call(caught.value)
    assert refusal.reason == reason
    assert refusal.message


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        (b"nope", grpc.StatusCode.INTERNAL, "MODEL_NOT_FOUND"),
        (b"corrupt", grpc.StatusCode.INVALID_ARGUMENT, "MODEL_NOT_READY"),
    ],
)
def test_a_load_has_tritons_code_and_our_reason(
    name: bytes, code: grpc.StatusCode, reason: str, oip_server: Server
) -> None:
    with connect(oip_server.address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/RepositoryModelLoad")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"\x12" + bytes([len(name)]) + name, timeout=TIMEOUT_S)
    refusal = refusal_of_call(caught.value)  # Details of another code or message would raise.
    assert (refusal.code, refusal.reason) == (code, reason)
