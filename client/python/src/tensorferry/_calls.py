"""What calls do, one step after the other, for the blocking and the asyncio client.

The steps are generators. They yield what a client's I/O returns and get its result back: the blocking
client's I/O returns the result itself, that of the asyncio client something to await. So each is there once.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Generator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import grpc

from tensorferry._alarms import CallLater
from tensorferry._arrays import WireArray
from tensorferry._asking import AskingClient
from tensorferry._base import to_limits, unless_error
from tensorferry._errors import (
    RefusedError,
    TensorferryError,
    TransportError,
    check_time,
    is_outgrown,
    too_late,
)
from tensorferry._limits import Limits
from tensorferry._many import Many
from tensorferry._outputs import Lease, OutputMemory, OutputPool
from tensorferry._pool import Stream, StreamPool
from tensorferry._request import Place, Request
from tensorferry._response import Message
from tensorferry._retry import Attempts
from tensorferry._side import Region, is_for_good, sealed_error
from tensorferry._stream import StreamState
from tensorferry._upload import Upload

T = TypeVar("T")
Steps = Generator[Any, Any, T]
_LOST = ("REGION_NOT_FOUND", "BAD_SHARED_MEMORY", "SHARED_MEMORY_DISABLED")


class CallingClient(AskingClient):
    """A client whose I/O is still to be given. What the I/O raises is this package's, or the caller's own."""

    _streams: StreamPool
    _call_later: CallLater

    @abstractmethod
    def _unary(self, upload: Upload, timeout: float | None) -> Any:
        """Calls Convert. Returns the Response, which is complete."""

    @abstractmethod
    def _read(self, stream: Stream, room: memoryview | None) -> Any:
        """Returns the next message of a stream, None after the last.

        A chunk may be put into `room`, where there is room for it: then its number of bytes is returned.
        """

    @abstractmethod
    def _open(self, seconds: float | None) -> Stream:
        """Begins a stream that ends in so many seconds; None: it has no deadline."""

    @abstractmethod
    def _next_of(self, items: Any) -> Any:
        """Returns the caller's next item, or END."""

    @abstractmethod
    def _sleep(self, seconds: float) -> Any: ...

    @abstractmethod
    def _sealed(self, array: WireArray, may_copy: bool, may_change: bool) -> Any:
        """Returns what `array.seal` does, which takes time."""

    @abstractmethod
    def _output_memory(self, nbytes: int) -> Any:
        """Returns new OutputMemory, which takes time to make."""

    @abstractmethod
    def server_info(self, *, timeout: float | None = None) -> Any: ...

    def _end(self, timeout: float | None) -> float | None:
        """Returns when a call that begins now has to be over, by time.monotonic."""
        if timeout is None and self._timeout is None:
            return None
        seconds = self._seconds(timeout)
        return None if seconds is None else time.monotonic() + seconds

    def _answer(self, request: Request[T], end: float | None, failure: TensorferryError | None) -> Steps[T]:
        """Brings the answer of one request; `failure` is that of a unary call that was made already."""
        attempts = Attempts(self._retries, end)
        try:
            while True:
                try:
                    return (yield from self._try(request, attempts, failure))
                except TensorferryError as error:
                    delay = 0.0 if self._falls_back(error, request) else attempts.delay(error)
                if delay > 0:
                    yield self._sleep(delay)
                request.plan_again(request.limits)
                failure = None
        finally:
            request.end()
            request.give_up_lease()
            del failure  # Its traceback has this frame.

    def _try(self, request: Request[T], attempts: Attempts, failure: TensorferryError | None) -> Steps[T]:
        limits = request.limits
        try:
            if failure is None:
                check_time(attempts.timeout)
                yield from self._hand_over(request, attempts.timeout)
                yield from self._lend(request, attempts.timeout)
            if failure is None and self._is_unary(request):
                try:
                    return request.answer((yield self._unary(request.upload, attempts.timeout)))
                except TensorferryError as error:
                    failure = error
            if failure is not None:
                request.explain(failure)
                if not self._takes_stream(failure, request):
                    limits = yield from self._other_limits(failure, limits, attempts.timeout)
                request.plan_again(limits)
        finally:
            del failure
        return unless_error((yield from self._on_stream(request, attempts)))

    def _hand_over(self, request: Request[T], timeout: float | None) -> Steps[None]:
        """Puts the arrays that are large enough for it into sealed memory that the server has taken.

        Errors: with transport="sealed" TensorferryError where it cannot be; else they stay for messages.
        """
        if request.nbytes < self._sealed_nbytes or request.keeps_off or request.is_placed:
            return
        self._check_usable()
        patience = timeout if self._must_seal else _half(timeout)
        try:
            for index, array in request.to_place(self._sealed_nbytes):
                may_copy = array.nbytes in self._copied_nbytes
                sealed = yield self._sealed(array, may_copy, request.may_change)
                if sealed is not None:
                    memory, offset = sealed
                    request.put(index, Place((yield self._side.hand_over(memory, patience)), offset, memory))
        except BaseException as error:
            request.give_up_places()
            if not isinstance(error, (OSError, TensorferryError)):
                raise
            if self._must_seal:
                raise sealed_error(error) from error

    def _lend(self, request: Request[Any], timeout: float | None) -> Steps[None]:
        """Gives a request memory that the server can write what comes back to, where there is any."""
        outputs = self._outputs
        if outputs is None or not request.output_nbytes or request.is_planned or not outputs.has_room():
            return
        self._check_usable()
        try:
            request.lend((yield from self._lease(outputs, request.output_nbytes, _half(timeout))))
        except (OSError, TensorferryError) as error:
            if is_for_good(error):
                outputs.turn_off()
            elif isinstance(error, TransportError):
                outputs.rest()

    def _lease(self, outputs: OutputPool, nbytes: int, timeout: float | None) -> Steps[Lease]:
        """Returns memory that the server has taken. Errors: OSError, TensorferryError."""
        while (memory := outputs.take(nbytes)) is not None:
            with suppress(TransportError):  # A server that has ended has had it.
                return outputs.lend(memory, (yield self._side.hand_over(memory, timeout)))
        made: OutputMemory = yield self._output_memory(nbytes)
        region: Region = yield self._side.hand_over(made, timeout)
        made.close()  # What is mapped stays.
        return outputs.lend(made, region)

    def _falls_back(self, error: TensorferryError, request: Request[Any]) -> bool:
        """Whether the server does not know any more what was handed over: messages can bring it."""
        if error.reason not in _LOST:
            return False
        had_lease = request.give_up_lease()
        if not request.is_placed:
            return had_lease
        request.give_up_places()
        return not self._must_seal

    def _other_limits(self, error: TensorferryError, used: Limits, timeout: float | None) -> Steps[Limits]:
        """Returns limits for another try. Errors: `error`, unless another server's limits explain it."""
        if isinstance(error, TransportError):
            self._forget_server()
        if not is_outgrown(error):
            raise error
        self._limits = to_limits((yield self.server_info(timeout=timeout)))
        limits = self._limits.within(used)
        if limits == used:
            raise error
        return limits

    def _on_stream(self, request: Request[T], attempts: Attempts) -> Steps[T | TensorferryError]:
        """Brings the answer of one request on a stream that others have had, and others will have."""
        while True:
            check_time(attempts.timeout)
            stream = self._take_stream()
            state = StreamState[T](request.limits)
            state.add(request)
            try:
                stream.put(request.upload)
                outcome = yield from self._exchange(stream, state, attempts.timeout)
            except (RefusedError, TransportError) as error:
                stream.end()
                limits = request.limits
                if not _had_ended(stream, state, error):
                    limits = yield from self._other_limits(error, limits, attempts.timeout)
                request.plan_again(limits)
            except BaseException:
                stream.end()
                raise
            else:
                if _is_stopping(outcome):  # A new stream may lead to another server.
                    stream.end()
                else:
                    self._streams.give_back(stream)
                return outcome

    def _take_stream(self) -> Stream:
        """Returns a stream that waits for a call, else a new one."""
        self._check_usable()
        stream, found_ended = self._streams.take()
        if found_ended:
            self._forget_server()
        return stream or self._open_kept()

    def _open_kept(self) -> Stream:
        """Begins a stream for one call after the other, each of which reads until it is answered."""
        return self._open(None)

    def _open_many(self, many: Many[Any]) -> Stream:
        """Begins a stream for requests that others follow before they are answered."""
        return self._open(many.left)

    def _exchange(
        self, stream: Stream, state: StreamState[T], timeout: float | None
    ) -> Steps[T | TensorferryError]:
        """Reads until the only request is answered, for so many seconds."""
        alarm = None if timeout is None else self._call_later(timeout, stream.expire)
        try:
            outcome = None
            while outcome is None:
                outcome = state.receive((yield from self._next_message(stream, state)))
            return outcome
        finally:
            if alarm is not None:
                alarm.cancel()

    def _next_message(self, stream: Stream, state: StreamState[T]) -> Steps[Message | None]:
        """Errors: what a caller's `progress` raised, DeadlineError, TransportError."""
        try:
            message: Message | None = yield self._read(stream, state.room)
            return message
        except TransportError as error:
            failure = state.failure()
            if failure is not None:
                raise failure from None
            if stream.expired:
                raise too_late() from error
            raise

    def _begin(self, many: Many[T]) -> None:
        """Begins a stream, with what the one before left unanswered."""
        many.stream = self._open_many(many)
        for upload in many.state.unanswered():
            many.stream.put(upload)

    def _begin_anew(self, many: Many[T]) -> None:
        many.stream.end()
        self._begin(many)

    def _next_outcome(self, many: Many[T]) -> Steps[T | TensorferryError | None]:
        """Sends requests, until there is what became of the next one. None: there are no more."""
        state = many.state
        attempts = Attempts(self._retries, many.end)
        while not state.done:
            outcome: T | TensorferryError | None = state.take_unsent()
            if outcome is None and state.wants_request:
                request = many.request((yield self._next_of(many.items)))
                if isinstance(request, Request):
                    try:
                        yield from self._hand_over(request, many.left)
                        yield from self._lend(request, many.left)
                    except TensorferryError as error:
                        request = request.explain(error)
                state.add(request)
                if not isinstance(request, TensorferryError):
                    many.stream.put(request.upload if request else None)
            elif outcome is None:
                try:
                    outcome = state.receive((yield from self._next_message(many.stream, state)))
                except (RefusedError, TransportError) as error:
                    yield from self._begin_after(error, many, attempts)
            is_again = partial(self._is_asked_again, outcome, attempts)
            if isinstance(outcome, TensorferryError) and state.restore(is_again):
                if _is_stopping(outcome):
                    yield self._sleep(attempts.delay(outcome))
                self._begin_anew(many)
            elif outcome is not None:
                return outcome
        while (message := (yield from self._next_message(many.stream, state))) is not None:
            state.receive(message)
        return None

    def _is_asked_again(self, error: Any, attempts: Attempts, request: Request[Any]) -> bool:
        """Whether another stream is to bring a request that was refused, and those behind it.

        Where all elements must lie in sealed memory another server does not have them.
        """
        is_stopping = _is_stopping(error) and not self._must_seal
        return self._falls_back(error, request) or (is_stopping and attempts.allow(error))

    def _begin_after(self, error: TensorferryError, many: Many[Any], attempts: Attempts) -> Steps[None]:
        """Begins another stream where `error` ended one. Errors: `error`, where that would not help."""
        if error.retry_after is None:
            many.state.limits = yield from self._other_limits(error, many.state.limits, many.left)
        else:
            yield self._sleep(attempts.delay(error))
        self._begin_anew(many)


def _half(timeout: float | None) -> float | None:
    """Returns how long a call waits for what it can do without: then it needs time for messages."""
    return None if timeout is None else timeout / 2


def _had_ended(stream: Stream, state: StreamState[Any], error: TensorferryError) -> bool:
    """Whether a stream that was kept is why a request failed: it ended before the request came."""
    is_lost = isinstance(error, TransportError) or error.code is grpc.StatusCode.UNAVAILABLE
    return is_lost and stream.served > 0 and not stream.given_up and state.is_untouched


def _is_stopping(outcome: object) -> bool:
    """Whether the server refused a request because it takes no more."""
    return isinstance(outcome, RefusedError) and outcome.reason == "DRAINING"
