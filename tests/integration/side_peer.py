"""The other end of a side socket, as docs/shared-memory.md describes it, and the memory that it hands over."""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
import struct
from collections.abc import Callable

from harness import TIMEOUT_S

F_ADD_SEALS, SHRINK, GROW, WRITE, FUTURE_WRITE = (
    1033,
    2,
    4,
    8,
    16,
)  # Of <linux/fcntl.h>; the module fcntl has them in some Pythons only.
SEALS = SHRINK | GROW | WRITE
HEADER = struct.Struct("<HHIQ")  # Version, kind, tag, bytes.
HAND_OVER, RELEASE, HAND_OVER_FOR_OUTPUTS = 1, 2, 3


class Peer:
    """A connection to the side socket of a server that listens at `address`, which is `unix:PATH`."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(f"{address.removeprefix('unix:')}.sealed")

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, nbytes: int, descriptors: list[int], kind: int = HAND_OVER) -> str:
        """Hands over, and returns the name of the region, or why it is refused."""
        socket.send_fds(self.socket, [HEADER.pack(1, kind, 0, nbytes)], descriptors)
        return self.socket.recv(4096)[8:].decode()

    def hand_over(self, data: bytes, seals: int = SEALS) -> str:
        file = memfd(data, seals)
        try:
            return self.ask(len(data), [file])
        finally:
            os.close(file)

    def release(self, name: str) -> None:
        self.socket.send(HEADER.pack(1, RELEASE, 0, 0) + name.encode())


def memfd(data: bytes, seals: int = SEALS) -> int:
    file = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(file, data)
    fcntl.fcntl(file, F_ADD_SEALS, seals)
    return file


def attempts(file: int) -> list[Callable[[], object]]:
    """What a sender can do to bytes that it has sealed."""
    path = f"/proc/self/fd/{file}"

    def write_anew() -> None:
        other = os.open(path, os.O_RDWR)
        try:
            os.pwrite(other, b"x", 0)
        finally:
            os.close(other)

    def write_privately() -> None:
        with mmap.mmap(file, 0, mmap.MAP_PRIVATE) as private:
            private[0:1] = b"x"

    return [
        lambda: os.pwrite(file, b"x", 0),
        lambda: os.ftruncate(file, 0),
        lambda: mmap.mmap(file, 0).close(),
        lambda: os.posix_fallocate(file, 0, 1 << 20),
        write_anew,
        write_privately,
    ]
