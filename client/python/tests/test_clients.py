import inspect

import pytest

import tensorferry
import tensorferry.aio
from tensorferry._base import to_limits
from tensorferry._info import to_server_info
from tensorferry._limits import Limits
from tensorferry.v1 import tensor_service_pb2 as pb

MIB = 1 << 20
METHODS = [name for name in vars(tensorferry.Client) if not name.startswith("_")]


@pytest.mark.parametrize("name", METHODS)
def test_both_clients_take_the_same_arguments(name: str) -> None:
    blocking = inspect.signature(getattr(tensorferry.Client, name)).parameters
    asynchronous = inspect.signature(getattr(tensorferry.aio.Client, name)).parameters
    assert [(p.name, p.kind, p.default) for p in blocking.values()] == [
        (p.name, p.kind, p.default) for p in asynchronous.values()
    ]


def test_unreachable_server_is_a_connection_error() -> None:
    with tensorferry.Client("unix:/nonexistent/tensorferry.sock", timeout=10) as client:
        with pytest.raises(ConnectionError) as caught:
            client.convert([1.0])
        assert isinstance(caught.value, tensorferry.TransportError)


def test_messages_that_hold_nothing_are_no_limit() -> None:
    with pytest.raises(tensorferry.ProtocolError, match="at most 1 bytes"):
        to_limits(to_server_info(pb.GetServerInfoResponse(max_message_bytes=1)))


@pytest.mark.parametrize(
    ("max_message_bytes", "recommended_chunk_bytes", "limits"),
    [
        (64 * MIB, 2 * MIB, Limits(inline_nbytes=4 * MIB, chunk_nbytes=2 * MIB)),
        (64 * MIB, 0, Limits(inline_nbytes=4 * MIB, chunk_nbytes=MIB)),
        (MIB, MIB, Limits(inline_nbytes=MIB // 2, chunk_nbytes=MIB // 2)),
    ],
)
def test_messages_stay_within_what_the_server_takes(
    max_message_bytes: int, recommended_chunk_bytes: int, limits: Limits
) -> None:
    info = pb.GetServerInfoResponse(
        max_message_bytes=max_message_bytes, recommended_chunk_bytes=recommended_chunk_bytes
    )
    assert to_limits(to_server_info(info)) == limits
