"""One ConvertStream without its I/O: which messages answer which request, and when to send another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar, cast

import grpc
import numpy as np
import numpy.typing as npt

from tensorferry._errors import ProtocolError, TensorferryError, TransportError, from_response_error
from tensorferry._limits import DEFAULT_LIMITS, Limits
from tensorferry._request import Request
from tensorferry._response import Message, Response
from tensorferry._upload import Upload
from tensorferry._wire import Buffer, read_stream_message

T = TypeVar("T")

_MAX_PENDING = 32
_MAX_PENDING_NBYTES = 32 << 20


class StreamState(Generic[T]):
    """The requests that wait for their response, oldest first, and the response that is being received.

    Attributes:
        limits: Those that requests are made for.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._pending: deque[Request[T] | TensorferryError] = deque()
        self._pending_nbytes = 0
        self._ended = False
        self._response: Response | None = None
        self._answered: Request[T] | None = None

    @property
    def wants_request(self) -> bool:
        """One more request may be sent before the oldest is answered."""
        has_room = len(self._pending) < _MAX_PENDING and self._pending_nbytes < _MAX_PENDING_NBYTES
        return has_room and not self._ended

    @property
    def is_untouched(self) -> bool:
        """Nothing of the oldest request's response has come."""
        return self._response is None

    @property
    def done(self) -> bool:
        """No request is to come, and every one is answered."""
        return self._ended and not self._pending

    def add(self, request: Request[T] | TensorferryError | None) -> None:
        """Takes a request that is about to be sent, or why one cannot be; None: there are no more."""
        if request is None:
            self._ended = True
            return
        self._pending.append(request)
        if isinstance(request, Request):
            self._pending_nbytes += request.nbytes
            request.plan()

    def unanswered(self) -> Iterator[Upload | None]:
        """Yields what a new stream sends first: requests without an answer, and None if they are the last.

        They are planned again, for `limits`, and a response that was on its way is forgotten.
        """
        self._response = None
        for request in self._pending:
            if isinstance(request, Request):
                request.plan_again(self.limits)
                yield request.upload
        if self._ended:
            yield None

    def restore(self, is_wanted: Callable[[Request[T]], bool]) -> bool:
        """Takes the request that was refused last as unanswered, if `is_wanted`. Returns whether it is."""
        request, self._answered = self._answered, None
        if request is None or not is_wanted(request):
            return False
        self._pending.appendleft(request)
        self._pending_nbytes += request.nbytes
        return True

    def failure(self) -> BaseException | None:
        """Returns what a caller's `progress` raised, in whichever thread."""
        uploads = (request.upload for request in self._pending if isinstance(request, Request))
        return next((upload.failure for upload in uploads if upload.failure is not None), None)

    def end_uploads(self) -> None:
        """Nothing more is to be sent, nor reported to a caller's `progress`."""
        for request in self._pending:
            if isinstance(request, Request):
                request.end()

    def take_unsent(self) -> TensorferryError | None:
        """Returns the error of the oldest request, if it is one that was not sent."""
        if self._pending and isinstance(self._pending[0], TensorferryError):
            return cast(TensorferryError, self._pending.popleft())
        return None

    @property
    def room(self) -> memoryview | None:
        """The memory that the next chunk belongs into, if one is expected."""
        return None if self._response is None else self._response.room

    def receive(self, message: Message | None) -> T | TensorferryError | None:
        """Takes the next message (None: the stream ended without an error).

        Returns the oldest request's result, or its error, when this message completes it, else None.
        Errors: ProtocolError, TransportError: the stream is of no use any more.
        """
        if message is None:
            count = sum(isinstance(request, Request) for request in self._pending)
            unanswered = f"the stream ended with {count} requests unanswered"
            raise TransportError(grpc.StatusCode.UNAVAILABLE, unanswered)
        if isinstance(message, int):
            return self._receive_part(True, message)
        if isinstance(message, tuple):
            return self._receive_part(False, *message)
        return self._receive_part(*read_stream_message(message))

    def _receive_part(
        self, is_chunk: bool, part: Buffer | int, cut: Sequence[npt.NDArray[np.uint8] | None] = ()
    ) -> T | TensorferryError | None:
        if self._response is not None:
            if not is_chunk:
                raise ProtocolError("a response came before the chunks of the last one")
            self._response.add_chunk(part)
        elif is_chunk or isinstance(part, int) or not self._pending:
            raise ProtocolError("a message came that answers no request")
        else:
            cast("Request[T]", self._pending[0]).end()
            response = Response(part, cut)
            if response.message.HasField("error"):
                self._answered = self._next()
                return self._answered.explain(from_response_error(response.message.error))
            self._response = response
        if not self._response.complete:
            return None
        response, self._response = self._response, None
        request = self._next()
        try:
            return request.answer(response)
        except TensorferryError as error:
            return request.explain(error)

    def _next(self) -> Request[T]:
        request = cast("Request[T]", self._pending.popleft())
        self._pending_nbytes -= request.nbytes
        return request
