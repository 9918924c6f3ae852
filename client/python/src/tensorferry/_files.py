"""The arrays of .npy, .npz and safetensors files, one after the other."""

from __future__ import annotations

import ast
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Union

import numpy as np
import numpy.typing as npt

from tensorferry._elements import Array
from tensorferry._errors import ArrayError, Label, array_error
from tensorferry._limits import Limits
from tensorferry._request import ConvertRequest, Options
from tensorferry._safetensors import looks_like_safetensors, read_header, safetensors_arrays

FilePath = Union[str, "os.PathLike[str]"]
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # The latter has no members.
_NPY_MAGIC = b"\x93NUMPY"
_OTHER_MAGIC = (*_ZIP_MAGIC, _NPY_MAGIC)
_MOST_HEADER_NBYTES = 10_000  # As np.load takes.
_BIG_ENDIAN_VOID = re.compile(r">[VW]\d+")


@dataclass(frozen=True)
class BigEndian:
    """Void elements of a file that says that they are big-endian. NumPy's void types have no byte order."""

    array: Array


Named = tuple[str, Union[Array, BigEndian, ArrayError]]


def file_arrays(path: Any) -> Iterator[Named]:
    """Yields name and array of each member of an .npz or safetensors file, or of the one array of an .npy.

    .npy and safetensors files are mapped, not read; members of an .npz file are read when they are asked for.
    Nothing is unpickled. In the place of an array that cannot be read stands the error that says why.

    Errors: OSError for a file that cannot be opened, ArrayError for one of another format; TypeError for a
        path that is none.
    """
    file = Path(path)
    with file.open("rb") as opened:
        begin = opened.read(9)
    if not begin.startswith(_OTHER_MAGIC) and looks_like_safetensors(file, begin):
        try:
            yield from safetensors_arrays(file)
        except (ValueError, RecursionError) as error:
            raise _unreadable(file.name, error) from error
        return
    if not begin.startswith(_ZIP_MAGIC):
        yield file.stem, _loaded(file, file.stem)
        return
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # zipfile raises many kinds for damaged files.
        raise _unreadable(file.name, error) from error
    with archive:
        yield from _members(archive)


def file_nbytes(path: Any) -> int:
    """Returns the bytes of elements in all arrays of a file, as headers say; what cannot be read has none.

    Errors: OSError for a file that cannot be opened.
    """
    file = Path(path)
    with file.open("rb") as opened:
        begin = opened.read(9)
        opened.seek(0)
        if not begin.startswith(_OTHER_MAGIC) and looks_like_safetensors(file, begin):
            return _tensors_nbytes(opened, file.stat().st_size)
        if not zipfile.is_zipfile(file):
            return _elements_nbytes(opened, file.stat().st_size)
    total = 0
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            with suppress(Exception), archive.open(info) as member:
                total += _elements_nbytes(member, info.file_size)
    return total


def _tensors_nbytes(opened: IO[bytes], size: int) -> int:
    with suppress(ValueError, RecursionError):
        return sum(tensor.end - tensor.begin for tensor in read_header(opened, size))
    return 0


def _elements_nbytes(opened: IO[bytes], size: int) -> int:
    """Returns how many of a .npy file's bytes come after its header."""
    start = opened.read(12)
    if start[:6] != b"\x93NUMPY":
        return 0
    length = 2 if start[6] == 1 else 4
    return max(0, size - 8 - length - int.from_bytes(start[8 : 8 + length], "little"))


def file_request(
    named: Named, dtype: npt.DTypeLike | None, options: Options, limits: Limits
) -> ConvertRequest | ArrayError:
    """Returns the request for one array of a file, or why there is none.

    `dtype` is what void elements are.
    """
    name, array = named
    if isinstance(array, ArrayError):
        return array
    big_endian = isinstance(array, BigEndian)
    if isinstance(array, BigEndian):
        array = array.array
    is_void = array.dtype.type is np.void and array.dtype.fields is None
    try:
        return ConvertRequest(array, name, dtype if is_void else None, options, limits, big_endian=big_endian)
    except ArrayError as error:
        return error


def _members(archive: zipfile.ZipFile) -> Iterator[Named]:
    seen = Counter[str]()
    for info in archive.infolist():
        name = info.filename[:-4] if info.filename.endswith(".npy") else info.filename
        seen[name] += 1
        if seen[name] == 1:
            yield name, _member(archive, info, name)
        else:
            problem = "the archive has another member of this name"
            yield f"{name} ({seen[name]})", _unreadable(name, problem)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Array | BigEndian | ArrayError:
    try:
        with archive.open(info) as opened:
            if opened.read(len(_NPY_MAGIC)) != _NPY_MAGIC:
                return _unreadable(name, "it has no header of an array")
            header = _Header.read(opened)
        with archive.open(info) as opened:
            array = np.lib.format.read_array(opened, allow_pickle=False)
    except Exception as error:  # zipfile and NumPy raise many kinds for damaged files.
        return _unreadable(name, error)
    return header.checked(array, info.file_size, name)


def _loaded(file: Path, name: str) -> Array | BigEndian | ArrayError:
    try:
        with file.open("rb") as opened:
            if opened.read(len(_NPY_MAGIC)) != _NPY_MAGIC:
                return _unreadable(name, "it is neither a .npy, a .npz nor a safetensors file")
            header = _Header.read(opened)
        array = _mapped(file)
    except Exception as error:
        return _unreadable(name, error)
    return header.checked(array, file.stat().st_size, name)


def _mapped(file: Path) -> Array:
    with suppress(Exception):  # Arrays without elements cannot be mapped; others fail once more.
        return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    return np.asarray(np.load(file, allow_pickle=False))


@dataclass(frozen=True)
class _Header:
    """What NumPy leaves out of what a .npy file says. NumPy itself refuses what is no header."""

    nbytes: int  # The bytes before the elements.
    is_big_endian_void: bool

    @staticmethod
    def read(opened: IO[bytes]) -> _Header:
        """Reads on from the magic."""
        version = opened.read(2)
        size = opened.read(2 if version[:1] == b"\1" else 4)
        length = int.from_bytes(size, "little")
        if length > _MOST_HEADER_NBYTES:
            raise ValueError(f"its header has {length} bytes, at most {_MOST_HEADER_NBYTES} are taken")
        text = opened.read(length).decode("utf-8" if version[:1] == b"\3" else "latin-1")
        descr = ""
        with suppress(Exception):
            descr = ast.literal_eval(re.sub(r"(?<=\d)L\b", "", text).strip())["descr"]
        is_void = isinstance(descr, str) and _BIG_ENDIAN_VOID.fullmatch(descr) is not None
        return _Header(len(_NPY_MAGIC) + len(version) + len(size) + length, is_void)

    def checked(self, array: Array, file_nbytes: int, name: str) -> Array | BigEndian | ArrayError:
        trailing = file_nbytes - self.nbytes - array.nbytes
        if trailing > 0:
            problem = f"{trailing} bytes follow its elements, where a second array may hide"
            return array_error(Label(name), problem, "TRAILING_BYTES")
        return BigEndian(array) if self.is_big_endian_void else array


def _unreadable(name: str, error: object) -> ArrayError:
    """Returns the error for a file or member, without NumPy's advice to its own callers to unpickle."""
    problem = next(iter(str(error).splitlines()), type(error).__name__)
    if "allow_pickle" in problem:
        problem = "it holds Python objects, and nothing is ever unpickled"
    return array_error(Label(name), f"the file cannot be read as an array: {problem}", "NOT_AN_ARRAY")
