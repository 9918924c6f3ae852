"""Pages that a file is mapped in privately: which are the file's, and which this process's own copies?"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
import sys

import numpy as np

if sys.platform == "linux":
    import fcntl

_PAGE_NBYTES = mmap.PAGESIZE
_PAGEMAP = "/proc/self/pagemap"
# An entry of the file says of a page: bits 63 and 62, that it is in memory or swapped out; bit 61, that it is
# the file's, and not a private copy of it.
_IS_THERE, _IS_OF_FILE, _ENTRY_NBYTES = 3 << 62, 1 << 61, 8

# These are the request and the categories of <linux/fs.h>, since Linux 6.7, and struct pm_scan_arg.
_SCAN = 0xC0606610
_FILE, _PRESENT, _SWAPPED = 1 << 2, 1 << 3, 1 << 4
_SCAN_ARGUMENT = struct.Struct("12Q")
_NO_SUCH_REQUEST = {errno.ENOTTY, errno.EINVAL, errno.ENOSYS}
_REGION_NBYTES = 24

Pages = tuple[int, int]  # The first one, and how many.


def was_written(address: int, nbytes: int) -> bool | None:
    """Whether any page of these bytes is a private copy of a file's. None: this system does not say."""
    first = address // _PAGE_NBYTES
    pages = first, (address + nbytes - 1) // _PAGE_NBYTES - first + 1
    try:
        pagemap = os.open(_PAGEMAP, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return scan(pagemap, pages)
    except OSError as error:
        return read(pagemap, pages) if error.errno in _NO_SUCH_REQUEST else None
    finally:
        os.close(pagemap)


def scan(pagemap: int, pages: Pages) -> bool:
    """Asks for the first copy, at which the kernel stops. Errors: OSError."""
    first, count = pages
    region = ctypes.create_string_buffer(_REGION_NBYTES)
    argument = bytearray(
        _SCAN_ARGUMENT.pack(
            _SCAN_ARGUMENT.size,
            0,  # No flags.
            first * _PAGE_NBYTES,
            (first + count) * _PAGE_NBYTES,
            0,  # Where the kernel writes at which page it stopped.
            ctypes.addressof(region),
            1,  # The regions that `region` has room for.
            1,  # The pages after which it stops.
            _FILE,  # Looked for is what is not the file's,
            _FILE,
            _PRESENT | _SWAPPED,  # and is somewhere.
            _PRESENT,
        )
    )
    found: int = fcntl.ioctl(pagemap, _SCAN, argument)
    return found > 0


def read(pagemap: int, pages: Pages) -> bool | None:
    """Reads what the file says of each page. None: it says nothing. Errors: OSError."""
    first, count = pages
    entries = os.pread(pagemap, count * _ENTRY_NBYTES, first * _ENTRY_NBYTES)
    if len(entries) != count * _ENTRY_NBYTES:
        return None
    states = np.frombuffer(entries, np.uint64)
    is_there = (states & np.uint64(_IS_THERE)) != 0
    return bool(np.any(is_there & ((states & np.uint64(_IS_OF_FILE)) == 0)))
