"""How the blocking client calls, waits and sends."""

from __future__ import annotations

import ctypes
import queue
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Optional, TypeVar, cast

import grpc

from tensorferry._alarms import ALARMS
from tensorferry._arrays import WireArray
from tensorferry._base import OnError, unless_error
from tensorferry._calls import CallingClient, Steps
from tensorferry._compiled import CompiledCall, CompiledChannel, compiled_channel, core, native_chunks
from tensorferry._errors import TensorferryError, check_time, no_thread
from tensorferry._limits import CHEAP_LIMITS
from tensorferry._many import END, Many
from tensorferry._outputs import OutputMemory
from tensorferry._pool import Stream, StreamPool, end_before_fork, ending_well
from tensorferry._request import Request
from tensorferry._response import Message, Response, whole_response
from tensorferry._sealed import SealedMemory
from tensorferry._upload import Upload

T = TypeVar("T")
Sealed = Optional[tuple[SealedMemory, int]]
Outbox = queue.SimpleQueue[Optional[Upload]]


class BlockingClient(CallingClient):
    """A client whose calls keep the thread that makes them until they have ended."""

    _transport = grpc
    _call_later = staticmethod(ALARMS.call_later)
    _lacked_threads = False  # There were none for the last stream.

    def _connect(self) -> None:
        super()._connect()
        self._compiled: CompiledChannel | None = None
        if core() == "compiled" and not self._balance:
            self._compiled = compiled_channel(
                self._address, self._options, self._metadata, self._security, bool(self._wait_for_ready)
            )
        self._plain_options.may_change = False  # Its thread waits.
        self._plain_options.borrow = self._compiled is not None
        self._plain_options.native_chunks = None if self._compiled is None else native_chunks
        if self._compiled is None and not self._balance:  # Each balanced call would need a stream of its own.
            self._default_call_limits = CHEAP_LIMITS
        self._streams = StreamPool(self._call_later, keep=not self._balance)
        end_before_fork(self._streams)

    def close(self) -> None:
        """Ends the connection and all calls under way. Closing twice is closing.

        At the end of the interpreter it leaves that to the system: gRPC would wait for threads that stopped.
        """
        self._closed = True
        if sys.is_finalizing():
            return
        self._streams.close()
        self._close_side()
        self._channel.close()
        if self._compiled is not None:
            self._compiled.close()

    def _call(self, request: Request[T], timeout: float | None) -> T:
        end = self._end(timeout)
        failure = None
        try:
            stays = request.nbytes < self._sealed_nbytes and not request.output_nbytes
            if stays and self._is_unary(request):
                left = None if end is None else end - time.monotonic()
                return request.answer(self._unary(request.upload, left))
        except TensorferryError as error:
            failure = error
        try:
            return self._run(self._answer(request, end, failure))
        finally:
            del failure  # Its traceback has this frame.

    def _run(self, steps: Steps[T]) -> T:
        """Hands each step the result of its own I/O, which is there already."""
        result = None
        while True:
            try:
                result = steps.send(result)
            except StopIteration as end:
                return cast(T, end.value)

    def _many(self, many: Many[T], on_error: OnError) -> Iterator[T | TensorferryError]:
        many.items = iter(many.items)
        many.end = self._end(many.timeout)
        self._begin(many)
        try:
            while True:
                steps = self._next_outcome(many)
                outcome = self._run(steps)
                if outcome is None:
                    return
                yield outcome if on_error == "return" else unless_error(outcome)
        finally:
            many.close()

    def _unary(self, upload: Upload, timeout: float | None) -> Response:
        self._check_usable()
        check_time(timeout)
        try:
            if self._compiled is not None and self._compiled.is_usable:
                return self._compiled.convert(upload.pieces, timeout)
            answer: bytes = self._convert(upload.message, timeout, self._metadata, None, self._wait_for_ready)
        except Exception as error:
            self._raise_translated(error)
            raise
        return whole_response(answer)

    def _read(self, stream: Stream, room: memoryview | None) -> Message | None:
        call = stream.call
        with self._translated:
            if isinstance(call, CompiledCall):
                return call.read(room)
            message: bytes | None = next(call, None)
        return message

    def _open(self, seconds: float | None) -> Stream:
        outbox: Outbox = queue.SimpleQueue()
        stream = Stream(outbox.put, outbox.get)
        with self._translated:
            try:
                if self._lacked_threads:
                    _check_threads()
                    self._lacked_threads = False
                call = self._convert_stream(_outgoing(stream), **self._settings_until(seconds))
            except RuntimeError as error:
                if not self._lacked_threads:
                    self._leave_channel()
                raise no_thread(error) from error
        stream.call = ending_well(call)
        return stream

    def _leave_channel(self) -> None:
        """Connects anew after grpcio lacked a thread: its channel waits for that, with streams and to end.

        Until there are threads again, no stream begins that would have the next channel left, too.
        """
        self._lacked_threads = True
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._channel))  # It never ends.
        super()._connect()

    def _open_kept(self) -> Stream:
        if self._compiled is not None and self._compiled.is_usable:
            return self._compiled.open_stream()
        return super()._open_kept()

    def _open_many(self, many: Many[Any]) -> Stream:
        if self._compiled is None or not self._compiled.is_usable or many.reports:
            return super()._open_many(many)
        with self._translated:
            left = many.left
            check_time(left)
            try:
                return self._compiled.open_pipelined_stream(left)
            except RuntimeError as error:
                raise no_thread(error) from error

    def _next_of(self, items: Any) -> Any:
        return next(items, END)

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def _sealed(self, array: WireArray, may_copy: bool, may_change: bool) -> Sealed:
        return array.seal(may_copy, may_change)

    def _output_memory(self, nbytes: int) -> OutputMemory:
        return OutputMemory(nbytes)


def _check_threads() -> None:
    """Errors: RuntimeError if the system does not have the two threads that grpcio needs for a stream."""
    over = threading.Event()
    try:
        for _ in range(2):
            threading.Thread(target=over.wait, daemon=True).start()
    finally:
        over.set()


def _outgoing(stream: Stream) -> Iterator[bytes]:
    """Yields the messages of the uploads that the stream is given. gRPC's thread asks for them."""
    while (upload := stream.get()) is not None:
        yield from upload.messages()
        if upload.failure is not None:
            stream.give_up()
        del upload  # It borrows a caller's array.
