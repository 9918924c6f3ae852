"""Memory for outputs: a server writes them there, and it is used again once no array lies in it any more."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import time
import weakref
from collections import deque
from typing import Any

import numpy as np

from tensorferry._elements import Array
from tensorferry._errors import ProtocolError
from tensorferry._pagemap import was_written
from tensorferry._sealed import MAP_PRIVATE, SealedMemory, map_over
from tensorferry._side import Region
from tensorferry.v1 import tensor_service_pb2 as pb

# Below, the copies of a message take a fraction of a millisecond: memory would be kept for hardly anything.
LEAST_NBYTES = 1 << 20
_ALIGNMENT = 64  # A server begins each tensor at a multiple of it.
_MOST_SPARE = 4  # How many times the bytes that are wanted a region may have.
_MOST_AWAITED = 4  # Requests with memory for their outputs. Those beyond it get them in messages.
_MOST_SIZES = 256
_REST_S = 10.0  # How long nobody is expected to take memory where nobody could be reached.
# An array of fewer bytes is a copy: it would keep the memory of all others from being used again.
_COPIED_NBYTES = 1 << 16


class OutputMemory(SealedMemory):
    """A memfd that a server writes to, as this process sees it.

    The pages are mapped privately: they are the memfd's until this process writes to them, and then copies,
    which neither the server nor a forked process sees.
    """

    kind = 3
    is_sent_once = True  # The server seals it, so that it cannot be mapped for writing once more.

    def __init__(self, nbytes: int) -> None:
        """Errors: OSError where the system has no memory for it, or does not say which pages are copies."""
        super().__init__(may_come_again=True)
        self.size = -(-nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
        os.posix_fallocate(self.file, 0, self.size)  # A server takes no memory with holes.
        self._pages = mmap.mmap(-1, self.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._pages))
        map_over(self.address, self.size, MAP_PRIVATE, self.file)
        if not self.is_intact():  # Locked memory is copied as soon as it is mapped.
            raise OSError(errno.ENOTSUP, "the system does not show that pages are those of the memfd")

    @property
    def nbytes(self) -> int:
        return self.size

    def is_intact(self) -> bool:
        """Whether all pages are those of the memfd."""
        return was_written(self.address, self.size) is False

    def renew(self) -> bool:
        """Gives copies of pages back. Returns whether all pages are those of the memfd."""
        if not self.is_intact():
            try:
                self._pages.madvise(mmap.MADV_DONTNEED)
            except OSError:  # They are locked.
                return False
        return self.is_intact()


class Lease:
    """The use of memory for the outputs of one request, and then by the arrays that lie there."""

    def __init__(self, pool: OutputPool, memory: OutputMemory, region: Region) -> None:
        self._pool = weakref.ref(pool)
        self._memory = memory
        self._region: Region | None = region  # A server may be told to forget it, but not before the answer.
        self._name = region.name
        self._forks = _forks
        self.is_answered = False

    def place(self) -> pb.SharedMemoryRange:
        return pb.SharedMemoryRange(region=self._name, nbytes=self._memory.size)

    def answered(self) -> None:
        """The server has written what it writes. Errors: ProtocolError if this process cannot read it."""
        self._end_wait()
        self.is_answered = True
        self._region = None
        if not self._memory.is_intact():
            raise ProtocolError("the outputs came in pages that are copied already, as locked ones are")

    def elements(self, place: pb.SharedMemoryRange) -> Array:
        """Returns the bytes of a range, which nobody changes as long as the array is there.

        Errors: ProtocolError if the range is not within this memory.
        """
        end = place.offset + place.nbytes
        if place.region != self._name or end > self._memory.size:
            raise ProtocolError(f"elements came in bytes {place.offset} to {end} of another memory")
        elements: Array = np.asarray(self)[place.offset : end]
        return elements.copy() if place.nbytes < _COPIED_NBYTES else elements

    @property
    def __array_interface__(self) -> dict[str, Any]:
        memory = self._memory
        return {"version": 3, "typestr": "|u1", "shape": (memory.size,), "data": (memory.address, False)}

    def _end_wait(self) -> None:
        pool = self._pool()
        if pool is not None and not self.is_answered:
            pool.end_wait()

    def __del__(self) -> None:
        self._end_wait()
        pool = self._pool()
        # A forked process may still look at it, and what was not answered a server may still write to.
        if pool is not None and self.is_answered and self._forks == _forks:
            pool.give_back(self._memory)


class OutputPool:
    """The memory for outputs that a client has, and how many bytes its requests have got. Threads may share
    it. Whatever happens in it may happen in the middle of anything else, as arrays end at any time."""

    def __init__(self) -> None:
        self._free: deque[OutputMemory] = deque()
        self._awaited: deque[None] = deque()  # Has an item for each lease that was not answered yet.
        self._sizes: dict[Any, int] = {}
        self._is_off = False
        self._rest_until = 0.0

    def expected(self, key: Any) -> int:
        """Returns the bytes that the answer to such a request needs; 0: it is to come in messages."""
        return 0 if self._is_off else self._sizes.get(key, 0)

    def learn(self, key: Any, sizes: list[int]) -> None:
        """Takes the bytes of each tensor that came back."""
        nbytes = memory_for(sizes)
        if nbytes == 0:
            self._sizes.pop(key, None)
        elif self._sizes.get(key) != nbytes:
            if len(self._sizes) >= _MOST_SIZES:
                self._sizes.clear()
            self._sizes[key] = nbytes

    def has_room(self) -> bool:
        """Whether one more request may have memory."""
        is_resting = time.monotonic() < self._rest_until
        return not self._is_off and not is_resting and len(self._awaited) < _MOST_AWAITED

    def take(self, nbytes: int) -> OutputMemory | None:
        """Returns memory that a server has and no array lies in any more; None: none of that size."""
        for _ in range(len(self._free)):
            try:
                memory = self._free.popleft()
            except IndexError:  # Another thread has it.
                break
            region = memory.region
            if region is None or not region.connection.close.alive:
                continue
            if nbytes <= memory.size <= max(_MOST_SPARE * nbytes, mmap.PAGESIZE):
                if memory.renew():
                    return memory
            else:
                self._free.append(memory)
        return None

    def lend(self, memory: OutputMemory, region: Region) -> Lease:
        self._awaited.append(None)
        return Lease(self, memory, region)

    def end_wait(self) -> None:
        """A lease was answered, or never will be."""
        self._awaited.pop()

    def give_back(self, memory: OutputMemory) -> None:
        """Takes memory that no array lies in any more."""
        if not self._is_off and memory.region is not None:
            self._free.append(memory)

    def rest(self) -> None:
        """No memory is made for a while, as there was nobody who could take it."""
        self._rest_until = time.monotonic() + _REST_S

    def turn_off(self) -> None:
        """No more memory is handed over; arrays stay what they are."""
        self._is_off = True
        self._free.clear()


def memory_for(sizes: list[int]) -> int:
    """Returns how many bytes tensors of so many bytes need; 0 where they had better come in messages."""
    nbytes = sum(-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes)
    return nbytes if nbytes >= LEAST_NBYTES else 0


_forks = 0  # Of this process, and of those that it was forked from.


def _before_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
