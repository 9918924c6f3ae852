"""The compiled core: the blocking client's unary calls, in C++ and without the GIL."""

from __future__ import annotations

import importlib
import os
import weakref
from collections.abc import Sequence
from typing import Any, Literal

import grpc

from tensorferry._portable import PortableError
from tensorferry._response import Response, whole_response
from tensorferry._tls import Metadata
from tensorferry._wire import Buffer

_core: Any
try:
    _core = importlib.import_module("tensorferry._core")
except ImportError:
    _core = None

_VARIABLE = "TENSORFERRY_CORE"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def core(client: Any = None) -> Literal["compiled", "pure"]:
    """Returns what makes the unary calls of a client; None: of those made now, as $TENSORFERRY_CORE says.

    Errors: ValueError for another word there; ImportError for "compiled" where it was not built.
    """
    if client is not None:
        compiled = getattr(client, "_compiled", None)
        return "compiled" if compiled is not None and compiled.is_usable else "pure"
    wanted = os.environ.get(_VARIABLE) or "pure"
    if wanted == "pure":
        return "pure"
    if wanted != "compiled":
        raise ValueError(f"{_VARIABLE} is compiled or pure, not {wanted!r}")
    if _core is None:
        raise ImportError(
            f"{_VARIABLE} is compiled, and this installation of tensorferry has no compiled core"
        )
    return "compiled"


class CompiledCallError(PortableError, grpc.RpcError):  # type: ignore[misc]
    """How a call of the compiled core ended, as grpc says it of its own."""

    def __init__(self, details: str, code: int = 2, trailers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(details)
        self._code = _CODES.get(code, grpc.StatusCode.UNKNOWN)
        self._details = details
        self._trailers = trailers

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> list[tuple[str, str | bytes]]:
        keyed = [(key.decode("latin-1"), value) for key, value in self._trailers]
        return [(key, value if key.endswith("-bin") else value.decode("latin-1")) for key, value in keyed]


class CompiledChannel:
    """A connection of the compiled core. Threads may share it.

    Attributes:
        is_usable: This process made the channel. One that was forked has it without gRPC's threads.
    """

    def __init__(
        self, address: str, options: Sequence[tuple[str, Any]], metadata: Metadata, wait_for_ready: bool
    ) -> None:
        pairs = [(k.encode(), v.encode() if isinstance(v, str) else v) for k, v in metadata]
        self._channel = _core.Channel(address, options, pairs, wait_for_ready)
        self.is_usable = True
        _channels.add(self)

    def convert(self, pieces: Sequence[Buffer], timeout: float | None) -> Response:
        """Calls Convert with a message of these pieces, which it borrows.

        Errors: CompiledCallError; ProtocolError.
        """
        code, text, more = self._channel.convert(pieces, timeout)
        if code:
            raise CompiledCallError(text.decode(errors="replace"), code, more)
        return whole_response(text, more)

    def close(self) -> None:
        if self.is_usable:
            self._channel.close()

    def abandon(self) -> None:
        """Leaves the channel to the process that made it, after a fork."""
        self.is_usable = False
        self._channel.abandon()


def compiled_channel(
    address: str, options: Sequence[tuple[str, Any]], metadata: Metadata, wait_for_ready: bool
) -> CompiledChannel | None:
    """Returns a channel in the clear; None for options of grpcio alone, and in a process that was forked."""
    if _was_forked or not all(type(value) is int or isinstance(value, str) for _, value in options):
        return None
    if not all(-(2**31) <= value < 2**31 for _, value in options if isinstance(value, int)):
        return None
    return CompiledChannel(address, options, metadata, wait_for_ready)


_channels: weakref.WeakSet[CompiledChannel] = weakref.WeakSet()
_was_forked = False  # After a channel was made: gRPC's threads are gone, and cannot be started anew.


def _after_fork() -> None:
    global _was_forked
    if _channels:
        _was_forked = True
    for channel in _channels.copy():
        channel.abandon()


if _core is not None:
    os.register_at_fork(after_in_child=_after_fork)
