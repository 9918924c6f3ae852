"""Makes `.npy` files: NumPy's own, and ones that NumPy would not write."""

from __future__ import annotations

import io
import struct

import numpy as np

MAGIC = b"\x93NUMPY"


def saved(array: np.ndarray, version: tuple[int, int] | None = None, *, allow_pickle: bool = False) -> bytes:
    """The file as NumPy writes it."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version, allow_pickle)
    return file.getvalue()


def file_with_header(header: str | bytes, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """A file with any header text, unpadded."""
    text = header if isinstance(header, bytes) else header.encode("latin-1")
    length = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return MAGIC + bytes(version) + length + text + data


def file_of(
    descr: str = "'<f4'",
    shape: str = "(3,)",
    fortran_order: str = "False",
    *,
    numel: int = 3,
    version: tuple[int, int] = (1, 0),
) -> bytes:
    """A file whose header values are the given Python source, followed by `numel` float32 elements."""
    header = f"{{'descr': {descr}, 'fortran_order': {fortran_order}, 'shape': {shape}, }}\n"
    return file_with_header(header, bytes(4 * numel), version)
