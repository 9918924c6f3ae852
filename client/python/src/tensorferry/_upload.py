"""One try to send a request: its message, and the chunks that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol, Union

from tensorferry._progress import Progress
from tensorferry._wire import Buffer, stream_chunk, stream_request


class NativeChunks(Protocol):
    """Chunks of one array that the compiled core cuts, and whose digest it takes. It yields them as well."""

    def __iter__(self) -> Iterator[bytes]: ...

    def __next__(self) -> bytes: ...

    def digest(self) -> bytes:
        """Takes in what is left. Returns 16 bytes, or none where no digest is wanted."""

    def end(self) -> None:
        """No more chunks are wanted."""


# Makes them of the elements in the order in which they travel, the dtype that travels, whether that order
# is column-major, whether a digest is wanted, and the limit of a chunk in bytes.
MakeChunks = Callable[[Any, Any, bool, bool, int], NativeChunks]
Part = Union[Sequence[Buffer], NativeChunks]


class Upload:
    """One try to send a request.

    It shares nothing that changes with another try: gRPC's thread may still send the last one when the next
    begins.

    Attributes:
        pieces: The ConvertRequest, sent first, or alone. Arrays that are not in it follow in chunks.
        ended: Set when the response is there, or another try begins: no more chunks are wanted.
        reported: Bytes of elements that `progress` was told of.
        failure: What `progress` raised, which ended the upload.
    """

    __slots__ = (
        "_chunks", "_inline_nbytes", "_is_native", "_progress", "ended", "failure", "pieces", "reported",
    )  # fmt: skip

    def __init__(
        self,
        pieces: Sequence[Buffer],
        chunks: Sequence[Any],
        inline_nbytes: int = 0,
        progress: Progress | None = None,
        is_native: bool = False,
    ) -> None:
        """The message holds so many bytes of elements.

        `chunks` has an iterator for each array that is not in it. Where `is_native` says that they are
        NativeChunks, no progress is reported.
        """
        self.pieces = pieces
        self.ended = False
        self.reported = 0
        self.failure: BaseException | None = None
        self._chunks = chunks
        self._is_native = is_native
        self._inline_nbytes = inline_nbytes
        self._progress = progress

    @property
    def message(self) -> bytes:
        """The pieces in one."""
        first = self.pieces[0]
        return first if len(self.pieces) == 1 and isinstance(first, bytes) else b"".join(self.pieces)

    @property
    def is_one_message(self) -> bool:
        return not self._chunks

    def messages(self) -> Iterator[bytes]:
        """Yields the request and its chunks, as messages of a stream, or fewer if it ended meanwhile."""
        return map(b"".join, self.framed())

    def framed(self) -> Iterator[Sequence[Buffer]]:
        """Yields what `messages` does, each message in pieces, some of which may borrow a caller's array."""
        yield stream_request(self.pieces)
        sent = self._inline_nbytes
        for chunk in chain.from_iterable(self._chunks):
            if self._progress is not None:
                self._report(self._progress, sent)
                sent += len(chunk)
            if self.ended:
                return
            yield stream_chunk(chunk)

    def parts(self) -> Iterator[Part]:
        """Yields what `framed` does, but NativeChunks as they are."""
        if not self._is_native:
            yield from self.framed()
            return
        yield stream_request(self.pieces)
        for chunks in self._chunks:
            if not self.ended:
                yield chunks

    def _report(self, progress: Progress, sent: int) -> None:
        try:
            progress.advance(self, sent)
        except BaseException as error:  # It belongs to the caller, whose thread may be another one.
            self.failure = error
            self.ended = True

    def end(self) -> None:
        """No more chunks are wanted."""
        if self._progress is not None:
            self._progress.end(self)
            return
        self.ended = True
        if self._is_native:
            for chunks in self._chunks:
                chunks.end()
