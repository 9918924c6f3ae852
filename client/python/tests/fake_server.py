"""Serves a handler of gRPC's, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc


@contextmanager
def serving(handler: grpc.GenericRpcHandler, listen: str = "127.0.0.1:0") -> Iterator[str]:
    """Yields the address; the server ends every call when it stops. At most 16 calls run at a time."""
    with ThreadPoolExecutor(16) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port(listen)
        server.start()
        try:
            yield listen.replace(":0", f":{port}")
        finally:
            server.stop(grace=None).wait()
