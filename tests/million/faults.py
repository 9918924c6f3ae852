"""What can be wrong with an array of the native protocol, each with the reasons that a refusal may have for it.

A rule comes from NumPy where NumPy has one: a text is a dtype if NumPy gives the same text back, a file is one if
NumPy reads it, sizes are multiplied as Python's integers.
"""

from __future__ import annotations

import io
import math
import warnings
from random import Random

import ml_dtypes
import numpy as np

from arrays import Sent, expect
from dtypes import BY_NAME, TYPE_CODES
from oracle import Expected
from tensorferry.v1 import tensor_service_pb2 as pb

MAX_TENSOR_BYTES = 8 << 30  # The server's default.
INT64_MAX = 2**63 - 1
AMBIGUOUS = {"V1", "V2", "V4", "W4"}
ELSEWHERE = {"f12", "c24"}  # longdouble and its complex numbers, where C's long double has 12 bytes.

NAMES = sorted({str(name) for name in np.sctypeDict} | {name for name in dir(ml_dtypes) if name[-1].isdigit()})
ODD_NAMES = ["", "longdouble", "clongdouble", "str", "bytes", "void", "object", "datetime64[ns]", "M8[us]",
             "m8[D]", "i4,f4", "(2,3)f4", "[('a', '<f4')]", "{'names': ['a']}", "O", "|O", "|T16",
             "float32 ", " <f4"]  # fmt: skip

NPY_REASONS = {"BAD_MAGIC", "BAD_VERSION", "BAD_HEADER", "BAD_DTYPE", "UNSUPPORTED_DTYPE", "AMBIGUOUS_DTYPE",
               "OBJECT_DTYPE", "BYTE_ORDER", "SIZE_MISMATCH", "SIZE_OVERFLOW", "TRAILING_BYTES", "TENSOR_TOO_LARGE",
               "TOO_MANY_DIMS", "BAD_SHAPE"}  # fmt: skip


def _numpy_dtype(text: str) -> np.dtype | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.dtype(text)
    except Exception:  # NumPy's parser of dtypes raises more than TypeErrors.
        return None


def reason_of_dtype(text: str) -> str:
    """Why `text` is refused as a dtype; empty if it is one of the 21, in a spelling that is its own."""
    bare = text[1:] if text[:1] in ("<", ">", "=", "|") else text
    if text in BY_NAME or any(bare == dtype.code for dtype in BY_NAME.values()):
        return ""
    if bare in AMBIGUOUS:
        return "AMBIGUOUS_DTYPE"
    if text in ("longdouble", "clongdouble") or bare in ELSEWHERE:
        return "UNSUPPORTED_DTYPE"
    if hasattr(ml_dtypes, text) or text[:1] in ("[", "{"):
        return "UNSUPPORTED_DTYPE"
    dtype = _numpy_dtype(text)
    if dtype is None or not (text == dtype.name or bare == dtype.str[1:] or "," in text):
        return "UNSUPPORTED_DTYPE" if bare == "T16" else "BAD_DTYPE"
    return "OBJECT_DTYPE" if dtype.kind == "O" else "UNSUPPORTED_DTYPE"


def random_dtype_text(rng: Random) -> str:
    """A text that is not the name of a dtype, but may look like one."""
    kind = rng.random()
    if kind < 0.5:
        order = rng.choice(["", "<", ">", "=", "|", "|", "!", "@"])
        return order + rng.choice("biufcmMSUVabdelqB?W") + rng.choice(["", *"0123456789", "04", "10", "12", "16", "32"])
    if kind < 0.8:
        return rng.choice(NAMES)
    if kind < 0.9:
        return rng.choice(ODD_NAMES)
    name = rng.choice(list(BY_NAME))
    return rng.choice([name.upper(), name[:-1], f"{name}1", f"<{name}", f"np.{name}", f"torch.{name}", f"{name}\0"])


def reason_of_shape(shape: tuple[int, ...], itemsize: int, nbytes: int) -> str:
    """Why elements of `nbytes` bytes do not have this shape."""
    if len(shape) > 64:
        return "TOO_MANY_DIMS"
    if min(shape, default=0) < 0:
        return "BAD_SHAPE"
    without_zeros = math.prod(max(dim, 1) for dim in shape)
    needed = math.prod(shape) * itemsize
    if without_zeros > INT64_MAX or needed > INT64_MAX:
        return "SIZE_OVERFLOW"
    if needed > MAX_TENSOR_BYTES:
        return "TENSOR_TOO_LARGE"
    return "SIZE_MISMATCH" if needed != nbytes else ""


def random_bad_shape(rng: Random, shape: tuple[int, ...]) -> tuple[int, ...]:
    kind = rng.randrange(6)
    place = rng.randint(0, len(shape))
    if kind == 0:
        return (*shape[:place], -rng.choice([1, 2, 1 << 62, 1 << 63]), *shape[place:])
    if kind == 1:
        return (*shape, *[1] * rng.randint(65 - len(shape), 80))
    if kind == 2:
        return (*shape[:place], *[1 << rng.randint(20, 62) for _ in range(rng.randint(1, 4))], *shape[place:])
    if kind == 3:
        return (0, *shape, *[1 << rng.randint(20, 62) for _ in range(rng.randint(1, 4))])
    if kind == 4:
        return (*shape[:place], rng.choice([2, 3, 1 << 33, INT64_MAX]), *shape[place:])
    return tuple(dim + rng.choice([0, 1]) for dim in shape)


def break_length(rng: Random, data: bytes) -> bytes:
    """The data with bytes missing or added at its end."""
    if data and rng.random() < 0.5:
        return data[: rng.randrange(len(data))] if rng.random() < 0.5 else data[:-1]
    return data + rng.randbytes(rng.randint(1, 17))


def break_text(rng: Random, file: bytes) -> bytes:
    """The `.npy` file with one byte of its preamble or header changed, removed or added."""
    place = rng.randrange(10) if rng.random() < 0.15 else rng.randrange(min(len(file), 128))
    byte = bytes([rng.choice([rng.randrange(256), *b" ',:(){}0123456789<>|=fiuTrueL\n"])])
    return file[:place] + rng.choice([byte, byte, byte, b"", byte + file[place : place + 1]]) + file[place + 1 :]


def _load(file: bytes) -> np.ndarray | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.lib.format.read_array(io.BytesIO(file), allow_pickle=False)
    except Exception:  # NumPy's reader passes on what Python's parser raises.
        return None


def read_by_numpy(file: bytes) -> Expected | None:
    """What NumPy reads in a `.npy` file, as torch would take it; None if either refuses it.

    For `f1` and `c4`, which ml_dtypes writes and NumPy does not read, it reads integers of the same size.
    """
    dtype, array, big = None, _load(file), False
    if array is not None:
        dtype, big = BY_NAME.get(array.dtype.name), array.dtype.byteorder == ">"
    for name, code in TYPE_CODES.items():
        ours, numpys = f"{code}'".encode(), f"u{code[1]}'".encode()
        if array is None and ours in file and (array := _load(file.replace(ours, numpys, 1))) is not None:
            dtype, big = BY_NAME[name], array.dtype.byteorder == ">"
    if array is None or dtype is None:
        return None
    fortran = b"True" in file[:128]  # The array does not say so where both orders are the same.
    return expect(Sent("", dtype, big, "", array.shape, fortran, array.tobytes("F" if fortran else "C")))


def bad_name(rng: Random) -> str:
    return rng.choice(["\n", "a\0b", "\x7f", "a\x85", "n" * 257, "é" * 129, "\x1b[31m"])


def conflict(rng: Random, message: pb.Array) -> None:
    """Gives an array that is a `.npy` file a field that the file has itself."""
    kind = rng.randrange(3)
    if kind == 0:
        message.shape.append(rng.randint(0, 3))
    elif kind == 1:
        message.fortran_order = True
    else:
        message.dtype = rng.choice(["<f4", ">i2", "|b1", "float31", "bool_"])
