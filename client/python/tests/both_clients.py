"""One way to call the blocking and the asyncio client, and a server that answers what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import fake_server
import grpc

import tensorferry
from tensorferry.v1 import tensor_service_pb2 as pb

CLIENTS = ["Client", "aio.Client"]
TIMEOUT_S = 30
INFO = pb.GetServerInfoResponse(max_message_bytes=64 << 20, recommended_chunk_bytes=1 << 20)

Answers = dict[str, bytes]


def call(
    kind: str,
    address: str,
    method: str,
    *arguments: Any,
    client: dict[str, Any] | None = None,
    **settings: Any,
) -> Any:
    """Makes a client with such settings and calls one of its methods; of an iterator it returns the items."""
    own = {"timeout": TIMEOUT_S, **(client or {})}
    if kind == "Client":
        with tensorferry.Client(address, **own) as blocking:
            result = getattr(blocking, method)(*arguments, **settings)
            return list(result) if method.endswith("_many") else result

    async def main() -> Any:
        async with tensorferry.aio.Client(address, **own) as asynchronous:
            result = getattr(asynchronous, method)(*arguments, **settings)
            return [item async for item in result] if method.endswith("_many") else await result

    return asyncio.run(main())


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def service(self, details: Any) -> Any:
        method = details.method.rpartition("/")[2]
        answer = self._answers.get(method)
        if answer is None:
            return None
        if method == "ConvertStream":
            return grpc.stream_stream_rpc_method_handler(lambda requests, _: (answer for _ in requests))
        return grpc.unary_unary_rpc_method_handler(lambda request, context: answer)


def serving(answers: Answers) -> AbstractContextManager[str]:
    """Yields the address of a server that answers each method with the bytes given for it."""
    return fake_server.serving(_Handler({"GetServerInfo": INFO.SerializeToString(), **answers}))


def raised(action: Callable[[], Any]) -> BaseException | None:
    """Returns what `action` raises."""
    try:
        action()
    except BaseException as error:
        return error
    return None
