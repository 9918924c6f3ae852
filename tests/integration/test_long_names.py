"""Names that are too long to be quoted, in any language: every refusal arrives with its reason, in small trailers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import grpc
import pytest

from harness import TIMEOUT_S, Server, connect

CODES = {"INVALID_ARGUMENT", "NOT_FOUND"}
MOST_TRAILERS = 8192  # gRPC's own limit of metadata.
NAMES = {
    "taken": "n" * 256,
    "too-long": "n" * 257,
    "far-too-long": "n" * 100_000,
    "greek": "α" * 128,
    "greek-too-long": "α" * 50_000,
    "emoji": "🙂" * 25_000,
}


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field in protobuf's wire format."""
    size, length = b"", len(content)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + content


def parameter(name: str, value: bytes) -> bytes:
    return field(4, field(1, name.encode()) + field(2, value))


# The rest of an input behind its name: an unknown datatype; one that has no elements; a region that is not there.
INPUTS = {
    "datatype": field(2, b"FP99") + b"\x18\x01",
    "elements": field(2, b"INT32") + b"\x18\x01",
    "parameter": field(2, b"INT32") + b"\x18\x01" + parameter("shared_memory_region", field(3, b"")),
}


def request(name: bytes, rest: bytes) -> bytes:
    return field(1, b"identity") + field(5, field(1, name) + rest)


MESSAGES: dict[str, Callable[[bytes], bytes]] = {
    **{f"input-{case}": lambda name, rest=rest: request(name, rest) for case, rest in INPUTS.items()},
    "output": lambda name: field(1, b"identity") + field(6, field(1, name)),
    "id": lambda name: field(1, b"none") + field(3, name),
    "model": lambda name: field(1, name),
    "version": lambda name: field(1, b"identity") + field(2, name),
}


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    with Server() as server, connect(server.address) as connected:
        yield connected


def check_refusal(channel: grpc.Channel, method: str, message: bytes) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(f"/inference.GRPCInferenceService/{method}")(message, timeout=TIMEOUT_S)
    error = caught.value
    assert error.code().name in CODES, error
    trailers = error.trailing_metadata() or ()
    assert sum(len(key) + len(value) for key, value in trailers) + 3 * len(error.details()) < MOST_TRAILERS


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_the_reason_of_a_refused_inference_arrives(
    message: Callable[[bytes], bytes], name: str, channel: grpc.Channel
) -> None:
    check_refusal(channel, "ModelInfer", message(name.encode()))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("method", ["ModelMetadata", "ModelConfig", "ModelStatistics"])
def test_the_reason_of_an_unknown_model_arrives(method: str, name: str, channel: grpc.Channel) -> None:
    check_refusal(channel, method, field(1, name.encode()))


def test_a_name_comes_back_as_it_was_sent(channel: grpc.Channel) -> None:
    name = "größe it's"
    call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    with pytest.raises(grpc.RpcError) as caught:
        call(request(name.encode(), INPUTS["datatype"]), timeout=TIMEOUT_S)
    assert caught.value.details().startswith(f"input '{name}': there is no datatype 'FP99'")
