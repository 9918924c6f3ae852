"""What the asyncio client awaits: messages, requests, and the next of what may or may not be asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Optional, TypeVar, cast

from tensorferry._errors import unreadable
from tensorferry._pool import Stream
from tensorferry._upload import Upload

T = TypeVar("T")
Outbox = asyncio.Queue[Optional[Upload]]


async def outgoing(stream: Stream) -> AsyncIterator[bytes]:
    """Yields the messages of the uploads that the stream is given. gRPC's task asks for them."""
    while (upload := await stream.get()) is not None:
        for message in upload.messages():
            yield message
        if upload.failure is not None:
            stream.give_up()
        del upload  # It borrows a caller's array.


def readable(message: T | None) -> T:
    """Returns the message, for which grpc.aio gives None where it could not be read."""
    if message is None:
        raise unreadable()
    return message


def is_cancelled(task: asyncio.Task[Any] | None) -> bool:
    """Whether somebody asked for it; Python before 3.11 does not say."""
    return task is not None and hasattr(task, "cancelling") and task.cancelling() > 0


async def as_async(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def in_a_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """Yields items that take time to come."""
    end = object()
    while (item := await asyncio.to_thread(next, items, end)) is not end:
        yield cast(T, item)
