#!/usr/bin/env bash
# OpenCV 5 takes arrays of int64 and uint64 and goes on with the lower half of each element: cv2.flip and cv2.transpose,
# which only move elements, give int32, and 2**32 + 7 is 7. FileStorage writes the same, and of uint32, which OpenCV 5
# has, it reads 4294967295 as 0. cv2.flip and cv2.transpose of bool and uint32 are right.
#
# Expected, before it was run: the elements in other places, or a refusal, as OpenCV 5 has types of its own for 64 bits
# (CV_64S, CV_64U).
# Found on 2026-11-30 with Python 3.11.7 on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q opencv-python-headless==5.0.0.93 numpy==2.4.6

"$folder/venv/bin/python" - "$folder/x.yml" <<'END'
import sys
from collections.abc import Callable

import cv2
import numpy as np

print(f"OpenCV {cv2.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")
ARRAYS = {
    "bool": np.array([[True, False]]),
    "uint32": np.array([[2**32 - 1, 7]], np.uint32),
    "int64": np.array([[2**32 + 7, -(2**40)]]),
    "uint64": np.array([[2**64 - 1, 2**40 + 1]], np.uint64),
}


def through_file(array: np.ndarray) -> np.ndarray:
    file = cv2.FileStorage(sys.argv[1], cv2.FILE_STORAGE_WRITE)
    file.write("x", array)
    file.release()
    file = cv2.FileStorage(sys.argv[1], cv2.FILE_STORAGE_READ)
    return file.getNode("x").mat()


WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flipped twice": lambda array: cv2.flip(cv2.flip(array, 1), 1),
    "transposed twice": lambda array: cv2.transpose(cv2.transpose(array)),
    "FileStorage": through_file,
}
seen = {}
for name, array in ARRAYS.items():
    print(f"{name} {array.tolist()}:")
    for way, call in WAYS.items():
        result = call(array)
        is_same = result.dtype == array.dtype and np.array_equal(result, array)
        seen[name, way] = "the same" if is_same else f"{result.dtype} {result.tolist()}"
        print(f"  {way}: {seen[name, way]}")

recorded = dict.fromkeys(seen, "the same")
recorded |= {("int64", way): "int32 [[7, 0]]" for way in WAYS}
recorded |= {("uint64", way): "int32 [[-1, 1]]" for way in WAYS}
recorded["uint32", "FileStorage"] = "uint32 [[0, 7]]"
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: half of each element is gone, without a word.")
END
