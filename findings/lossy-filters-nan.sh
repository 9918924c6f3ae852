#!/usr/bin/env bash
# Filters that round floats so that they compress better make ordinary numbers of NaNs and infinities, each its own way:
# HDF5's scale-offset makes of a NaN the smallest number of its chunk, and a float32 chunk that begins with one cannot
# be read at all; netCDF's GranularBitRound makes 0 of infinities, and its BitGroom NaN of every other one;
# numcodecs.BitRound makes 0 of a NaN all of whose bits are set, as CUDA gives them.
#
# Expected, before it was run: a filter that is lossy in digits keeps what has no digits, as netCDF's BitRound does.
# Found on 2026-11-30 with Python 3.11.7 on x86-64. Unidata/netcdf4-python#1314 tells of NaNs that GranularBitRound
# lost; the version below keeps them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q h5py==3.16.0 netCDF4==1.7.5.1.post1 numcodecs==0.16.6 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - "$folder" <<'END'
import sys
from collections.abc import Callable

import h5py
import netCDF4
import numcodecs
import numpy as np

versions = f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}, netCDF {netCDF4.__netcdf4libversion__}"
print(f"{versions}, numcodecs {numcodecs.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")
SET = np.array([0x7FFFFFFF], np.uint32).view(np.float32)[0]  # A NaN, all of whose bits but the sign are set.
ROWS = {
    "NaN": np.array([5, np.nan, 1, 2], np.float32),
    "NaN first": np.array([np.nan, 5, 1, 2], np.float32),
    "NaN with all bits": np.array([5, SET, 1, 2], np.float32),
    "infinities": np.array([5, np.inf, -np.inf, np.inf], np.float32),
}


def scale_offset(row: np.ndarray) -> np.ndarray:
    with h5py.File(f"{sys.argv[1]}/x.h5", "w") as file:
        file.create_dataset("x", data=row, chunks=row.shape, scaleoffset=2)
    with h5py.File(f"{sys.argv[1]}/x.h5") as file:
        return file["x"][()]


def quantized(mode: str) -> Callable[[np.ndarray], np.ndarray]:
    def write_and_read(row: np.ndarray) -> np.ndarray:
        with netCDF4.Dataset(f"{sys.argv[1]}/x.nc", "w") as file:
            file.createDimension("x", len(row))
            file.createVariable("x", "f4", "x", significant_digits=3, quantize_mode=mode, zlib=True)[:] = row
        with netCDF4.Dataset(f"{sys.argv[1]}/x.nc") as file:
            file.set_auto_mask(False)
            return file["x"][:]

    return write_and_read


def bit_round(row: np.ndarray) -> np.ndarray:
    codec = numcodecs.BitRound(10)
    return codec.decode(codec.encode(row))


FILTERS = {
    "netCDF BitRound": quantized("BitRound"),
    "netCDF BitGroom": quantized("BitGroom"),
    "netCDF GranularBitRound": quantized("GranularBitRound"),
    "numcodecs BitRound": bit_round,
    "HDF5 scale-offset": scale_offset,
}


def told(write_and_read: Callable[[np.ndarray], np.ndarray], row: np.ndarray) -> str:
    try:
        return " ".join(f"{number:.3g}" for number in write_and_read(row))
    except OSError:
        return "cannot be read"


seen = {}
for what, row in ROWS.items():
    print(f"{what}: {' '.join(f'{number:.3g}' for number in row)}")
    for name, write_and_read in FILTERS.items():
        seen[what, name] = told(write_and_read, row)
        print(f"  {name}: {seen[what, name]}")

recorded = {(what, name): " ".join(f"{number:.3g}" for number in row) for what, row in ROWS.items() for name in FILTERS}
recorded |= {
    ("NaN", "HDF5 scale-offset"): "5 1 1 2",
    ("NaN first", "HDF5 scale-offset"): "cannot be read",
    ("NaN with all bits", "HDF5 scale-offset"): "5 1 1 2",
    ("NaN with all bits", "numcodecs BitRound"): "5 -0 1 2",
    ("infinities", "netCDF BitGroom"): "5 nan -inf nan",
    ("infinities", "netCDF GranularBitRound"): "5 -0 0 -0",
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: what is no number becomes one.")
END
