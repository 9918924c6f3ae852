"""What the asyncio client awaits: messages, requests, and the next of what may or may not be asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any, Optional, TypeVar

import grpc.aio

from tensorferry._errors import unreadable
from tensorferry._request import Upload

T = TypeVar("T")
Outbox = asyncio.Queue[Optional[Upload]]


async def outgoing(outbox: Outbox) -> AsyncIterator[bytes]:
    while (upload := await outbox.get()) is not None:
        for message in upload.messages():
            yield message


async def read(call: Any) -> bytes | None:
    message = await call.read()
    return None if message is grpc.aio.EOF else message


def readable(message: T | None) -> T:
    """Returns the message, for which grpc.aio gives None where it could not be read."""
    if message is None:
        raise unreadable()
    return message


def is_cancelled(task: asyncio.Task[Any] | None) -> bool:
    """Whether somebody asked for it; Python before 3.11 does not say."""
    return task is not None and hasattr(task, "cancelling") and task.cancelling() > 0


async def anext_or_none(items: AsyncIterator[T]) -> T | None:
    async for item in items:
        return item
    return None


async def as_async(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
