"""Pages that a file is mapped in privately, and which of them were written to, as kernels tell it."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sys
from collections.abc import Callable, Iterator

import pytest

if sys.platform != "linux":
    pytest.skip("Linux alone has /proc/self/pagemap", allow_module_level=True)

from tensorferry import _pagemap
from tensorferry._pagemap import Pages, read, scan, was_written

PAGE = mmap.PAGESIZE
COUNT = 64


@pytest.fixture
def pages() -> Iterator[mmap.mmap]:
    file = os.memfd_create("pages")
    os.write(file, b"\x01" * (COUNT * PAGE))
    mapped = mmap.mmap(file, COUNT * PAGE, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    os.close(file)
    yield mapped
    mapped.close()


@pytest.fixture
def pagemap() -> Iterator[int]:
    file = os.open("/proc/self/pagemap", os.O_RDONLY)
    yield file
    os.close(file)


@pytest.fixture(params=[scan, read])
def ask(request: pytest.FixtureRequest, pagemap: int) -> Callable[[Pages], bool | None]:
    def asked(pages: Pages) -> bool | None:
        try:
            found: bool | None = request.param(pagemap, pages)
        except OSError as error:
            if error.errno != errno.ENOTTY:
                raise
            pytest.skip("Linux scans pages since 6.7")
        return found

    return asked


def first_page(mapped: mmap.mmap) -> int:
    held = ctypes.c_char.from_buffer(mapped)
    return ctypes.addressof(held) // PAGE


def test_pages_that_were_only_read_are_the_files(
    pages: mmap.mmap, ask: Callable[[Pages], bool | None]
) -> None:
    first = first_page(pages)
    assert ask((first, COUNT)) is False
    assert pages[:] == b"\x01" * (COUNT * PAGE)
    assert ask((first, COUNT)) is False


def test_a_page_that_was_written_to_is_found_among_others(
    pages: mmap.mmap, ask: Callable[[Pages], bool | None]
) -> None:
    first = first_page(pages)
    pages[40 * PAGE + 7] = 1  # What is written was there before: it is a copy all the same.
    assert ask((first, COUNT)) is True
    assert [i for i in range(COUNT) if ask((first + i, 1))] == [40]
    assert ask((first, 40)) is False
    assert ask((first + 41, COUNT - 41)) is False


@pytest.mark.parametrize(
    ("start", "nbytes", "written"),
    [
        (0, 3 * PAGE, False),
        (0, 3 * PAGE + 1, True),
        (3 * PAGE, 1, True),
        (4 * PAGE - 1, 2, True),
        (4 * PAGE, 1, False),
    ],
)
def test_bytes_stand_for_the_pages_that_they_lie_in(
    pages: mmap.mmap, start: int, nbytes: int, written: bool
) -> None:
    pages[3 * PAGE + 100] = 2
    assert was_written(first_page(pages) * PAGE + start, nbytes) is written


def test_an_older_kernel_is_asked_page_by_page(pages: mmap.mmap, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pagemap: int, request: int, argument: bytearray) -> int:
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    monkeypatch.setattr("fcntl.ioctl", refuse)
    address = first_page(pages) * PAGE
    assert was_written(address, COUNT * PAGE) is False
    pages[PAGE] = 2
    assert was_written(address, COUNT * PAGE) is True


def test_a_system_that_does_not_say_is_not_guessed_about(
    pages: mmap.mmap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pagemap, "_PAGEMAP", "/proc/self/no-such-file")
    assert was_written(first_page(pages) * PAGE, PAGE) is None
