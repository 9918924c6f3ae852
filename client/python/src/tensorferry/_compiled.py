"""The compiled core: the blocking client's calls of Convert and ConvertStream, in C++ and without the GIL."""

from __future__ import annotations

import importlib
import os
import sys
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal

import grpc
import numpy as np

from tensorferry._elements import Array
from tensorferry._pool import Stream
from tensorferry._portable import PortableError
from tensorferry._response import Message, Response, whole_response
from tensorferry._tls import PEM, Metadata, Security
from tensorferry._upload import NativeChunks, Part, Upload
from tensorferry._wire import Buffer

_VARIABLE = "TENSORFERRY_CORE"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@cache
def _load() -> Any:
    """Loads the module, and with it gRPC's C++ library. Errors: ImportError where it is not built."""
    return importlib.import_module("tensorferry._core")


def core(client: Any = None) -> Literal["compiled", "pure"]:
    """Returns what makes the calls of a client; None: of those made now, as $TENSORFERRY_CORE says.

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
    try:
        _load()
    except ImportError as error:
        python = ".".join(map(str, sys.version_info[:2]))
        problem = f"{_VARIABLE} is compiled, and this tensorferry has no compiled core for Python {python}"
        raise ImportError(f"{problem}: {error}") from error
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
        self,
        address: str,
        options: Sequence[tuple[str, Any]],
        metadata: Metadata,
        pem: PEM | None,
        wait_for_ready: bool,
    ) -> None:
        pairs = [(k.encode(), v.encode() if isinstance(v, str) else v) for k, v in metadata]
        self._channel = _load().Channel(address, options, pairs, pem, wait_for_ready)
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

    def open_stream(self) -> Stream:
        """Begins a ConvertStream. Its `call` is a CompiledStreamCall."""
        return CompiledStreamCall(self._channel.open_stream()).stream

    def open_pipelined_stream(self, timeout: float | None) -> Stream:
        """Begins a ConvertStream that ends in so many seconds. Its `call` is a PipelinedStreamCall."""
        call = PipelinedStreamCall(self._channel.open_pipelined_stream(timeout))
        stream = Stream(call.put, call.no_requests)
        stream.call = call
        return stream

    def close(self) -> None:
        if self.is_usable:
            self._channel.close()

    def abandon(self) -> None:
        """Leaves the channel to the process that made it, after a fork."""
        self.is_usable = False
        self._channel.abandon()


class CompiledCall:
    """A ConvertStream of the compiled core."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def read(self, room: memoryview | None = None) -> Message | None:
        """Returns the next message; a chunk is put into `room` where it fits.

        None: the call ended without an error. Errors: CompiledCallError; what a signal's handler raises.
        """
        message: Message | tuple[int, bytes, Sequence[tuple[bytes, bytes]]] = self._call.read(room)
        if not isinstance(message, tuple) or len(message) == 2:
            return message
        code, text, trailers = message
        if code:
            raise CompiledCallError(text.decode(errors="replace"), code, trailers)
        return None

    def __iter__(self) -> Iterator[Message]:
        while (message := self.read()) is not None:
            yield message

    def done(self) -> bool:
        return bool(self._call.is_over())

    def cancel(self) -> None:
        self._call.cancel()


class CompiledStreamCall(CompiledCall):
    """One whose reader sends what is to be sent, too: no thread stands behind it.

    Attributes:
        stream: The Stream whose `call` this is.
    """

    def __init__(self, call: Any) -> None:
        super().__init__(call)
        self._outbox: deque[Upload | None] = deque()
        self._parts = self._outgoing()
        self._unsent: Part | None = None
        self.stream = Stream(self._outbox.append, self._outbox.popleft)
        self.stream.call = self

    def read(self, room: memoryview | None = None) -> Message | None:
        self._send()
        return super().read(room)

    def _send(self) -> None:
        """Sends until nothing is left to be sent, or there is something to read."""
        while True:
            part = next(self._parts) if self._unsent is None else self._unsent
            if part is None:
                return
            is_sent = self._call.send(part) if isinstance(part, tuple) else self._call.send_chunks(part)
            self._unsent = None if is_sent else part
            if not is_sent:
                return

    def _outgoing(self) -> Iterator[Part | None]:
        """Yields each part that is to be sent, and None where there is none now."""
        while True:
            if not self._outbox:
                yield None
            elif (upload := self._outbox.popleft()) is None:
                self._call.end_sending()
            else:
                yield from upload.parts()
                if upload.failure is not None:
                    self.stream.give_up()
                del upload  # It borrows a caller's array.


class PipelinedStreamCall(CompiledCall):
    """One that goes on by itself, whether somebody reads or not. Its requests report no progress."""

    def put(self, upload: Upload | None) -> None:
        if upload is None:
            self._call.end_sending()
            return
        for part in upload.parts():
            if isinstance(part, tuple):
                self._call.send(part)
            else:
                self._call.send_chunks(part)

    def no_requests(self) -> None:
        """Nobody asks for requests: they are sent as they are put."""


def native_chunks(
    elements: Array, travelling: np.dtype[Any], is_column_major: bool, has_digest: bool, limit: int
) -> NativeChunks:
    """Returns the chunks of elements that are in the order in which they travel, of that dtype.

    The digest is that of the elements in C order, little-endian; `is_column_major` says that these are in the
    other order.
    """
    own = elements.dtype
    memory = elements.view(f"V{own.itemsize}")  # Not every dtype can be borrowed as what it is.
    digest = (is_column_major, _swapped(own, "little"), own == np.bool_) if has_digest else None
    chunks: NativeChunks = _load().Chunks(memory, limit, _swapped(own, _byte_order(travelling)), digest)
    return chunks


def _swapped(own: np.dtype[Any], wanted: str) -> int:
    """Returns the bytes of each number that are in another order than wanted; 0: of none."""
    if own.itemsize == 1 or own.byteorder == "|" or _byte_order(own) == wanted:
        return 0
    return own.itemsize // 2 if own.name.startswith("complex") else own.itemsize


def _byte_order(dtype: np.dtype[Any]) -> str:
    return {"<": "little", ">": "big"}.get(dtype.byteorder, sys.byteorder)


def compiled_channel(
    address: str,
    options: Sequence[tuple[str, Any]],
    metadata: Metadata,
    security: Security,
    wait_for_ready: bool,
) -> CompiledChannel | None:
    """Returns a channel, or None for what grpcio alone has, and in a process that was forked.

    That are credentials of the caller's, options of other types, and the certificates that vouch for a server
    where the caller names none.
    """
    pem = security.pem
    if _was_forked or (security.credentials is not None and (pem is None or pem[0] is None)):
        return None
    if not all(type(value) is int or isinstance(value, str) for _, value in options):
        return None
    if not all(-(2**31) <= value < 2**31 for _, value in options if isinstance(value, int)):
        return None
    return CompiledChannel(address, options, metadata, pem, wait_for_ready)


_channels: weakref.WeakSet[CompiledChannel] = weakref.WeakSet()
_was_forked = False  # After a channel was made: gRPC's threads are gone, and cannot be started anew.


def _after_fork() -> None:
    global _was_forked
    if _channels:
        _was_forked = True
    for channel in _channels.copy():
        channel.abandon()


os.register_at_fork(after_in_child=_after_fork)
