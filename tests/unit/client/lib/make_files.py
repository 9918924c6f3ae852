"""Saves the files that the client's tests read: arrays as NumPy writes them, their digests, damaged and odd ones."""

import io
import itertools
import struct
import sys
import warnings
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import safetensors.torch
import torch
import xxhash

DTYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]
DTYPES += ["complex64", "complex128"]
ML_DTYPES = ["bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"]


def random_array(dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    count = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(np.random.default_rng(1).bytes(count), dtype=dtype).reshape(shape)


def save_plain(folder: Path) -> None:
    """DTYPE-N.npy, in C order and little-endian, as the client writes what comes back."""
    for name in DTYPES + ML_DTYPES:
        dtype = np.dtype(getattr(ml_dtypes, name, name))
        for i, shape in enumerate([(), (0,), (7,), (3, 4), (0, 2), (1234567, 1, 0), (1,) * 32]):
            file = io.BytesIO()
            np.save(file, random_array(dtype, shape))
            # numpy.load refuses what np.save writes of float8_e5m2, so the client writes a void there.
            (folder / f"{name}-{i}.npy").write_bytes(file.getvalue().replace(b"'<f1'", b"'<V1'"))


def save_with_digest(folder: Path) -> None:
    """NAME.npy, and NAME.digest of its elements in C order, little-endian, bools 0 or 1."""
    for name in DTYPES:
        dtype = np.dtype(name)
        for order in "<>":
            for i, shape in enumerate([(), (0, 3), (100_003,), (37, 41, 5), (2, 30_001)]):
                for layout in "CF":
                    array = np.asarray(random_array(dtype.newbyteorder(order), shape), order=layout)
                    little = array.astype(dtype.newbyteorder("<"), order="C")
                    if name == "bool":
                        little = (np.ascontiguousarray(array).view(np.uint8) != 0).astype(np.uint8)
                    stem = f"{name}-{'big' if order == '>' else 'little'}-{i}-{layout}"
                    np.save(folder / f"{stem}.npy", array)
                    (folder / f"{stem}.digest").write_text(xxhash.xxh3_128(little.tobytes()).hexdigest())


class Pipe(io.RawIOBase):
    """A file that cannot seek: zipfile then writes sizes behind the members."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self.file = file

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        return self.file.write(data)


def save_archives(folder: Path) -> None:
    array = np.arange(1000, dtype=">f4")
    np.savez(folder / "stored.npz", array, x=array)
    np.savez_compressed(folder / "deflated.npz", array, x=array)
    np.savez(folder / "empty.npz")
    member = io.BytesIO()
    np.save(member, array)
    with (
        open(folder / "piped.npz", "wb") as file,
        zipfile.ZipFile(Pipe(file), "w") as archive,
        archive.open("x.npy", "w", force_zip64=True) as target,
    ):
        target.write(member.getvalue())
    with zipfile.ZipFile(folder / "extra.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
        archive.writestr("x.npy", member.getvalue())

    for name, method in [("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)]:
        with zipfile.ZipFile(folder / f"{name}.npz", "w", method) as archive:
            archive.writestr("x.npy", member.getvalue())
    stored = (folder / "stored.npz").read_bytes()
    deflated = (folder / "deflated.npz").read_bytes()
    entry = stored.index(b"PK\1\2")

    def patched(data: bytes, offset: int, patch: bytes) -> bytes:
        return data[:offset] + patch + data[offset + len(patch) :]

    def overlapping() -> bytes:
        """The first member reaches into the second."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("x.npy", member.getvalue())
            archive.writestr("y.npy", member.getvalue())
        data, size = file.getvalue(), struct.pack("<I", len(member.getvalue()) + 10) * 2
        return patched(patched(data, 18, size), data.index(b"PK\1\2") + 20, size)

    damaged = {
        "checksum": patched(stored, 300, bytes([stored[300] ^ 1])),
        "truncated": stored[:-10],
        "size": patched(deflated, deflated.index(b"PK\1\2") + 24, b"\4\0\0\0"),
        "encrypted": patched(patched(stored, entry + 8, b"\1"), 6, b"\1"),
        "overlap": overlapping(),
        "nothing": b"",
        "text": b"hello",
        "zip_magic": b"PK\3\4",
    }
    for name, data in damaged.items():
        (folder / f"{name}.npz").write_bytes(data)
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(folder / "twice.npz", "w") as archive:
        archive.writestr("x.npy", member.getvalue())
        archive.writestr("x.npy", member.getvalue())
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\x93NUMPY" + bytes((1 << 20) - 6))


def save_layouts(folder: Path) -> None:
    """One archive for each way to fill the three fields of a local header that the directory has, too.

    read-*.npz: zipfile reads them, and no field is wrong; without bit 3 a 0 is. refused-*.npz: the others.
    """
    member = io.BytesIO()
    np.save(member, np.arange(1000, dtype=">f4"))
    for is_piped in (False, True):
        file = io.BytesIO()
        with zipfile.ZipFile(Pipe(file) if is_piped else file, "w") as archive:
            archive.writestr("x.npy", member.getvalue())
        info = archive.getinfo("x.npy")
        right = {"checksum": info.CRC, "packed": info.compress_size, "size": info.file_size}
        for choice in itertools.product(("zero", "equal", "wrong"), repeat=3):
            values = [
                {"zero": 0, "equal": value, "wrong": value ^ 1}[said]
                for said, value in zip(choice, right.values(), strict=True)
            ]
            data = bytearray(file.getvalue())
            data[14:26] = struct.pack("<III", *values)
            assert zipfile.ZipFile(io.BytesIO(data)).read("x.npy") == member.getvalue()
            good = all(said == "equal" or (said == "zero" and is_piped) for said in choice)
            name = f"{'read' if good else 'refused'}-{'piped' if is_piped else 'seeked'}-{'-'.join(choice)}.npz"
            (folder / name).write_bytes(data)


def save_named(folder: Path) -> None:
    """NAME-N.npy: big-endian arrays whose descr is a void, and NAME-N.digest of their elements, swapped by hand."""
    for name, descr in [("bfloat16", ">V2"), ("complex32", ">W4"), ("complex32", ">V4")]:
        for count in (0, 1, 200_001):
            pairs = np.frombuffer(np.random.default_rng(count).bytes(count * int(descr[2])), np.uint8).reshape(-1, 2)
            text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({count},), }}\n".encode()
            head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
            (folder / f"{name}-{descr[1]}{count}.npy").write_bytes(head + pairs[:, ::-1].tobytes())
            (folder / f"{name}-{descr[1]}{count}.digest").write_text(xxhash.xxh3_128(pairs.tobytes()).hexdigest())


def save_safetensors(folder: Path) -> None:
    """all.safetensors with a tensor for each dtype that safetensors has, called as it is, and NAME.digest of each."""
    tensors = {"scalar": torch.tensor(1.5), "empty": torch.zeros(0, 3, dtype=torch.int64)}
    for name in DTYPES + ML_DTYPES:
        if name != "complex128":
            elements = random_array(np.dtype(getattr(ml_dtypes, name, name)), (3, 5))
            if name == "bool":
                elements = elements.view(np.uint8) % 2
            bits = torch.from_numpy(np.frombuffer(bytearray(elements.tobytes()), np.uint8).reshape(3, -1))
            tensors[name] = bits.view(getattr(torch, name))
            (folder / f"{name}.digest").write_text(xxhash.xxh3_128(elements.tobytes()).hexdigest())
    safetensors.torch.save_file(tensors, folder / "all.safetensors", metadata={"format": "pt"})


def main() -> None:
    root = Path(sys.argv[1])
    folders = {
        "plain": save_plain,
        "digests": save_with_digest,
        "named": save_named,
        "archives": save_archives,
        "layouts": save_layouts,
        "safetensors": save_safetensors,
    }
    for name, save in folders.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        save(root / name)
    (root / "stamp").touch()


if __name__ == "__main__":
    main()
