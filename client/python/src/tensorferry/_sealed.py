"""Sealed memory: a memfd that nobody can change any more, its maker included.

A server reads it where it lies; docs/shared-memory.md says what it takes. Linux has such memory,
other systems do not.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from tensorferry._elements import Array
from tensorferry._pagemap import was_written

if sys.platform == "linux":
    import fcntl

AVAILABLE = hasattr(os, "memfd_create") and hasattr(socket, "send_fds")

# These are constants of <linux/fcntl.h> and <linux/memfd.h>, which some versions of Python do not name.
_ADD_SEALS = 1033
_SEALS = 2 | 4 | 8  # F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE.
_CLOEXEC, _ALLOW_SEALING, _NOEXEC_SEAL = 1, 2, 8
_MAP_SHARED, MAP_PRIVATE, _MAP_FIXED = 1, 2, 16
_NAME = "tensorferry-array"  # As /proc shows it.
_MOST_DIGESTS = 64  # For each array of `empty`.


class SealedMemory:
    """A memfd. `file` is its descriptor, which `close` or the end of this object closes.

    Attributes:
        kind: Of the message that hands it over.
        is_sent_once: It can be handed over once.
        is_spent: It cannot be handed over any more.
        may_come_again: It may be sent once more: the server then keeps it as long as this object is there.
        region: What the server has taken it as, if it keeps it: a Region of _side.
    """

    kind = 1
    is_sent_once = is_spent = False

    def __init__(self, may_come_again: bool = False) -> None:
        """Errors: OSError where the system gives none."""
        self.may_come_again = may_come_again
        self.region: Any = None
        self.file = _memfd()
        self.close = weakref.finalize(self, os.close, self.file)
        self.close.atexit = False  # Other threads, and what runs at exit, may still use it.

    @property
    def nbytes(self) -> int:
        return os.fstat(self.file).st_size

    def seal(self) -> None:
        """Errors: OSError where a process has mapped the memory and could write to it."""
        fcntl.fcntl(self.file, _ADD_SEALS, _SEALS)


def sealed_copy(blocks: Iterable[bytes | memoryview]) -> SealedMemory:
    """Returns sealed memory with the bytes of all blocks.

    Errors: OSError where the system has no memory for it: nothing is mapped, so a lack of pages is no SIGBUS.
    """
    memory = SealedMemory()
    try:
        for block in blocks:
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(memory.file, rest) :]
        memory.seal()
    except BaseException:
        memory.close()
        raise
    return memory


class Pages(mmap.mmap):
    """The memory of an array that `empty` made.

    The array's pages are those of a memfd until `freeze` seals it. From then on they are private copies of
    them, made as they are written to: the array can be used on, and the memfd keeps what it had.
    """

    _address: int
    _memory: SealedMemory
    _lock: threading.Lock
    _is_private: bool
    _is_sealed: bool
    _digests: dict[Any, bytes]

    def __new__(cls, nbytes: int) -> Pages:
        """Errors: OSError where the system has no memory for it."""
        pages = super().__new__(cls, -1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory = SealedMemory(may_come_again=True)
        os.posix_fallocate(memory.file, 0, nbytes)  # Without it a lack of pages would be a SIGBUS later.
        pages._memory = memory
        pages._address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        pages._lock = threading.Lock()
        pages._is_private = pages._is_sealed = False
        pages._digests = {}
        pages._map(_MAP_SHARED)
        return pages

    def freeze(self, start: int, nbytes: int) -> SealedMemory | None:
        """Returns the sealed memory that holds these bytes of the array at the same place.

        None: it does not hold them, as they were written to since it was sealed, or as a forked process could
        still write to it.
        """
        with self._lock:
            was_shared = not self._is_private
            try:
                if was_shared:
                    self._map(MAP_PRIVATE)
                    self._is_private = True
                if not self._is_sealed:
                    self._memory.seal()
                    self._is_sealed = True
            except OSError:
                return None
        # What another thread writes from now on is no part of what is sent.
        if was_shared or self._was_written(start, nbytes) is False:
            return self._memory
        self._memory.region = None  # The server need not keep it.
        return None

    def digest_of(self, array: Array, take: Callable[[Array], bytes]) -> bytes:
        """Returns the digest that `take` takes of an array in this memory, which `freeze` has returned.

        It is taken once for all arrays of one place, shape and dtype, as long as nobody writes to them.
        """
        start = array.ctypes.data - self._address
        key = (start, array.shape, array.strides, array.dtype)
        known = self._digests.get(key)
        if known is None:
            known = take(array)
            if self._was_written(start, array.nbytes) is False:
                if len(self._digests) >= _MOST_DIGESTS:
                    self._digests.clear()
                self._digests[key] = known
        return known

    @property
    def is_shared(self) -> bool:
        """They are still those of the memfd, mapped since they were made."""
        return not self._is_private

    def _map(self, kind: int) -> None:
        """Puts the memfd in the place of what is mapped. Errors: OSError."""
        map_over(self._address, len(self), kind, self._memory.file)

    def _was_written(self, start: int, nbytes: int) -> bool | None:
        """Whether any page has a private copy. None: this system does not say."""
        return was_written(self._address + start, nbytes)


def map_over(address: int, nbytes: int, kind: int, file: int) -> None:
    """Maps a file in the place of what is mapped there. Errors: OSError."""
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    place = _mmap()(address, nbytes, protection, kind | _MAP_FIXED, file, 0)
    if place != address:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def empty(shape: Any, dtype: npt.DTypeLike) -> Array:
    """Returns an array in memory that can be sealed, which is zeros.

    Errors: OSError where the system has no such memory; those of `np.empty`.
    """
    layout = np.broadcast_to(np.empty((), dtype), shape)
    if layout.nbytes == 0 or layout.dtype.hasobject:
        return np.empty(shape, dtype)
    return np.ndarray(layout.shape, layout.dtype, buffer=Pages(layout.nbytes))


def frozen(elements: Array) -> tuple[SealedMemory, int] | None:
    """Returns the sealed memory that an array lies in, and its first byte there.

    None: it lies in no memory that `empty` made, not in one piece, or was written to since it was sent.
    """
    pages = pages_of(elements)
    if pages is None or not elements.flags.c_contiguous:
        return None
    start = elements.ctypes.data - pages._address
    memory = pages.freeze(start, elements.nbytes)
    return None if memory is None else (memory, start)


def pages_of(elements: Array) -> Pages | None:
    """Returns the memory that `empty` made, if an array lies in such memory."""
    base: Any = elements
    while isinstance(base, (np.ndarray, memoryview)):
        base = base.obj if isinstance(base, memoryview) else base.base
    return base if isinstance(base, Pages) else None


def _memfd() -> int:
    """Errors: OSError where the system gives none."""
    with suppress(OSError):  # The flag came with Linux 6.3. Where it is known, the system may insist on it.
        return os.memfd_create(_NAME, _CLOEXEC | _ALLOW_SEALING | _NOEXEC_SEAL)
    return os.memfd_create(_NAME, _CLOEXEC | _ALLOW_SEALING)


def _mmap() -> Any:
    function = ctypes.CDLL(None, use_errno=True).mmap
    function.restype = ctypes.c_void_p
    function.argtypes = [
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
    ]  # fmt: skip
    return function
